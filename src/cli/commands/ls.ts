import type { DataEntry } from '../../jobs/data/data.ts';
import { formatSize } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answerList, print } from '../render.ts';

export function lsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[prefix]': 'only keys with this prefix (default: all)' },
    options: { '--checksums': 'also show the SHA-256 recorded by upload; takes one request per object' },
    writes: false,
    output: {
      type: 'object',
      required: ['key', 'size', 'modified', 'checksum'],
      properties: {
        key: { type: 'string', description: 'jobs read it as store:KEY' },
        size: { type: 'integer' },
        modified: { type: 'string', format: 'date-time' },
        checksum: { type: ['string', 'null'], description: 'sha256:<hex>; null without --checksums' },
      },
    },
    help: {
      about: 'Lists the raw data in the store by key, and prints rows as they arrive.',
      examples: ['batchctl ls', 'batchctl ls claims/2026-11/ --checksums', 'batchctl ls --json claims/'],
      exitCodes: [[0, 'also if there is none']],
      related: ['upload', 'rm'],
    },
    run: (input) => ls({ ctx, ...input }),
  });
}

export interface LsOptions {
  readonly ctx: Context;
  readonly prefix: string | undefined;
  readonly checksums: boolean;
}

/** Rows are printed in batches of this size, so memory stays flat. */
const PAGE = 500;

export async function ls({ ctx, prefix = '', checksums }: LsOptions): Promise<void> {
  const { listData } = await import('../../jobs/data/data.ts');
  const { store } = await ctx.platform();
  const rows = listData(store, prefix, { checksums, signal: ctx.signal });
  const empty = prefix === '' ? 'no data; use batchctl upload to add some' : `no key begins with ${prefix}`;
  if (ctx.flags.json) {
    const json = (row: DataEntry): unknown => ({ ...row, modified: new Date(row.modified).toISOString() });
    await answerList(ctx, { rows, json, columns: [], empty });
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

/** The key is the last column, so that the longest one need not be known. */
function lineMaker(
  zone: string,
  checksums: boolean,
): { readonly modifiedWidth: number; readonly of: (row: DataEntry) => string } {
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
      return `${formatSize(size).padStart(SIZE_WIDTH)}  ${instant(modified).padEnd(modifiedWidth)}  ${sum}${shown}\n`;
    },
  };
}
