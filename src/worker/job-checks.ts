import { wait } from '../lib/wait.ts';

const LINGER_MS = 25;
/**
 * The next round waits this many times as long as the last one took: on a large grid with short tasks, most requests
 * come from these checks.
 */
const REST_FACTOR = 4;
/** Upper limit, milliseconds: a leaving worker waits for its last round. */
const LONGEST_MS = 2_000;

/** Looks at jobs after their outcomes (law 11): several at once, one round at a time. */
export class JobChecks {
  readonly #check: (job: string, published: boolean) => Promise<number | null>;
  readonly #onError: (error: unknown) => void;
  readonly #due = new Map<string, boolean>();
  /** Jobs to look at again later. */
  readonly #later = new Map<string, NodeJS.Timeout>();
  #round: Promise<void> | null = null;
  #tookMs = 0;

  constructor(check: (job: string, published: boolean) => Promise<number | null>, onError: (error: unknown) => void) {
    this.#check = check;
    this.#onError = onError;
  }

  checkSoon(job: string, published: boolean): void {
    this.#due.set(job, published || this.#due.get(job) === true);
    this.#round ??= this.#run();
  }

  /** Resolves when no look is due; later ones are made now. Never rejects. */
  async idle(): Promise<void> {
    for (const [job, timer] of this.#later) {
      clearTimeout(timer);
      this.checkSoon(job, false);
    }
    this.#later.clear();
    while (this.#round !== null) await this.#round;
  }

  #checkLater(job: string, published: boolean, ms: number | null): void {
    if (ms === null || this.#later.has(job)) return;
    const timer = setTimeout(() => {
      this.#later.delete(job);
      this.checkSoon(job, published);
    }, ms);
    this.#later.set(job, timer.unref());
  }

  async #run(): Promise<void> {
    try {
      while (this.#due.size > 0) {
        await wait(Math.min(LONGEST_MS, Math.max(LINGER_MS, REST_FACTOR * this.#tookMs)));
        const jobs = [...this.#due];
        this.#due.clear();
        const began = performance.now();
        for (const [job, published] of jobs) this.#checkLater(job, published, await this.#check(job, published));
        this.#tookMs = performance.now() - began;
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#round = null;
    }
  }
}
