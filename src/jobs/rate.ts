import type { JobView } from '../model/view.ts';
import type { LedgerWorker, StepCounts } from '../ports/ledger.ts';

/** The period of a follower's rate, milliseconds; less than the minimum is not enough. */
const WHILE_MS = 60_000;
const LEAST_MS = 10_000;

/** Tasks per second over the last minute, for repeated looks. */
export class RecentRate {
  readonly #samples: { readonly at: number; readonly done: number }[] = [];

  /** Adds a look (`at`: monotonic milliseconds) and returns the rate; null if too little is known. */
  add(at: number, done: number): number | null {
    this.#samples.push({ at, done });
    // A look older than the period stays, as the baseline.
    while ((this.#samples[1]?.at ?? at) <= at - WHILE_MS) this.#samples.shift();
    const [first] = this.#samples;
    if (first === undefined || at - first.at < LEAST_MS) return null;
    return rounded(Math.max(0, done - first.done) / ((at - first.at) / 1_000));
  }
}

/**
 * Tasks per second for a single look, from facts that cost the same at any size; null without workers, or before
 * anything is done. In the first round: what today's workers did since they and the job existed. After a retry, when
 * earlier work says nothing about the pace: their slots over a task's mean duration.
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
  // A worker's own count is as old as its last heartbeat.
  const until = theirs === 0 ? now : Math.max(...workers.map(({ seenAt }) => seenAt), since + 1);
  const elapsed = (until - since) / 1_000;
  return elapsed <= 0 ? null : rounded((theirs === 0 ? done : Math.min(done, theirs)) / elapsed);
}

const rounded = (rate: number): number => Math.round(rate * 100) / 100;
