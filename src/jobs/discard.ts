import { jobKey, jobPrefix, OPEN } from '../model/keys.ts';
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
  for await (const { modified } of platform.store.list(`${OPEN}${job}.`)) {
    if (platform.clock.now() - modified < ABANDONED_MS) return;
  }
  await discardJob(platform.store, job);
}
