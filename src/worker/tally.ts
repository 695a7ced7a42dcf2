import { BatchctlError } from '../errors.ts';
import type { Outcome } from './outcome.ts';

/** Attempts in a row that a service may refuse before the worker gives up. */
const SERVICE_PATIENCE = 3;

/** What a worker has done, and whether that is a reason to leave. */
export class Tally {
  readonly #maxFailures: number | null;
  #failedInARow = 0;
  #refusedInARow = 0;
  done = 0;
  /** For good. */
  failed = 0;

  constructor(maxFailures: number | null) {
    this.#maxFailures = maxFailures;
  }

  /** Counts an outcome. Answers why the worker should leave, if it should. */
  note(outcome: Outcome): BatchctlError | null {
    const refused = (outcome.kind === 'interrupted' || outcome.kind === 'declined') && outcome.why === 'service';
    this.#refusedInARow = refused ? this.#refusedInARow + 1 : 0;
    if (outcome.kind === 'published') {
      this.done += 1;
      this.#failedInARow = 0;
    } else if (outcome.kind === 'retry' || outcome.kind === 'failed') {
      this.#failedInARow += 1;
      if (outcome.kind === 'failed') this.failed += 1;
    }
    return this.#reason(outcome);
  }

  #reason(outcome: Outcome): BatchctlError | null {
    if (outcome.kind === 'declined' && outcome.why === 'newer') {
      return new BatchctlError('newer', 'a message or a job of a newer format came', { hint: 'update the workers' });
    }
    if (this.#refusedInARow >= SERVICE_PATIENCE) {
      return new BatchctlError(
        'unavailable',
        `the store refused ${this.#refusedInARow} attempts in a row; the log says why`,
        {
          hint: 'make room or mend the store, then start a worker again: nothing is lost',
        },
      );
    }
    if (this.#maxFailures === null || this.#failedInARow < this.#maxFailures) return null;
    return new BatchctlError(
      'refused',
      `${this.#failedInARow} attempts in a row failed on this worker (--max-failures)`,
      {
        hint: 'batchctl tasks JOB --state failed; if other workers succeed, look at this machine',
      },
    );
  }
}
