import { jobKey, jobPrefix, journalKey, OPEN, workersPrefix } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { type DiscardedRecord, readJob, readRecord } from './journal.ts';
import { removeKeys } from './remove-listed.ts';
import { claimRun, keyedOf } from './run-claims.ts';

/** A submission that was never committed is left alone for a day: its submitter may still be cutting. */
export const ABANDONED_MS = 24 * 3_600_000;

/**
 * Deletes what lies under a job that never will be committed: job.json first, so that nothing half-deleted counts; the open
 * marks last, so that the next onlooker finishes it. A job.json that says that it was discarded stays.
 */
export async function discardJob(store: ObjectStore, job: string): Promise<void> {
  const key = jobKey(job);
  const stays = await saysDiscarded(store, job);
  if (!stays) await store.delete([key]);
  await removeKeys(store, except(store.keys(jobPrefix(job)), stays ? key : null));
  await removeKeys(store, store.keys(`${OPEN}${job}.`));
}

/** True for a job that can never be committed, as its job.json says so. */
export async function saysDiscarded(store: ObjectStore, job: string): Promise<boolean> {
  return (await store.head(jobKey(job))) !== null && (await readRecord(store, job)) === null;
}

async function* except(keys: AsyncIterable<string>, one: string | null): AsyncGenerator<string> {
  for await (const key of keys) if (key !== one) yield key;
}

/**
 * Discards a submission of which nothing was heard for a day; unless its submitter, who may only have slept, commits it
 * first: false then. One create-if-absent decides between the two, at the very key that the submitter needs next: its
 * job.json, or once that is there, the claim of its run key.
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

/** What an onlooker does with an open mark that has no committed job: after a day, its remains are deleted. */
export async function discardAbandoned(platform: Platform, job: string): Promise<void> {
  const { store } = platform;
  let newest: number | null = null;
  const marks: string[] = [];
  for await (const { key, modified } of store.list(`${OPEN}${job}.`)) {
    newest = Math.max(newest ?? 0, modified);
    marks.push(key);
  }
  if (newest === null) return;
  // Whatever has a journal was committed: since it was looked at, or once, and only its mark is left over.
  if ((await store.head(journalKey(job, 0))) !== null) {
    if ((await readJob(store, job)) === null) await store.delete(marks);
  } else if ((await storeTime(platform)) - newest >= ABANDONED_MS) await discardUnlessCommitted(store, job);
}

/** The store's own time: instants that are compared come from one clock. */
export async function storeTime({ store, who }: Pick<Platform, 'store' | 'who'>): Promise<number> {
  const key = `${workersPrefix(who)}clock`;
  await store.put(key, '{"format":1}');
  const info = await store.head(key);
  await store.delete([key]);
  return info?.modified ?? 0;
}
