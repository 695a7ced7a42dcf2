import { formatSize, wholeNumber } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, parsed, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatMany } from '../format.ts';
import { startProgress } from '../progress.ts';
import { answer } from '../render.ts';

export function uploadCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<path...>': 'files, directories or patterns' },
    options: {
      '--to <prefix>': 'put them below this prefix: claims/2026-11/',
      '--include <glob>': repeated('only matching files: *.csv by name, 2026/** by path in the directory'),
      '--exclude <glob>': repeated('exclude matching files'),
      '--parallel <n>': parsed('concurrent uploads (default: 8)', wholeNumber(1)),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['prefix', 'files', 'bytes', 'uploaded', 'uploadedBytes', 'skipped', 'dryRun'],
      properties: {
        prefix: { type: 'string', description: 'prefix of all keys; may be empty' },
        files: { type: 'integer' },
        bytes: { type: 'integer' },
        uploaded: { type: 'integer', description: 'files; with --dry-run, files that would be uploaded' },
        uploadedBytes: { type: 'integer' },
        skipped: { type: 'integer', description: 'existing files with the same size and checksum' },
        dryRun: { type: 'boolean' },
      },
    },
    help: {
      about:
        "A file's key is its name; for files in a directory it is their path in that directory. Both are put below --to. Jobs read them as store:KEY, or store:PREFIX/ for everything below a prefix. The same command resumes an interrupted upload: existing files with the same size and checksum are skipped.",
      examples: [
        'batchctl upload claims.csv',
        'batchctl upload exports/ --to claims/2026-11 --include "*.csv" --exclude "*-draft.csv"',
        'batchctl upload exports/ --to claims/2026-11 --dry-run',
      ],
      exitCodes: [
        0,
        [4, 'a path matches no file'],
        [7, "an open job reads an object that would be replaced, or a file can't be read"],
        [9, 'a file changed while it was uploaded'],
      ],
      related: ['ls', 'rm', 'submit'],
    },
    run: (input) => uploadVerb({ ctx, ...input }),
  });
}

export interface UploadVerbOptions {
  readonly ctx: Context;
  readonly path: readonly string[];
  readonly to: string | undefined;
  readonly include: readonly string[] | undefined;
  readonly exclude: readonly string[] | undefined;
  readonly parallel: number | undefined;
}

const WHY = {
  linkToDirectory: 'a link to a directory; name it explicitly to upload its content',
  noFile: 'neither a file nor a directory',
} as const;

/** Uploads files to the store. Throws like `jobs/upload`. */
export async function uploadVerb({ ctx, path, ...options }: UploadVerbOptions): Promise<void> {
  const { upload } = await import('../../jobs/data/upload.ts');
  const { store } = await ctx.platform();
  const { dryRun } = ctx.flags;
  const progress = await startProgress(ctx, dryRun ? 'comparing' : 'uploading', 'bytes');
  try {
    const result = await upload(store, {
      ...options,
      paths: path,
      cwd: ctx.io.cwd,
      dryRun,
      signal: ctx.signal,
      onProgress: ({ done, total }) => progress.update(done, total),
      onIgnored: (ignored, why) => ctx.warn(`left out ${ignored}: ${WHY[why]}`),
    });
    progress.done();
    const what = `${formatMany(result.uploaded, 'file')} (${formatSize(result.uploadedBytes)})`;
    const skipped = result.skipped === 0 ? '' : `, skipped ${formatCount(result.skipped)} that exist already`;
    await answer(ctx, {
      json: { ...result, dryRun },
      text: `${dryRun ? 'would upload' : 'uploaded'} ${what} to store:${result.prefix}${skipped}`,
    });
  } catch (error) {
    progress.failed();
    if (ctx.signal.aborted) ctx.notice('uploaded files are kept; run the same command to resume');
    throw error;
  }
}
