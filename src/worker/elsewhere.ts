import type { LedgerWorker } from '../ports/ledger.ts';

/**
 * From so many workers on, their signs are read only for a job that limits what runs at once: each is an object in the
 * `store` ledger, and a thousand workers that each read a thousand every 40 s would be 25,000 requests a second (S3 takes
 * 5,500 for a prefix: optimizing performance).
 */
const MANY = 50;

/** What runs in other workers, by their last signs of life. */
export class Elsewhere {
  readonly #self: string;
  #workers: readonly LedgerWorker[] = [];
  /** Since the last refresh it was asked how much runs. */
  #asked = false;

  constructor(self: string) {
    this.#self = self;
  }

  /** How many attempts of a job, or of one of its steps, run in other workers, about. */
  running(job: string, step: string | null): number {
    this.#asked = true;
    const prefix = step === null ? `${job}/` : `${job}/${step}/`;
    let count = 0;
    for (const { worker, state, busy } of this.#workers) {
      if (worker === this.#self || state === 'gone') continue;
      count += busy.filter((task) => task.startsWith(prefix)).length;
    }
    return count;
  }

  async refresh(read: () => Promise<readonly LedgerWorker[]>): Promise<void> {
    if (!this.#asked && this.#workers.length >= MANY) return;
    this.#asked = false;
    this.#workers = await read();
  }
}
