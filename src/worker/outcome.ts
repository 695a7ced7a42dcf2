import type { OutputMeta } from '../model/output.ts';

/** How an attempt failed, as `tries/` and `failed/` keep it. */
export interface Failure {
  /** A stable word: exit, signal, timeout, stall, memory, missing, input, output, counters, killed. */
  readonly reason: string;
  readonly exitCode: number | null;
  /** The last line of stderr, or what the worker found; at most 512 characters. */
  readonly error: string | null;
}

/** What became of a delivery: one clause each in `settle`. */
export type Outcome =
  | { readonly kind: 'published'; readonly meta: OutputMeta }
  /** Another attempt's output stands: this delivery's work was done already. */
  | { readonly kind: 'twin'; readonly meta: OutputMeta }
  | { readonly kind: 'retry'; readonly failure: Failure; readonly delay: number }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly attempts: number }
  /** It failed for good before, in this round. */
  | { readonly kind: 'failedBefore'; readonly record: FailureRecord }
  | { readonly kind: 'interrupted'; readonly why: 'drain' | 'pause' | 'kill' | 'service'; readonly delay: number }
  | { readonly kind: 'leaseLost' }
  /** Not to be run: the job is paused or cancelled, was stopped or pruned, or a newer round asks for the task. */
  | { readonly kind: 'dropped'; readonly why: 'paused' | 'cancelled' | 'stopped' | 'stale' | 'skipped' | 'gone' }
  /** Nobody can run it: a message that makes no sense. */
  | { readonly kind: 'poison'; readonly reason: string }
  /** Given back unrun, for another worker or another time. */
  | {
      readonly kind: 'declined';
      readonly why: 'newer' | 'unfit' | 'limit' | 'busy' | 'early' | 'service';
      readonly delay: number;
    };

/** tries/: a failed attempt. failed/: a task that failed for good in a round. */
export interface FailureRecord extends Failure {
  readonly format: 1;
  readonly attempt: string;
  readonly number: number;
  readonly worker: string;
  /** ISO-8601 UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** The folded cause, as text. */
  readonly cause: string;
}
