import * as v from 'valibot';
import { BatchctlError, hasCode, messageOf } from '../../errors.ts';
import { type Path, type Problem, problemsError, problemsOf } from '../../lib/problems.ts';
import { readSmallFile, type SmallFile } from '../../lib/read-file.ts';
import { readYaml, type YamlDocument } from '../../lib/yaml-document.ts';
import type { JobSpec } from '../../model/job.ts';
import { checkJobFile, itemsOf, type Loose, looseMap } from './check.ts';
import { jobFileSchema } from './schema.ts';

/** The maximum size of a job file: 4 MiB. Larger content belongs in an input. */
export const MOST_JOB_FILE_BYTES = 4 * 1024 * 1024;

/** The maximum content of a job: checking a step takes about 20 microseconds, and any other value a few. */
export const JOB_LIMITS = { values: 10_000, depth: 64, steps: 1_000, notify: 100 };

const HINT = 'docs/job-file.md describes the fields; `batchctl schema job` prints their JSON Schema';

/**
 * Parses a job file (YAML 1.2 or JSON) into its spec, with every default filled in. Throws one `jobFile` error that
 * names every mistake: `FILE:LINE:COLUMN: FIELD: found ..., allowed: ...`.
 */
export function parseJobFile(text: string, where: { readonly file: string; readonly tokens?: number }): JobSpec {
  const { value, problems, locate } = readYaml(text, isKeptAsWritten, where.tokens);
  if (value === undefined && problems.length > 0) throw problemsError('jobFile', where.file, problems, locate, HINT);
  return specOf(value ?? null, where.file, problems, locate);
}

/** The maximum of a job file that a manager parses for a caller, which takes it some milliseconds. */
const SENT_TEXT = { bytes: 16 * 1024, tokens: 5_000 };

/** The same for a text that a caller sent. */
export function parseSentJobFile(text: string, { file }: { readonly file: string }): JobSpec {
  const bytes = Buffer.byteLength(text);
  if (bytes <= SENT_TEXT.bytes) return parseJobFile(text, { file, tokens: SENT_TEXT.tokens });
  throw new BatchctlError('jobFile', `${file} has ${bytes} bytes, allowed as text: ${SENT_TEXT.bytes}`, {
    hint: 'send the job as an object, or submit it with batchctl submit',
  });
}

/** The same for a value from JSON, which has no lines: `FILE: FIELD: found ..., allowed: ...`. */
export const specOfValue = (value: unknown, where: { readonly file: string }): JobSpec =>
  specOf(value, where.file, [], null);

function specOf(
  value: unknown,
  file: string,
  found: readonly Problem[],
  locate: YamlDocument['locate'] | null,
): JobSpec {
  const excess = excessOf(value);
  if (excess !== null) throw problemsError('jobFile', file, [excess], locate, HINT);
  const result = v.safeParse(jobFileSchema, value, { abortPipeEarly: true });
  const mistakes = result.success ? [] : problemsOf(result.issues, value, jobFileSchema);
  const problems = [...found, ...mistakes, ...checkJobFile(value)];
  if (result.success && problems.length === 0) return result.output;
  throw problemsError('jobFile', file, problems, locate, HINT);
}

/** Reads a job file. Throws `notFound` if there is none, and otherwise as `parseJobFile` does. */
export async function loadJobFile(path: string): Promise<JobSpec> {
  const bytes = readJobFile(path);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new BatchctlError('jobFile', `${path} is not UTF-8 text`, { hint: HINT, cause: error });
  }
  return parseJobFile(text, { file: path });
}

function readJobFile(path: string): Uint8Array {
  const read = (): SmallFile => {
    try {
      return readSmallFile(path, MOST_JOB_FILE_BYTES);
    } catch (cause) {
      if (hasCode(cause, 'ENOENT', 'ENOTDIR')) {
        throw new BatchctlError('notFound', `no job file ${path}`, {
          hint: 'create an example with `batchctl init`',
          cause,
        });
      }
      const why = messageOf(cause);
      throw new BatchctlError('jobFile', `can't read the job file ${path}: ${why}`, { hint: HINT, cause });
    }
  };
  const file = read();
  if ('bytes' in file) return file.bytes;
  if ('found' in file) {
    throw new BatchctlError('jobFile', `expected a job file, found ${file.found}: ${path}`, {
      hint:
        file.found === 'a directory'
          ? `create an example in it with batchctl init ${path}`
          : 'write the job into a file, and name that',
    });
  }
  const message = `expected a job file of at most ${MOST_JOB_FILE_BYTES} bytes, found more in ${path}`;
  throw new BatchctlError('jobFile', message, { hint: 'move long lists into an input, split by list' });
}

/**
 * The first excess over a job's limits, or null. Stops at the first excess, because an alias may expand to very much.
 */
function excessOf(job: unknown): Problem | null {
  for (const field of ['steps', 'notify'] as const) {
    const { length } = itemsOf(looseMap(job)?.[field]);
    if (length > JOB_LIMITS[field])
      return { path: [field], message: `found ${length}, allowed: at most ${JOB_LIMITS[field]}` };
  }
  let values = 0;
  const look = (value: unknown, depth: number): Problem | null => {
    values += 1;
    if (values > JOB_LIMITS.values) {
      const message = `found more than ${JOB_LIMITS.values} fields and values, allowed: ${JOB_LIMITS.values}; move long lists into an input, split by list`;
      return { path: [], message };
    }
    if (typeof value !== 'object' || value === null) return null;
    if (depth === JOB_LIMITS.depth) return { path: [], message: `is nested more than ${JOB_LIMITS.depth} deep` };
    for (const name in value) {
      const excess = look((value as Loose)[name], depth + 1);
      if (excess !== null) return excess;
    }
    return null;
  };
  return look(job, 0);
}

/**
 * Plain values whose numbers reach commands as text: `1.10` must not become `1.1`, nor `007` `7`. In a command's list
 * also words that YAML has a meaning for: `[ffmpeg, -i, "{input}", -f, null, -]`.
 */
function isKeptAsWritten(path: Path, value: unknown): boolean {
  const [first, second] = path;
  if (first === 'steps' && second === 'run') return path.length === 3;
  if (typeof value !== 'number') return false;
  if (first === 'params' || first === 'labels') return path.length === 2;
  if (first === 'input') return second === 'split' && isOfGrid(path.slice(2));
  return first === 'steps' && second === 'env' && path.length === 3;
}

/** The values of axes, as `lr: [0.10]` and `lr: { from: 0.10, to: 1 }`, and those that `exclude` names. */
function isOfGrid([field, ...path]: Path): boolean {
  if (field === 'exclude') return path.length >= 2;
  return field === 'axes' && path.length >= 2 && path[1] !== 'count';
}
