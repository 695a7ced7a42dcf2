import { jobKey, jobPrefix, journalKey, OPEN_PREFIX, workerPrefix } from '../model/keys.ts';
import type { ObjectEntry, ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { type DiscardedRecord, readJob, readRecord } from './journal.ts';
import { claimRun, keyedOf } from './run-keys.ts';

/** An uncommitted submission is left alone for a day, as its submitter may still be splitting. */
export const ABANDONED_MS = 24 * 3_600_000;

/**
 * Deletes the objects of a job that will never be committed: job.json first, so that nothing half-deleted counts; the
 * open marks last, so that the next look completes an interrupted deletion. A job.json that records the discard stays.
 */
export async function discardJob(store: ObjectStore, job: string): Promise<void> {
  const key = jobKey(job);
  const stays = await isDiscarded(store, job);
  if (!stays) await store.delete([key]);
  await removeKeys(store, except(store.keys(jobPrefix(job)), stays ? key : null));
  await removeKeys(store, store.keys(`${OPEN_PREFIX}${job}.`));
}

/** True for a job that can never be committed, according to its job.json. */
export async function isDiscarded(store: ObjectStore, job: string): Promise<boolean> {
  return (await store.head(jobKey(job))) !== null && (await readRecord(store, job)) === null;
}

async function* except(keys: AsyncIterable<string>, one: string | null): AsyncGenerator<string> {
  for await (const key of keys) if (key !== one) yield key;
}

/**
 * Discards a submission without activity for a day. Returns false if its submitter, which may only have been suspended,
 * commits it first. One create-if-absent decides, at the key that the submitter needs next: its job.json, or the claim
 * of its run key once that exists.
 */
export async function discardUnlessCommitted(store: ObjectStore, job: string): Promise<boolean> {
  const body: DiscardedRecord = { format: 1, discarded: job };
  const { created } = await store.put(jobKey(job), JSON.stringify(body), { ifAbsent: true });
  const record = created ? null : await readRecord(store, job);
  if (record !== null) {
    const keyed = keyedOf(record);
    if (keyed === null) return false;
    const claim = await claimRun(store, keyed, { format: 1, job: '', digest: '', discarded: job });
    if (claim.job === job) return false;
  }
  await discardJob(store, job);
  return true;
}

/** Handles an open mark without a committed job: after a day, its leftovers are deleted. */
export async function discardAbandoned(platform: Platform, job: string): Promise<void> {
  const { store } = platform;
  let newest: number | null = null;
  const marks: string[] = [];
  for await (const { key, modified } of store.list(`${OPEN_PREFIX}${job}.`)) {
    newest = Math.max(newest ?? 0, modified);
    marks.push(key);
  }
  if (newest === null) return;
  // A job with a journal was committed: since it was checked, or before, with only its mark left.
  if ((await store.head(journalKey(job, 0))) !== null) {
    if ((await readJob(store, job)) === null) await store.delete(marks);
  } else if ((await storeTime(platform)) - newest >= ABANDONED_MS) await discardUnlessCommitted(store, job);
}

/** The store's own time: compared instants must come from one clock. */
export async function storeTime({ store, who }: Pick<Platform, 'store' | 'who'>): Promise<number> {
  const key = `${workerPrefix(who)}clock`;
  await store.put(key, '{"format":1}');
  const info = await store.head(key);
  await store.delete([key]);
  return info?.modified ?? 0;
}

export interface RemovalTotals {
  readonly objects: number;
  readonly bytes: number;
}

export const NOTHING_REMOVED: RemovalTotals = { objects: 0, bytes: 0 };

export interface RemoveOptions {
  /** True only counts. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Keys deleted at a time (1,000). */
  readonly batch?: number;
  readonly onRemoved?: (objects: number) => void;
}

/** Keys deleted at a time (S3: DeleteObjects takes 1,000), and requests in flight. */
const BATCH = 1_000;

const AT_ONCE = 4;

/**
 * Deletes what a listing yields, as it arrives: holds a few batches in memory, however long the listing. Missing
 * objects are fine, so two processes may remove the same objects. Throws the store's error once all started deletions
 * have ended.
 */
export async function removeListed(
  store: Pick<ObjectStore, 'delete'>,
  entries: AsyncIterable<Pick<ObjectEntry, 'key' | 'size'>>,
  { dryRun = false, signal, batch: most = BATCH, onRemoved }: RemoveOptions = {},
): Promise<RemovalTotals> {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  let [objects, bytes] = [0, 0];
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    const keys = batch;
    batch = [];
    if (keys.length === 0) return;
    const work: Promise<void> = (dryRun ? Promise.resolve() : store.delete(keys))
      .then(
        () => onRemoved?.(keys.length),
        (error: unknown) => {
          failure ??= { error };
        },
      )
      .finally(() => running.delete(work));
    running.add(work);
    if (running.size >= AT_ONCE) await Promise.race(running);
  };
  for await (const { key, size } of entries) {
    if (failure !== null || signal?.aborted === true) break;
    batch.push(key);
    objects += 1;
    bytes += size;
    if (batch.length >= most) await flush();
  }
  if (failure === null && signal?.aborted !== true) await flush();
  await Promise.all(running);
  const first = failure as { readonly error: unknown } | null;
  if (first !== null) throw first.error;
  signal?.throwIfAborted();
  return { objects, bytes };
}

/** The same for keys alone, without counting bytes. */
export async function removeKeys(store: Pick<ObjectStore, 'delete'>, keys: AsyncIterable<string>): Promise<void> {
  await removeListed(store, unsized(keys));
}

async function* unsized(keys: AsyncIterable<string>): AsyncGenerator<Pick<ObjectEntry, 'key' | 'size'>> {
  for await (const key of keys) yield { key, size: 0 };
}

export function addRemoved(a: RemovalTotals, b: RemovalTotals): RemovalTotals {
  return { objects: a.objects + b.objects, bytes: a.bytes + b.bytes };
}
