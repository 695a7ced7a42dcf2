import { isKind } from '../errors.ts';
import { wait } from '../lib/wait.ts';

/** Between two tries, milliseconds: the first wait, and what doubling it never exceeds. */
const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/** For how long an output is tried to be published, seconds: at least and at most. S3 takes half an hour or more to split a partition. */
const LEAST = 30 * 60;
const MOST = 45 * 60;

/**
 * For how long an output is tried to be published after a command of so many seconds, milliseconds: as long as running
 * it again would take, but at least half an hour, and no longer than a lease of SQS has left after the longest timeout. Tests
 * shorten it: `BATCHCTL_TEST_PATIENCE_SECONDS`.
 */
export function publishPatience(commandSeconds: number): number {
  const least = Number(process.env.BATCHCTL_TEST_PATIENCE_SECONDS ?? LEAST);
  return Math.min(MOST, Math.max(least, commandSeconds)) * 1_000;
}

export interface PatienceOptions {
  readonly limitMs: number;
  /** Aborts when the attempt is to end: no try is begun any more, and a repeated one that is under way may end. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  /** Told once, when the first try has failed. */
  readonly onTrouble: (error: unknown) => void;
}

/** Repeats acts on a service that is away, or asks to slow down, as long as the attempt may go on. */
export class Patience {
  readonly #o: PatienceOptions;
  #told = false;
  /** Since when every try has failed; null: the last one did not. */
  #since: number | null = null;

  constructor(options: PatienceOptions) {
    this.#o = options;
  }

  /** Rejects with the act's own error: at once unless it is `unavailable`, else once the time is up or the signal aborts. */
  async during<T>(act: (signal?: AbortSignal) => Promise<T>): Promise<T> {
    const { signal, limitMs, monotonic, onTrouble } = this.#o;
    for (let pause = FIRST_MS, tries = 0; ; pause = Math.min(pause * 2, LONGEST_MS), tries += 1) {
      try {
        // The first may go on to its end: it most often ends soon, and what is published counts.
        const answer = await (tries === 0 ? act() : act(signal));
        this.#since = null;
        return answer;
      } catch (error) {
        if (signal.aborted || !isKind(error, 'unavailable')) throw error;
        this.#since ??= monotonic();
        if (monotonic() - this.#since >= limitMs) throw error;
        if (!this.#told) onTrouble(error);
        this.#told = true;
        // Between half of it and all: workers that were refused together don't come back together.
        await wait(pause * (0.5 + Math.random() / 2), signal);
        if (signal.aborted) throw error;
      }
    }
  }
}
