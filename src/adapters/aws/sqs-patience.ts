import { wait } from '../../lib/wait.ts';

const FIRST_MS = 100;
const LONGEST_MS = 20_000;

/** How long a failing service is tried again: pauses double, each with full jitter, until the time is over. */
export class Patience {
  readonly #ms: number;
  #since: number | null = null;
  #tries = 0;

  /** @param ms from the first failure on; 0 means one try only. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** It works again: the next failure is a first one. */
  reset(): void {
    this.#since = null;
    this.#tries = 0;
  }

  /** After a failure: waits (until the signal aborts at most) and answers true, or false when the time is over. */
  async pause(signal?: AbortSignal): Promise<boolean> {
    const now = performance.now();
    this.#since ??= now;
    const left = this.#since + this.#ms - now;
    if (left <= 0) return false;
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    await wait(Math.min(left, Math.random() * longest), signal);
    return true;
  }
}
