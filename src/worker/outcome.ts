import type { Failure, FailureRecord } from '../model/failure.ts';
import type { OutputMeta } from '../model/output.ts';

/** What became of a delivery: one clause each in `settle`. */
export type Outcome =
  | { readonly kind: 'published'; readonly meta: OutputMeta }
  /** Another attempt's output stands: this delivery's work was done already. */
  | { readonly kind: 'twin'; readonly meta: OutputMeta }
  | { readonly kind: 'retry'; readonly failure: Failure; readonly delay: number }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly attempts: number }
  /** It failed for good before, in this round. */
  | { readonly kind: 'failedBefore'; readonly record: FailureRecord }
  /** `spot`: EC2 took the machine back. Where its step says so, a task that this ends often goes to another group. */
  | {
      readonly kind: 'interrupted';
      readonly why: 'drain' | 'spot' | 'pause' | 'kill' | 'service';
      readonly delay: number;
    }
  /** Spot ended it too often: the group that takes it over gets it, unrun. */
  | { readonly kind: 'handedOver'; readonly to: string }
  /** A secret that its command needs can't be read; `error` names it and says why, never its value. */
  | { readonly kind: 'secretRefused'; readonly error: string }
  /** Its input may not be read, or its output not be put, again and again; `error` names the right that is missing. */
  | { readonly kind: 'denied'; readonly error: string }
  | { readonly kind: 'leaseLost' }
  /** Not to be run: the job is paused or cancelled, was stopped or pruned, or a newer round asks for the task. */
  | { readonly kind: 'dropped'; readonly why: 'paused' | 'cancelled' | 'stopped' | 'stale' | 'skipped' | 'gone' }
  /** Nobody can run it: a message that makes no sense. */
  | { readonly kind: 'poison'; readonly reason: string }
  /** Given back unrun, for another worker or another time. */
  | {
      readonly kind: 'declined';
      readonly why: 'newer' | 'unfit' | 'limit' | 'busy' | 'early' | 'service' | 'denied' | 'risk';
      readonly delay: number;
    };
