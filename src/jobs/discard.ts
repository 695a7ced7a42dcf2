import { jobKey, jobPrefix, journalKey, OPEN, workersPrefix } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { removeKeys } from './remove-listed.ts';

/** A submission that was never committed is left alone for a day: its submitter may still be cutting. */
export const ABANDONED_MS = 24 * 3_600_000;

/** Deletes what lies under a job that was never committed: job.json first, so that nothing half-deleted counts. */
export async function discardJob(store: ObjectStore, job: string): Promise<void> {
  await store.delete([jobKey(job)]);
  await removeKeys(store, store.keys(jobPrefix(job)));
  await removeKeys(store, store.keys(`${OPEN}${job}.`));
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
  // Whatever has a journal was committed once: only its mark is left over.
  if ((await store.head(journalKey(job, 0))) !== null) await store.delete(marks);
  else if ((await storeTime(platform)) - newest >= ABANDONED_MS) await discardJob(store, job);
}

/** The store's own time: instants that are compared come from one clock. */
export async function storeTime({ store, who }: Pick<Platform, 'store' | 'who'>): Promise<number> {
  const key = `${workersPrefix(who)}clock`;
  await store.put(key, '{"format":1}');
  const info = await store.head(key);
  await store.delete([key]);
  return info?.modified ?? 0;
}
