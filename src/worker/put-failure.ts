import { readFailureObject } from '../jobs/failures.ts';
import { causeText, type Failure, type FailureRecord, mayBeBadInput } from '../model/failure.ts';
import { failedKey, isBegunKey, roundTriesPrefix, tryKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { AdmittedTask } from './admitted-task.ts';
import type { WorkerContext } from './context.ts';
import type { Outcome } from './outcome.ts';

/** A failed attempt that ran here; or, with `attempt` null, a task that fails without running. */
export interface FailedAttempt {
  readonly task: Pick<AdmittedTask, 'message' | 'step' | 'view'>;
  readonly attempt: string | null;
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Its part's cuts were assumed, and are between records. */
  readonly wholeRecords?: boolean;
  readonly outcome: Extract<Outcome, { readonly kind: 'retry' | 'failed' }>;
}

/** Writes a failed attempt (`tries/`) or a failure for good (`failed/`). Repeating it changes nothing. */
export async function putFailure(
  ctx: Pick<WorkerContext, 'platform' | 'worker' | 'passed'>,
  failing: FailedAttempt,
): Promise<void> {
  const { task, outcome, number, startedAt, endedAt } = failing;
  const { job, step, task: n, round } = task.message;
  const { store } = ctx.platform;
  const { failure } = outcome;
  const attempt = failing.attempt ?? 'none';
  const here = failing.attempt === null ? null : ctx.worker;
  const bad =
    outcome.kind === 'failed' && (await isBadInput(store, task, { attempts: outcome.attempts, failure, here }));
  const record: FailureRecord = {
    format: 1,
    reason: failure.reason,
    exitCode: failure.exitCode,
    error: failure.error,
    attempt,
    number,
    worker: ctx.worker,
    startedAt: new Date(startedAt).toISOString(),
    endedAt: new Date(endedAt).toISOString(),
    cause: causeText({ step, ...failure }),
    entries: task.view.next,
    ...(bad && { badInput: true }),
    ...(failing.wholeRecords && { wholeRecords: true }),
  };
  const key = outcome.kind === 'retry' ? tryKey(job, step, n, round, attempt) : failedKey(job, step, n, round);
  await store.put(key, JSON.stringify(record), { ifAbsent: true });
  ctx.passed(outcome.kind === 'retry' ? 'tries' : 'failed');
}

/**
 * Whether a task that ends now has used up its attempts on at least two workers, so that its input is the likely cause,
 * not a machine or the network. A few small reads, only for a task that fails for good. `here`: the worker of its last
 * attempt; null if none ran now.
 */
export async function isBadInput(
  store: ObjectStore,
  { message, step }: Pick<AdmittedTask, 'message' | 'step'>,
  { attempts, failure, here }: { readonly attempts: number; readonly failure: Failure; readonly here: string | null },
): Promise<boolean> {
  if (attempts < step.attempts || attempts < 2 || !mayBeBadInput(failure)) return false;
  const { job, step: name, task, round } = message;
  const workers = new Set(here === null ? [] : [here]);
  for await (const key of store.keys(roundTriesPrefix(job, name, task, round))) {
    const worker = isBegunKey(key) ? null : ((await readFailureObject(store, key))?.worker ?? null);
    if (worker !== null) workers.add(worker);
  }
  return workers.size > 1;
}
