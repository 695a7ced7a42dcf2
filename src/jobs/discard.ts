import { jobKey, jobPrefix, journalKey, OPEN, workersPrefix } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';

/** A submission that was never committed is left alone for a day: its submitter may still be cutting. */
const ABANDONED_MS = 24 * 3_600_000;

/** Deletes what lies under a job that was never committed: job.json first, so that nothing half-deleted counts. */
export async function discardJob(store: ObjectStore, job: string): Promise<void> {
  await store.delete([jobKey(job)]);
  const keys: string[] = [];
  for await (const { key } of store.list(jobPrefix(job))) keys.push(key);
  for await (const { key } of store.list(`${OPEN}${job}.`)) keys.push(key);
  if (keys.length > 0) await store.delete(keys);
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
  // A pruned job keeps its journal and proofs: only its mark is left over.
  if ((await store.head(journalKey(job, 0))) !== null) await store.delete(marks);
  else if ((await storeTime(platform)) - newest >= ABANDONED_MS) await discardJob(store, job);
}

/** The store's own time: instants that are compared come from one clock. */
async function storeTime({ store, who }: Platform): Promise<number> {
  const key = `${workersPrefix(who)}clock`;
  await store.put(key, '{"format":1}');
  const info = await store.head(key);
  await store.delete([key]);
  return info?.modified ?? 0;
}
