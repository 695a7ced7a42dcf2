import { parseStored } from '../lib/json.ts';
import { causeText } from '../model/cause.ts';
import type { Failure, FailureRecord } from '../model/failure.ts';
import { failedKey, isBegun, outKey, triesOfRound } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Runnable } from './admit.ts';

/** What is recorded of a task: published, a failure (for good, or of the last attempt so far), or nothing yet. */
export type Recorded =
  | { readonly state: 'done' }
  | { readonly state: 'failed' | 'failedAttempt'; readonly failure: Failure }
  | { readonly state: 'none' };

/** Reads the record of a task in the round that last included it. Throws `newer`, `corrupt`. */
export async function recordedOf(store: ObjectStore, { message }: Pick<Runnable, 'message'>): Promise<Recorded> {
  const { job, step, task, round } = message;
  if ((await store.head(outKey(job, step, task))) !== null) return { state: 'done' };
  const failed = await readRecord(store, failedKey(job, step, task, round));
  if (failed !== null) return { state: 'failed', failure: failed };
  let last: FailureRecord | null = null;
  for await (const { key } of store.list(triesOfRound(job, step, task, round))) {
    const record = isBegun(key) ? null : await readRecord(store, key);
    if (record !== null && record.number >= (last?.number ?? 0)) last = record;
  }
  return last === null ? { state: 'none' } : { state: 'failedAttempt', failure: last };
}

async function readRecord(store: ObjectStore, key: string): Promise<FailureRecord | null> {
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<FailureRecord>(key, bytes);
}

/**
 * Whether a task ended here (null: successfully) as recorded: with the same cause, or also successfully; null if
 * nothing is recorded. With a shell in between, a signal shows only as its exit code.
 */
export function isAsRecorded(step: string, recorded: Recorded, failure: Failure | null): boolean | null {
  if (recorded.state === 'none') return null;
  if (recorded.state === 'done' || failure === null) return (recorded.state === 'done') === (failure === null);
  const there = recorded.failure;
  // A command ended by its timeout may exit with any code.
  if (there.reason === 'timeout' || there.reason === 'stall') return failure.reason === there.reason;
  const bySignal = there.reason === 'signal' || there.reason === 'memory';
  if (bySignal && failure.exitCode === there.exitCode) return true;
  return causeText({ step, ...there }) === causeText({ step, ...failure });
}
