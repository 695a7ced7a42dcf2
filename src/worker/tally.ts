import { BatchctlError } from '../errors.ts';
import type { Outcome } from './outcome.ts';

/** So many attempts in a row must have been refused by a service before the worker gives up. */
const SERVICE_PATIENCE = 3;
/** Outcomes by which the store has shown that it takes what is written. */
const STORE_WORKS: readonly Outcome['kind'][] = ['published', 'twin', 'retry', 'failed', 'failedBefore'];

/** What a worker has done, and whether that is a reason to leave. */
export class Tally {
  readonly #maxFailures: number | null;
  #failedInARow = 0;
  readonly #patienceMs: number;
  #refusedInARow = 0;
  #refusedSince = 0;
  done = 0;
  /** For good. */
  failed = 0;

  /** A service that refuses for less than `patienceMs` is waited for: many slots meet a short outage all at once. */
  constructor(maxFailures: number | null, patienceMs: number) {
    this.#maxFailures = maxFailures;
    this.#patienceMs = patienceMs;
  }

  /** Counts an outcome; `now` is monotonic. Answers why the worker should leave, if it should. */
  note(outcome: Outcome, now: number): BatchctlError | null {
    const refused = (outcome.kind === 'interrupted' || outcome.kind === 'declined') && outcome.why === 'service';
    if (STORE_WORKS.includes(outcome.kind)) this.#refusedInARow = 0;
    if (refused && this.#refusedInARow === 0) this.#refusedSince = now;
    if (refused) this.#refusedInARow += 1;
    if (outcome.kind === 'published') {
      this.done += 1;
      this.#failedInARow = 0;
    } else if (outcome.kind === 'retry' || outcome.kind === 'failed') {
      this.#failedInARow += 1;
      if (outcome.kind === 'failed') this.failed += 1;
    }
    return this.#reason(outcome, refused && now - this.#refusedSince >= this.#patienceMs);
  }

  #reason(outcome: Outcome, refusedLong: boolean): BatchctlError | null {
    if (outcome.kind === 'declined' && outcome.why === 'newer') {
      return new BatchctlError('newer', 'received a message or a job of a newer format', {
        hint: 'update the workers',
      });
    }
    if (refusedLong && this.#refusedInARow >= SERVICE_PATIENCE) {
      return new BatchctlError(
        'unavailable',
        `the store rejected ${this.#refusedInARow} attempts in a row; the log shows why`,
        {
          hint: 'free space or repair the store, then start a worker again: nothing is lost',
        },
      );
    }
    if (this.#maxFailures === null || this.#failedInARow < this.#maxFailures) return null;
    return new BatchctlError(
      'refused',
      `${this.#failedInARow} attempts in a row failed on this worker (--max-failures)`,
      {
        hint: 'batchctl tasks JOB --state failed; if other workers succeed, check this machine',
      },
    );
  }
}
