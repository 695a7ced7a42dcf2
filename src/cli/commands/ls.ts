import type { DataEntry } from '../../jobs/data.ts';
import { formatSize } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { answerList, print } from '../render.ts';

export function lsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[prefix]': 'only keys that begin with this; all unless given' },
    options: { '--checksums': 'also the SHA-256 that upload kept: a request an object' },
    writes: false,
    output: {
      type: 'object',
      required: ['key', 'size', 'modified', 'checksum'],
      properties: {
        key: { type: 'string', description: 'a job reads it as store:KEY' },
        size: { type: 'integer' },
        modified: { type: 'string', format: 'date-time' },
        checksum: { type: ['string', 'null'], description: 'sha256:<hex>; null unless --checksums asked for it' },
      },
    },
    help: {
      about: 'Lists the raw data in the store, in the order of keys, as it comes.',
      examples: ['batchctl ls', 'batchctl ls claims/2026-11/ --checksums', 'batchctl ls --json claims/'],
      exitCodes: [[0, 'listed, if only to say that there is none']],
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

/** Rows are printed so many at a time: memory stays flat. */
const PAGE = 500;

/** Lists raw data. */
export async function ls({ ctx, prefix = '', checksums }: LsOptions): Promise<void> {
  const { listData } = await import('../../jobs/data.ts');
  const { store } = await ctx.platform();
  const rows = listData(store, prefix, { checksums, signal: ctx.signal });
  const empty = prefix === '' ? 'no data; batchctl upload puts some' : `no data begins with ${prefix}`;
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

/** The key stands last, so that no column need know how long the longest is. */
function lineMaker(
  zone: string,
  checksums: boolean,
): { readonly modifiedWidth: number; readonly of: (row: DataEntry) => string } {
  const minutes = new Map<number, string>();
  // Neighbours are often of the same minute, and formatting an instant is what costs here.
  const instant = (modified: number): string => {
    const minute = Math.floor(modified / 60_000);
    const known = minutes.get(minute) ?? formatInstant(modified, zone);
    if (minutes.size > 1_000) minutes.clear();
    minutes.set(minute, known);
    return known;
  };
  // A zone's name may differ in length over the year.
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
