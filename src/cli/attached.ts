import { BatchctlError } from '../errors.ts';
import type { CodeArchive } from '../jobs/code-archive.ts';
import type { JobSpec } from '../model/job.ts';
import { codeKey } from '../model/keys.ts';
import type { Attachments } from '../ports/verbs.ts';
import type { Context } from './context.ts';

/** The spec of the job file sent by a remote caller. Throws `usage` if it sent none, and otherwise like job files. */
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

/**
 * The job's files that a remote caller uploaded before; null for a job without files. Throws `usage`, `notFound`,
 * `corrupt`.
 */
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
  // Nothing was uploaded for a plan, which keeps nothing.
  if (planned != null) return { sha256, gzip: new Uint8Array(), files: planned.files };
  const { readStoredCode } = await import('../jobs/stored-code.ts');
  const code = await readStoredCode((await ctx.platform()).store, sha256);
  if (code !== null) return code;
  throw new BatchctlError('notFound', `the job's files, ${codeKey(sha256)}, are not in the store`, {
    hint: 'upload them first; the same command run again does that',
  });
}

/** The content of a small file named by a remote caller's option. Throws `usage` if it was not sent along. */
export function attachedText({ texts }: Attachments, option: string, path: string): string {
  const text = texts !== undefined && Object.hasOwn(texts, path) ? texts[path] : undefined;
  if (text !== undefined) return text;
  throw new BatchctlError(
    'usage',
    `${option} ${path} was not sent along, and a manager does not read paths of its callers`,
  );
}
