import type { BatchctlError } from '../errors.ts';
import { problemsOf } from '../lib/issues.ts';
import { type Position, type Problem, problemsError } from '../lib/problems.ts';
import { readYaml } from '../lib/yaml-document.ts';
import { asConfigFile, type ConfigFile } from './config-file.ts';
import type { FoundFile } from './find.ts';
import { outerSchema } from './schema.ts';

const HINT = 'docs/configuration.md describes the fields; `batchctl config schema` prints their JSON Schema';

/** Finds the mistakes of a file that `readConfig` doubts and throws them; returns the file if there are none. */
export function reportOuter(found: FoundFile, failure: unknown): ConfigFile {
  const document = readYaml(found.text);
  const problems: Problem[] = [...document.problems];
  if (problems.length === 0 && failure !== null) {
    const why = failure instanceof Error ? failure.message : String(failure);
    problems.push({ path: [], at: positionIn(found.text, why), message: `not JSON: ${why}` });
  }
  if (document.value !== undefined || problems.length === 0) {
    const value = document.value ?? null;
    const result = outerSchema.safeParse(value);
    if (!result.success) problems.push(...problemsOf(result.error.issues, value));
  }
  const file = asConfigFile(document.value);
  if (problems.length === 0 && file !== null) return file;
  throw configProblems(found, problems);
}

/** The mistakes of a file as one `config` error; paths begin at the file's root. */
export function configProblems(found: FoundFile, problems: readonly Problem[]): BatchctlError {
  return problemsError('config', found.path, problems, readYaml(found.text).locate, HINT);
}

/** V8 reports a position as an offset, or not at all. */
function positionIn(text: string, why: string): Position {
  const offset = Number(/at position (\d+)/.exec(why)?.[1] ?? 0);
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}
