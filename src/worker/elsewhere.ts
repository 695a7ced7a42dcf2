import type { LedgerWorker } from '../ports/ledger.ts';

/**
 * What runs in other workers, by their last signs of life. They are read only for a job that limits what runs at once:
 * each is an object in the `store` ledger, and a thousand workers that each read a thousand as they start would be
 * thousands of requests a second (S3 takes 5,500 for a prefix: optimizing performance).
 */
export class Elsewhere {
  readonly #self: string;
  readonly #onUnknown: () => void;
  /** Null: not known now, as nobody asked lately. */
  #workers: readonly LedgerWorker[] | null = null;
  /** Since the last refresh it was asked how much runs. */
  #asked = false;

  /** `onUnknown` is called when it is asked what it does not know: a refresh should follow. */
  constructor(self: string, onUnknown: () => void) {
    this.#self = self;
    this.#onUnknown = onUnknown;
  }

  /** How many attempts of a job, or of one of its steps, run in other workers, about; infinitely many while that is not known. */
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

  /** Reads, if anybody asked since the last time. Where it can't be read nothing is held up: then none runs elsewhere. */
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
