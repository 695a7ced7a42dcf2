import { wait } from '../lib/wait.ts';

const LINGER_MS = 25;

/** Glances at jobs after their outcomes (law 11): those of a moment together, one round at a time. */
export class Glances {
  readonly #glance: (job: string, published: boolean) => Promise<unknown>;
  readonly #onError: (error: unknown) => void;
  /** Jobs, and whether something of them was published. */
  readonly #due = new Map<string, boolean>();
  #round: Promise<void> | null = null;

  constructor(glance: (job: string, published: boolean) => Promise<unknown>, onError: (error: unknown) => void) {
    this.#glance = glance;
    this.#onError = onError;
  }

  soon(job: string, published: boolean): void {
    this.#due.set(job, published || this.#due.get(job) === true);
    this.#round ??= this.#run();
  }

  /** Resolves when none is due. Never rejects. */
  async idle(): Promise<void> {
    while (this.#round !== null) await this.#round;
  }

  async #run(): Promise<void> {
    try {
      while (this.#due.size > 0) {
        await wait(LINGER_MS);
        const jobs = [...this.#due];
        this.#due.clear();
        for (const [job, published] of jobs) await this.#glance(job, published);
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#round = null;
    }
  }
}
