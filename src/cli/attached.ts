import { BatchctlError } from '../errors.ts';
import type { CodeArchive } from '../jobs/code-archive.ts';
import type { JobSpec } from '../model/job.ts';
import { codeKey } from '../model/keys.ts';
import type { Attachments } from '../ports/verbs.ts';
import type { Context } from './context.ts';

/** The spec of the job file that a caller from elsewhere sent along. Throws `usage` where it sent none, else as job files do. */
export async function attachedSpec({ jobFile }: Attachments, path: string): Promise<JobSpec> {
  if (jobFile === null || jobFile.path !== path) {
    throw new BatchctlError(
      'usage',
      `the job file ${path} was not sent along, and a manager does not read paths of its callers`,
      {
        hint: 'send the job as `spec`',
      },
    );
  }
  const { specOfValue } = await import('../jobs/spec/job-file.ts');
  return specOfValue(jobFile.spec, { file: path });
}

const read = new WeakMap<Context, Promise<CodeArchive | null>>();

/** The files of the job that a caller from elsewhere put before; null for a job without. Throws `usage`, `notFound`, `corrupt`. */
export function attachedCode(ctx: Context, attachments: Attachments, spec: JobSpec): Promise<CodeArchive | null> {
  const known = read.get(ctx) ?? readCode(ctx, attachments, spec);
  read.set(ctx, known);
  return known;
}

async function readCode(ctx: Context, { jobFile, planned }: Attachments, spec: JobSpec): Promise<CodeArchive | null> {
  if (spec.files.length === 0) return null;
  const sha256 = jobFile?.code ?? null;
  if (sha256 === null || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new BatchctlError('usage', `the job's files (${spec.files.join(', ')}) were not sent along`, {
      hint: 'store their archive as code/<sha256>.tar.gz, and send its hash as `code`',
    });
  }
  // Nothing was put for a plan, and nothing is kept of it.
  if (planned != null) return { sha256, gzip: new Uint8Array(), files: planned.files };
  const { readStoredCode } = await import('../jobs/stored-code.ts');
  const code = await readStoredCode((await ctx.platform()).store, sha256);
  if (code !== null) return code;
  throw new BatchctlError('notFound', `the job's files, ${codeKey(sha256)}, are not in the store`, {
    hint: 'upload them first; the same command run again does that',
  });
}

/** What a small file holds that an option of a caller from elsewhere names. Throws `usage` where it was not sent along. */
export function attachedText({ texts }: Attachments, option: string, path: string): string {
  const text = texts !== undefined && Object.hasOwn(texts, path) ? texts[path] : undefined;
  if (text !== undefined) return text;
  throw new BatchctlError(
    'usage',
    `${option} ${path} was not sent along, and a manager does not read paths of its callers`,
  );
}
