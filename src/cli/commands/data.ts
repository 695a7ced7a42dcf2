import { formatSize, wholeNumberParser } from '../../lib/units.ts';
import type { ListedData, RemovedData } from '../../model/answers/data.ts';
import { ls, rm, sumText } from '../../verbs/data.ts';
import { type CommandDefinition, type CommandInput, defineCommand, objectOf, parsed, repeated } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatInstant, formatMany } from '../format.ts';
import { startProgress } from '../progress.ts';
import { print, printAnswer, printList } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function lsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, ls, {
    help: {
      about: 'Lists the raw data in the store by key, and prints rows as they arrive.',
      examples: ['batchctl ls', 'batchctl ls claims/2026-11/ --checksums', 'batchctl ls --json claims/'],
      exitCodes: { 0: 'also if there is none' },
      related: ['upload', 'rm'],
    },
    show: (_, { prefix, checksums }) => ({
      answer: (rows) => show(ctx, rows, String(prefix ?? ''), checksums === true),
    }),
  });
}

/** Rows printed at a time, so that memory stays flat. */
const PAGE = 500;

async function show(ctx: Context, rows: AsyncIterable<ListedData>, prefix: string, checksums: boolean): Promise<void> {
  const empty = prefix === '' ? 'no data; use batchctl upload to add some' : `no key begins with ${prefix}`;
  if (ctx.flags.json) {
    await printList(ctx, { rows, columns: [], empty });
    return;
  }
  const line = lineFormatter(await ctx.zone(), checksums);
  let page: string[] = [];
  let any = false;
  for await (const row of rows) {
    if (!any) page.push(header(line.modifiedWidth, checksums));
    any = true;
    page.push(line.format(row));
    if (page.length < PAGE) continue;
    await print(ctx, page.join(''));
    page = [];
  }
  if (page.length > 0) await print(ctx, page.join(''));
  if (!any) ctx.notice(empty);
}

const SIZE_WIDTH = 8;
const CHECKSUM_WIDTH = 'sha256:'.length + 64;

function header(modifiedWidth: number, checksums: boolean): string {
  const checksum = checksums ? `${'CHECKSUM'.padEnd(CHECKSUM_WIDTH)}  ` : '';
  return `${'SIZE'.padStart(SIZE_WIDTH)}  ${'MODIFIED'.padEnd(modifiedWidth)}  ${checksum}KEY\n`;
}

/** Formats a line. The key is the last column, so that the longest one need not be known in advance. */
function lineFormatter(
  zone: string,
  checksums: boolean,
): { readonly modifiedWidth: number; readonly format: (row: ListedData) => string } {
  const minutes = new Map<number, string>();
  // Adjacent objects often share a minute, and formatting an instant is the expensive part.
  const instant = (modified: number): string => {
    const minute = Math.floor(modified / 60_000);
    const known = minutes.get(minute) ?? formatInstant(modified, zone);
    if (minutes.size > 1_000) minutes.clear();
    minutes.set(minute, known);
    return known;
  };
  // The length of a zone's name may change over the year.
  const modifiedWidth = Math.max(...[0, 6].map((month) => formatInstant(Date.UTC(2026, month, 1), zone).length));
  return {
    modifiedWidth,
    format: ({ key, size, modified, checksum }) => {
      const sum = checksums ? `${(checksum ?? '-').padEnd(CHECKSUM_WIDTH)}  ` : '';
      const shown = key.replace(/\p{Cc}/gu, '?');
      return `${formatSize(size).padStart(SIZE_WIDTH)}  ${instant(Date.parse(modified)).padEnd(modifiedWidth)}  ${sum}${shown}\n`;
    },
  };
}

export function rmCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, rm, {
    help: {
      about:
        "Removes the given raw data from the store. If any of it can't be removed, removes nothing. Asks for confirmation; --yes confirms.",
      examples: ['batchctl rm claims/2026-10.csv', 'batchctl rm claims/2026-10/ --yes'],
      exitCodes: { 0: true, 4: 'no such key', 7: 'an open job reads it, or it was not confirmed' },
      related: ['ls', 'upload', 'prune'],
    },
    show: () => ({
      answer: async (rows) => {
        const removed: RemovedData[] = [];
        for await (const row of rows) {
          if (ctx.flags.json) await print(ctx, `${JSON.stringify(row)}\n`);
          else removed.push(row);
        }
        const did = ctx.flags.dryRun ? 'would remove' : 'removed';
        if (!ctx.flags.json) await print(ctx, `${did} ${sumText(removed)}\n`);
      },
    }),
  });
}

const UPLOAD = {
  '--to <prefix>': 'put them below this prefix: claims/2026-11/',
  '--include <glob>': repeated('only matching files: *.csv by name, 2026/** by path in the directory'),
  '--exclude <glob>': repeated('exclude matching files'),
  '--parallel <n>': parsed('concurrent uploads (default: 8)', wholeNumberParser(1)),
};

export function uploadCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<path...>': 'files, directories or patterns' },
    options: UPLOAD,
    writes: true,
    output: objectOf({
      prefix: { type: 'string', description: 'prefix of all keys; may be empty' },
      files: { type: 'integer', description: 'files found' },
      bytes: { type: 'integer', description: 'total size' },
      uploaded: { type: 'integer', description: 'files; with --dry-run, files that would be uploaded' },
      uploadedBytes: { type: 'integer', description: 'size of the uploaded files' },
      skipped: { type: 'integer', description: 'existing files with the same size and checksum' },
      dryRun: { type: 'boolean', description: 'true: nothing was changed' },
    }),
    help: {
      about:
        "A file's key is its name; for files in a directory it is their path in that directory. Both are put below --to. Jobs read them as store:KEY, or store:PREFIX/ for everything below a prefix. The same command resumes an interrupted upload: existing files with the same size and checksum are skipped.",
      examples: [
        'batchctl upload claims.csv',
        'batchctl upload exports/ --to claims/2026-11 --include "*.csv" --exclude "*-draft.csv"',
        'batchctl upload exports/ --to claims/2026-11 --dry-run',
      ],
      exitCodes: {
        0: true,
        4: 'a path matches no file',
        7: "an open job reads an object that would be replaced, or a file can't be read",
        9: 'a file changed while it was uploaded',
      },
      related: ['ls', 'rm', 'submit'],
    },
    run: (input) => uploadFiles(ctx, input.path, input),
  });
}

const WHY = {
  linkToDirectory: 'a link to a directory; name it explicitly to upload its content',
  noFile: 'neither a file nor a directory',
} as const;

/** Uploads files to the store. Throws like `jobs/upload`. */
async function uploadFiles(
  ctx: Context,
  paths: readonly string[],
  options: CommandInput<typeof UPLOAD>,
): Promise<void> {
  const { upload } = await import('../../jobs/data/upload.ts');
  const { store } = await ctx.platform();
  const { dryRun } = ctx.flags;
  const progress = await startProgress(ctx, dryRun ? 'comparing' : 'uploading', 'bytes');
  try {
    const result = await upload(store, {
      ...options,
      paths,
      cwd: ctx.io.cwd,
      dryRun,
      signal: ctx.signal,
      onProgress: ({ done, total }) => progress.update(done, total),
      onIgnored: (ignored, why) => ctx.warn(`left out ${ignored}: ${WHY[why]}`),
    });
    progress.done();
    const what = `${formatMany(result.uploaded, 'file')} (${formatSize(result.uploadedBytes)})`;
    const skipped = result.skipped === 0 ? '' : `, skipped ${formatCount(result.skipped)} that exist already`;
    await printAnswer(ctx, {
      json: { ...result, dryRun },
      text: `${dryRun ? 'would upload' : 'uploaded'} ${what} to store:${result.prefix}${skipped}`,
    });
  } catch (error) {
    progress.failed();
    if (ctx.signal.aborted) ctx.notice('uploaded files are kept; run the same command to resume');
    throw error;
  }
}
