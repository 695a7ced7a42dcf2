import { jobKey, jobPrefix, journalKey, OPEN, workersPrefix } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { type DiscardedRecord, readJob, readRecord } from './journal.ts';
import { removeKeys } from './remove-listed.ts';
import { claimRun, keyedOf } from './run-claims.ts';

/** An uncommitted submission is left alone for a day, as its submitter may still be splitting. */
export const ABANDONED_MS = 24 * 3_600_000;

/**
 * Deletes the objects of a job that will never be committed: job.json first, so that nothing half-deleted counts; the
 * open marks last, so that the next look completes it. A job.json that records the discard stays.
 */
export async function discardJob(store: ObjectStore, job: string): Promise<void> {
  const key = jobKey(job);
  const stays = await saysDiscarded(store, job);
  if (!stays) await store.delete([key]);
  await removeKeys(store, except(store.keys(jobPrefix(job)), stays ? key : null));
  await removeKeys(store, store.keys(`${OPEN}${job}.`));
}

/** True for a job that can never be committed, according to its job.json. */
export async function saysDiscarded(store: ObjectStore, job: string): Promise<boolean> {
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
  for await (const { key, modified } of store.list(`${OPEN}${job}.`)) {
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
  const key = `${workersPrefix(who)}clock`;
  await store.put(key, '{"format":1}');
  const info = await store.head(key);
  await store.delete([key]);
  return info?.modified ?? 0;
}
