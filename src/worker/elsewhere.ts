import type { LedgerWorker } from '../ports/ledger.ts';

/**
 * What other workers run, by their last heartbeats. Read only for a job that limits its running tasks: each heartbeat
 * is an object in the `store` ledger, and a thousand workers that each read a thousand at startup would make thousands
 * of requests per second (S3 takes 5,500 per prefix: optimizing performance).
 */
export class Elsewhere {
  readonly #self: string;
  readonly #onUnknown: () => void;
  /** Null: unknown, as it was not asked for lately. */
  #workers: readonly LedgerWorker[] | null = null;
  /** The value was asked for since the last refresh. */
  #asked = false;

  /** `onUnknown` is called when an unknown value is asked for: a refresh should follow. */
  constructor(self: string, onUnknown: () => void) {
    this.#self = self;
    this.#onUnknown = onUnknown;
  }

  /** Approximate number of attempts of a job, or one step of it, in other workers; infinity while unknown. */
  running(job: string, step: string | null): number {
    const first = !this.#asked;
    this.#asked = true;
    if (this.#workers === null) {
      if (first) this.#onUnknown();
      return Number.POSITIVE_INFINITY;
    }
    const prefix = step === null ? `${job}/` : `${job}/${step}/`;
    let count = 0;
    for (const { worker, state, busy } of this.#workers) {
      if (worker === this.#self || state === 'gone') continue;
      count += busy.filter((task) => task.startsWith(prefix)).length;
    }
    return count;
  }

  /**
   * Reads if the value was asked for since the last time. If it can't be read, nothing is held up: the value is then 0.
   */
  async refresh(read: () => Promise<readonly LedgerWorker[]>): Promise<void> {
    const asked = this.#asked;
    this.#asked = false;
    if (!asked) {
      this.#workers = null;
      return;
    }
    try {
      this.#workers = await read();
    } catch (error) {
      this.#workers ??= [];
      throw error;
    }
  }
}
