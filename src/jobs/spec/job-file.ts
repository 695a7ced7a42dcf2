import { readFile } from 'node:fs/promises';
import { BatchctlError, hasCode } from '../../errors.ts';
import { problemsOf } from '../../lib/issues.ts';
import { type Path, problemsError } from '../../lib/problems.ts';
import { readYaml } from '../../lib/yaml-document.ts';
import type { JobSpec } from '../../model/job.ts';
import { checkJobFile } from './check.ts';
import { normalize } from './normalize.ts';
import { jobFileSchema } from './schema.ts';

/** The largest job file: 4 MiB. What is longer than that belongs into an input. */
export const MOST_JOB_FILE_BYTES = 4 * 1024 * 1024;

const HINT = 'the fields are in docs/job-file.md; `batchctl job schema` prints their JSON Schema';

/**
 * Reads the text of a job file (YAML 1.2 or JSON) into its spec, every default filled in.
 * Throws one `jobFile` error that names every mistake: `FILE:LINE:COLUMN: FIELD: found ..., allowed: ...`.
 */
export function parseJobFile(text: string, where: { readonly file: string }): JobSpec {
  const document = readYaml(text, keptAsWritten);
  const problems = [...document.problems];
  if (document.value === undefined && problems.length > 0) throw failure();
  const result = jobFileSchema.safeParse(document.value ?? null);
  if (!result.success) problems.push(...problemsOf(result.error.issues, document.value ?? null));
  problems.push(...checkJobFile(document.value));
  if (!result.success || problems.length > 0) throw failure();
  return normalize(result.data);

  function failure(): BatchctlError {
    return problemsError('jobFile', where.file, problems, document.locate, HINT);
  }
}

/** Reads a job file. Throws `notFound` when there is none, else as `parseJobFile` does. */
export async function loadJobFile(path: string): Promise<JobSpec> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) {
      throw new BatchctlError('notFound', `no job file ${path}`, {
        hint: '`batchctl init` writes an example',
        cause: error,
      });
    }
    if (hasCode(error, 'EISDIR')) {
      throw new BatchctlError('jobFile', `expected a job file, found a directory: ${path}`, {
        hint: `batchctl init ${path} writes an example into it`,
        cause: error,
      });
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new BatchctlError('jobFile', `can't read the job file ${path}: ${why}`, { hint: HINT, cause: error });
  }
  if (bytes.length > MOST_JOB_FILE_BYTES) {
    const message = `${path} has ${bytes.length} bytes, allowed for a job file: ${MOST_JOB_FILE_BYTES}`;
    throw new BatchctlError('jobFile', message, { hint: 'put long lists into an input, split by list' });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new BatchctlError('jobFile', `${path} is no UTF-8 text, which a job file must be`, {
      hint: HINT,
      cause: error,
    });
  }
  return parseJobFile(text, { file: path });
}

/** Maps of plain values, whose numbers are text to the commands: `1.10` must not become `1.1`, nor `007` `7`. */
function keptAsWritten(path: Path): boolean {
  const [first, second, third] = path;
  if (first === 'params' || first === 'labels') return path.length === 2;
  if (first === 'input') return path.length === 4 && second === 'split' && third === 'axes';
  return first === 'steps' && second === 'env' && path.length === 3;
}
