import type { JobView } from '../model/view.ts';
import type { LedgerWorker, StepCounts } from '../ports/ledger.ts';

/** The last while that a follower's rate speaks of, milliseconds; less than the least says nothing yet. */
const WHILE_MS = 60_000;
const LEAST_MS = 10_000;

/** Tasks a second over the last minute, for who looks again and again. */
export class RecentRate {
  readonly #samples: { readonly at: number; readonly done: number }[] = [];

  /** Takes a look (`at`: milliseconds that only go forward) and answers the rate; null while it knows too little. */
  add(at: number, done: number): number | null {
    this.#samples.push({ at, done });
    // One that is older than the while stays, as what the others are measured against.
    while ((this.#samples[1]?.at ?? at) <= at - WHILE_MS) this.#samples.shift();
    const [first] = this.#samples;
    if (first === undefined || at - first.at < LEAST_MS) return null;
    return rounded(Math.max(0, done - first.done) / ((at - first.at) / 1_000));
  }
}

/**
 * Tasks a second for who looks once, from what costs the same at any size; null without workers, or before anything is
 * done. In the first round: what today's workers did since the job and they were there. After a retry, when what
 * was done before says nothing of the pace in time: their slots over a task's mean duration.
 */
export function rateOf(
  view: JobView,
  counts: readonly StepCounts[],
  workers: readonly LedgerWorker[],
  now: number,
): number | null {
  const done = counts.reduce((sum, count) => sum + count.done, 0);
  const [first] = workers;
  if (done === 0 || first === undefined) return null;
  const seconds = counts.reduce((sum, count) => sum + count.seconds, 0);
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  if (view.round > 0 && seconds > 0) return rounded((slots * done) / seconds);
  const theirs = workers.reduce((sum, worker) => sum + worker.done, 0);
  const began = Math.min(...workers.map(({ startedAt }) => startedAt));
  const since = Math.max(Date.parse(view.record.createdAt), began);
  // A worker's own count is as old as its last sign of life.
  const until = theirs === 0 ? now : Math.max(...workers.map(({ seenAt }) => seenAt), since + 1);
  const elapsed = (until - since) / 1_000;
  return elapsed <= 0 ? null : rounded((theirs === 0 ? done : Math.min(done, theirs)) / elapsed);
}

const rounded = (rate: number): number => Math.round(rate * 100) / 100;
