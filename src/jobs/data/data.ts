import { BatchctlError } from '../../errors.ts';
import { mapAhead } from '../../lib/parallel.ts';
import { dataKey } from '../../model/keys.ts';
import type { ObjectEntry, ObjectStore } from '../../ports/object-store.ts';
import { bareKey, dataChecksum, parseDataKey, shownKey } from '../data-key.ts';
import { findOpenReaders, inUseError } from '../open-jobs.ts';

/** The number of objects looked up ahead. */
const AHEAD = 16;
/** Keys deleted per request (S3: DeleteObjects takes 1,000). */
const BATCH = 1_000;

export interface DataEntry {
  /** Without `data/`. */
  readonly key: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** `sha256:<hex>` as recorded by `upload`; null if not requested, or something else put the object. */
  readonly checksum: string | null;
}

export interface ListDataOptions {
  /** Also look up each object's checksum, at one request per object. */
  readonly checksums: boolean;
  /** Only keys after this one. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal;
}

/** Lists raw data with the prefix `prefix`, in key order, as it arrives. */
export async function* listData(
  store: ObjectStore,
  prefix: string,
  { checksums, after, signal }: ListDataOptions,
): AsyncGenerator<DataEntry> {
  const entries = store.list(dataKey(bareKey(prefix)), {
    // The first key that can follow another is the same with a zero byte.
    ...(after !== undefined && { from: `${dataKey(bareKey(after))}\0` }),
    ...(signal !== undefined && { signal }),
  });
  if (checksums) {
    for await (const entry of mapAhead(entries, AHEAD, (found) => withChecksum(store, found))) yield entry;
  } else {
    for await (const entry of entries) yield dataEntryOf(entry, null);
  }
}

async function withChecksum(store: ObjectStore, entry: ObjectEntry): Promise<DataEntry> {
  const info = await store.head(entry.key);
  return dataEntryOf(entry, info === null ? null : dataChecksum(info.metadata));
}

function dataEntryOf({ key, size, modified }: ObjectEntry, checksum: string | null): DataEntry {
  return { key: shownKey(key), size, modified, checksum };
}

/**
 * The objects that the names match: a key, or all keys with a prefix that ends in `/` or `*`. Throws `notFound` for a
 * name without a match, and `refused` if an open job reads one of the objects, so that a command removes all of them or
 * none.
 */
export async function findRemovable(store: ObjectStore, texts: readonly string[]): Promise<readonly DataEntry[]> {
  const found = new Map<string, DataEntry>();
  for (const text of texts) {
    const entries = await matchData(store, text);
    if (entries.length === 0) {
      throw new BatchctlError('notFound', `there is no data ${bareKey(text)}`, { hint: 'batchctl ls' });
    }
    for (const entry of entries) found.set(entry.key, entry);
  }
  const entries = [...found.values()];
  // Nothing may be written yet, so ask this machine's clock instead of the store's.
  await refuseDataInUse(store, entries, async () => Date.now());
  return entries;
}

async function matchData(store: ObjectStore, text: string): Promise<readonly DataEntry[]> {
  const bare = bareKey(text);
  if (bare.endsWith('/') || bare.endsWith('*')) {
    const entries: DataEntry[] = [];
    for await (const entry of listData(store, bare.replace(/\*$/, ''), { checksums: false })) entries.push(entry);
    return entries;
  }
  const info = await store.head(parseDataKey(text));
  return info === null ? [] : [dataEntryOf(info, dataChecksum(info.metadata))];
}

/** Removes raw data. Throws `refused`, before anything is removed, if an open job reads it by now. */
export async function removeData(store: ObjectStore, entries: readonly DataEntry[]): Promise<void> {
  await refuseDataInUse(store, entries);
  for (let at = 0; at < entries.length; at += BATCH) {
    await store.delete(entries.slice(at, at + BATCH).map(({ key }) => dataKey(key)));
  }
}

async function refuseDataInUse(
  store: ObjectStore,
  entries: readonly DataEntry[],
  now?: () => Promise<number>,
): Promise<void> {
  const keys = new Set(entries.map(({ key }) => dataKey(key)));
  for (const [key, job] of await findOpenReaders(store, (read) => keys.has(read), now && { now })) {
    throw inUseError(shownKey(key), job, 'remove');
  }
}
