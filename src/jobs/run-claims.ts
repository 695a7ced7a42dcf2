import { parseStored, type Shape } from '../lib/json.ts';
import type { JobRecord } from '../model/job.ts';
import { runKeyClaim } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** What stands at a number of a run key: which job that run is, or that a submission was discarded there. */
export interface RunKeyClaim {
  readonly format: 1;
  /** '' where a submission was discarded: the number is no run. */
  readonly job: string;
  readonly digest: string;
  /** The job whose submission was discarded: it can't claim the key any more. Others claim the next number. */
  readonly discarded?: string;
}

type Keyed = Pick<JobRecord, 'job'> & { readonly runKey: string; readonly runNumber: number };

const CLAIM: Shape = { job: 'text', digest: 'text', discarded: 'text?' };

/** What stands at one number of a run key. */
export async function readClaim(store: ObjectStore, runKey: string, number: number): Promise<RunKeyClaim | null> {
  const key = runKeyClaim(runKey, number);
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<RunKeyClaim>(key, bytes, { shape: CLAIM });
}

/** The claim that decides whether a job is committed: at its number, or after those at which others were discarded. */
export async function decidingClaim(
  store: ObjectStore,
  { job, runKey, runNumber }: Keyed,
): Promise<RunKeyClaim | null> {
  for (let number = runNumber; ; number += 1) {
    const claim = await readClaim(store, runKey, number);
    if (claim === null || !isDiscardOfAnother(claim, job)) return claim;
  }
}

/**
 * Decides about a job, once: its submitter claims the run key for it, and whoever discards it claims that it never will.
 * Both do so at the same number, create-if-absent, so one of them wins. Answers the claim that stands.
 */
export async function claimRun(store: ObjectStore, keyed: Keyed, claim: RunKeyClaim): Promise<RunKeyClaim> {
  const { job, runKey } = keyed;
  for (let number = keyed.runNumber; ; ) {
    const { created } = await store.put(runKeyClaim(runKey, number), JSON.stringify(claim), { ifAbsent: true });
    if (created) return claim;
    const standing = await readClaim(store, runKey, number);
    if (standing === null) continue;
    if (!isDiscardOfAnother(standing, job)) return standing;
    number += 1;
  }
}

const isDiscardOfAnother = ({ discarded }: RunKeyClaim, job: string): boolean =>
  discarded !== undefined && discarded !== job;

/** A job with a run key; null for one without: that is committed as soon as its job.json is there. */
export function keyedOf({ job, runKey, runNumber }: JobRecord): Keyed | null {
  return runKey === null || runNumber === null ? null : { job, runKey, runNumber };
}
