import * as v from 'valibot';
import { findRemovable, listData, removeData } from '../jobs/data/data.ts';
import { formatCount, formatSize } from '../lib/units.ts';
import type { ListedData, RemovedData } from '../model/answers/data.ts';
import { changing, field, firstRows, flag, listVerb, option, PAGED, reading, text } from './verb.ts';

export const ls = listVerb({
  name: 'ls',
  ...reading('/data'),
  input: v.strictObject({
    prefix: option('[prefix]', 'only keys with this prefix (default: all)', text, ''),
    checksums: option(
      '--checksums',
      'also show the SHA-256 recorded by upload; takes one request per object',
      flag,
      false,
    ),
    ...PAGED,
  }),
  cursorOf: ({ key }: ListedData) => key,
  answer: async () => (await import('../model/answers/data.ts')).LISTED_DATA,
  async run(context, { prefix, checksums, after, limit }) {
    const { store } = await context.platform();
    const rows = listData(store, prefix, { checksums, after, signal: context.signal });
    return firstRows(listedRows(rows), limit);
  },
});

async function* listedRows(rows: ReturnType<typeof listData>): AsyncIterable<ListedData> {
  for await (const row of rows) yield { ...row, modified: new Date(row.modified).toISOString() };
}

/** Removes raw data after confirmation. Throws `notFound` and `refused` before anything is removed. */
export const rm = listVerb({
  name: 'rm',
  ...changing('POST', '/removals'),
  input: v.strictObject({
    key: field(
      '<key...>',
      'keys as shown by ls; a final / or * matches all keys with that prefix',
      v.pipe(v.array(text), v.minLength(1, 'expected at least one key')),
    ),
  }),
  answer: async () => (await import('../model/answers/data.ts')).REMOVED_DATA,
  async run(context, { key }) {
    const { store } = await context.platform();
    const entries = await findRemovable(store, key);
    await context.confirm(`remove ${sumText(entries)} from ${store.location}?`);
    const { dryRun } = context;
    if (!dryRun) await removeData(store, entries);
    return asyncRows(entries.map(({ key, size }) => ({ key, size, dryRun })));
  },
});

/** `claims.csv (1.2MB)`, `12 objects (3.4GB)` */
export function sumText(entries: readonly { readonly key: string; readonly size: number }[]): string {
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  const [only] = entries;
  const what = entries.length === 1 && only !== undefined ? only.key : `${formatCount(entries.length)} objects`;
  return `${what} (${formatSize(bytes)})`;
}

async function* asyncRows(rows: readonly RemovedData[]): AsyncIterable<RemovedData> {
  yield* rows;
}
