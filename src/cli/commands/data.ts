import { formatSize } from '../../lib/units.ts';
import type { ListedData, RemovedData } from '../../model/answers/data.ts';
import { ls, rm, sumText } from '../../verbs/data.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answerList, print } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function lsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, ls, {
    help: {
      about: 'Lists the raw data in the store by key, and prints rows as they arrive.',
      examples: ['batchctl ls', 'batchctl ls claims/2026-11/ --checksums', 'batchctl ls --json claims/'],
      exitCodes: [[0, 'also if there is none']],
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
    await answerList(ctx, { rows, json: (row) => row, columns: [], empty });
    return;
  }
  const line = lineMaker(await ctx.zone(), checksums);
  let page: string[] = [];
  let any = false;
  for await (const row of rows) {
    if (!any) page.push(header(line.modifiedWidth, checksums));
    any = true;
    page.push(line.of(row));
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
function lineMaker(
  zone: string,
  checksums: boolean,
): { readonly modifiedWidth: number; readonly of: (row: ListedData) => string } {
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
    of: ({ key, size, modified, checksum }) => {
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
        'Removes all the given raw data from the store, or nothing if something stands against it. Asks for confirmation; --yes confirms.',
      examples: ['batchctl rm claims/2026-10.csv', 'batchctl rm claims/2026-10/ --yes'],
      exitCodes: [0, [4, 'no such key'], [7, 'an open job reads it, or it was not confirmed']],
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
