import type { Failure, FailureRecord } from '../model/failure.ts';
import type { OutputMeta } from '../model/output.ts';

/** The result of a delivery: `settle` has one clause for each. */
export type Outcome =
  | { readonly kind: 'published'; readonly meta: OutputMeta }
  /** Another attempt's output exists: this delivery's work was already done. */
  | { readonly kind: 'twin'; readonly meta: OutputMeta }
  | { readonly kind: 'retry'; readonly failure: Failure; readonly delay: number }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly attempts: number }
  /** It failed for good earlier in this round. */
  | { readonly kind: 'failedBefore'; readonly record: FailureRecord }
  /** `spot`: EC2 interrupted the instance. A task often ended by this goes to another group if its step says so. */
  | {
      readonly kind: 'interrupted';
      readonly why: 'drain' | 'spot' | 'pause' | 'kill' | 'service';
      readonly delay: number;
    }
  /** EC2 interrupted it too often: the fallback group gets it, without running it here. */
  | { readonly kind: 'handedOver'; readonly to: string }
  /** A secret that its command needs can't be read; `error` has its name and the reason, never its value. */
  | { readonly kind: 'secretRefused'; readonly error: string }
  /** Its input can't be read, or its output not stored, repeatedly; `error` names the missing permission. */
  | { readonly kind: 'denied'; readonly error: string }
  | { readonly kind: 'leaseLost' }
  /** Must not run: the job is paused or cancelled, was stopped or pruned, or a newer round includes the task. */
  | { readonly kind: 'dropped'; readonly why: 'paused' | 'cancelled' | 'stopped' | 'stale' | 'skipped' | 'gone' }
  /** No worker can run it: the message is invalid. */
  | { readonly kind: 'poison'; readonly reason: string }
  /** Returned without running, for another worker or another time. */
  | {
      readonly kind: 'declined';
      readonly why: 'newer' | 'unfit' | 'limit' | 'busy' | 'early' | 'service' | 'denied' | 'risk';
      readonly delay: number;
    };
