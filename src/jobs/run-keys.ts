import { BatchctlError } from '../errors.ts';
import { readStored, type Shape } from '../lib/json.ts';
import type { JobRecord } from '../model/job.ts';
import { runClaimKey, runsPrefix } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';

/** The content at a number of a run key: the job of that run, or a discarded submission. */
export interface RunKeyClaim {
  readonly format: 1;
  /** '' for a discarded submission: the number is not a run. */
  readonly job: string;
  readonly digest: string;
  /** The job whose submission was discarded: it can't claim the key any more. Others claim the next number. */
  readonly discarded?: string;
  /** The key and number that it claims, so that a copy under another key is detected. Absent in earlier builds. */
  readonly runKey?: string;
  readonly number?: number;
}

type Keyed = Pick<JobRecord, 'job'> & { readonly runKey: string; readonly runNumber: number };

const CLAIM: Shape = { job: 'text', digest: 'text', discarded: 'text?', runKey: 'text?', number: 'number?' };

/** The claim at one number of a run key, or null if there is none. Throws `corrupt` for that of another. */
async function readClaim(store: ObjectStore, runKey: string, number: number): Promise<RunKeyClaim | null> {
  const key = runClaimKey(runKey, number);
  const claim = await readStored<RunKeyClaim>(store, key, { shape: CLAIM });
  if (claim === null || (claim.runKey === undefined && claim.number === undefined)) return claim;
  if (claim.runKey === runKey && claim.number === number) return claim;
  throw claimOfAnother(key, `it claims run ${claim.number} of the key "${claim.runKey}"`);
}

/** Throws `corrupt` if a job was not submitted for the key whose claim names it: a claim of an earlier build may be a copy. */
export function requireOwnRun({ job, runKey }: Pick<JobRecord, 'job' | 'runKey'>, claimed: string): void {
  if (runKey === claimed) return;
  const own = runKey === null ? 'without a run key' : `for the run key "${runKey}"`;
  throw claimOfAnother(runsPrefix(claimed), `its job, ${job}, was submitted ${own}`);
}

function claimOfAnother(key: string, found: string): BatchctlError {
  return new BatchctlError('corrupt', `${key} is not the claim of this run: ${found}`, {
    hint: 'restore it from a backup or an earlier version of the object',
  });
}

/** The claim that decides whether a job is committed: at its number, or after those of discarded submissions. */
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
 * Decides about a job once: its submitter claims the run key for it, or a process that discards it claims that it never
 * will be. Both use create-if-absent at the same number, so one wins. Returns the existing claim.
 */
export async function claimRun(store: ObjectStore, keyed: Keyed, claim: RunKeyClaim): Promise<RunKeyClaim> {
  const { job, runKey } = keyed;
  for (let number = keyed.runNumber; ; ) {
    const bound: RunKeyClaim = { ...claim, runKey, number };
    const { created } = await store.put(runClaimKey(runKey, number), JSON.stringify(bound), { ifAbsent: true });
    if (created) return bound;
    const standing = await readClaim(store, runKey, number);
    if (standing === null) continue;
    if (!isDiscardOfAnother(standing, job)) return standing;
    number += 1;
  }
}

const isDiscardOfAnother = ({ discarded }: RunKeyClaim, job: string): boolean =>
  discarded !== undefined && discarded !== job;

/** A job with a run key; null without one: such a job is committed as soon as its job.json exists. */
export function keyedOf({ job, runKey, runNumber }: JobRecord): Keyed | null {
  return runKey === null || runNumber === null ? null : { job, runKey, runNumber };
}

/** The latest run of a key, if any. Cheap, so it is checked before anything else is prepared. */
export async function existingRun(
  platform: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{ readonly claim: RunKeyClaim; readonly number: number } | null> {
  return (await runsOf(platform, runKey)).latest;
}

/** The latest run of a key, and the number of the next one. Numbers of discarded submissions are not runs. */
export async function runsOf(
  { store }: Pick<Platform, 'store'>,
  runKey: string,
): Promise<{
  readonly latest: { readonly claim: RunKeyClaim; readonly number: number } | null;
  readonly next: number;
}> {
  const numbers: number[] = [];
  for await (const key of store.keys(runsPrefix(runKey))) {
    const match = /\/(\d{4,})\.json$/.exec(key);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  // Keys are listed as text, in which 10000 is before 9999.
  numbers.sort((one, other) => one - other);
  const next = (numbers.at(-1) ?? -1) + 1;
  for (const number of numbers.reverse()) {
    const claim = await readClaim(store, runKey, number);
    if (claim !== null && claim.discarded === undefined) return { latest: { claim, number }, next };
  }
  return { latest: null, next };
}
