import { formatSize, wholeNumber } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, parsed, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatMany } from '../format.ts';
import { answer } from '../render.ts';
import { startProgress } from '../render-progress.ts';

export function uploadCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<path...>': 'files, directories or patterns' },
    options: {
      '--to <prefix>': 'put them below this prefix: claims/2026-11/',
      '--include <glob>': repeated("only files that match: *.csv by name, 2026/** by a directory's path"),
      '--exclude <glob>': repeated('no files that match'),
      '--parallel <n>': parsed('files in flight (default: 8)', wholeNumber(1)),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['prefix', 'files', 'bytes', 'uploaded', 'uploadedBytes', 'skipped', 'dryRun'],
      properties: {
        prefix: { type: 'string', description: 'what all keys begin with; may be empty' },
        files: { type: 'integer' },
        bytes: { type: 'integer' },
        uploaded: { type: 'integer', description: 'files; with --dry-run, those that would be' },
        uploadedBytes: { type: 'integer' },
        skipped: { type: 'integer', description: 'files that were there already, with the same size and checksum' },
        dryRun: { type: 'boolean' },
      },
    },
    help: {
      about:
        'A file gets its name as its key, what a directory holds gets its path in that directory; both below --to. Jobs read them as store:KEY, or store:PREFIX/ for all below a prefix. An upload that was interrupted is taken up by the same command: what is there with the same size and checksum is skipped.',
      examples: [
        'batchctl upload claims.csv',
        'batchctl upload exports/ --to claims/2026-11 --include "*.csv" --exclude "*-draft.csv"',
        'batchctl upload exports/ --to claims/2026-11 --dry-run',
      ],
      exitCodes: [
        0,
        [4, 'a path matches no file'],
        [7, 'an open job reads what would be replaced; a file may not be read'],
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
  linkToDirectory: 'a link to a directory; name it too to upload what it holds',
  noFile: 'neither a file nor a directory',
} as const;

/** Puts files into the store. Throws as `jobs/upload` does. */
export async function uploadVerb({ ctx, path, ...options }: UploadVerbOptions): Promise<void> {
  const { upload } = await import('../../jobs/upload/upload.ts');
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
    const skipped = result.skipped === 0 ? '' : `, skipped ${formatCount(result.skipped)} that are there already`;
    await answer(ctx, {
      json: { ...result, dryRun },
      text: `${dryRun ? 'would upload' : 'uploaded'} ${what} to store:${result.prefix}${skipped}`,
    });
  } catch (error) {
    progress.failed();
    if (ctx.signal.aborted) ctx.notice('what was uploaded stays; the same command takes it up again');
    throw error;
  }
}
