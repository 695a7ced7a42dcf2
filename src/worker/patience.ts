import { isKind } from '../errors.ts';
import { wait } from '../lib/wait.ts';

/** Interval between tries, milliseconds: the first, and the maximum after doubling. */
const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * How long publishing an output is retried, seconds: minimum and maximum. S3 takes half an hour or more to split a
 * partition.
 */
const LEAST = 30 * 60;
const MOST = 45 * 60;

/**
 * How long publishing is retried after a command of the given duration, milliseconds: as long as running it again would
 * take, but at least half an hour, and at most what remains of an SQS lease after the longest timeout. Tests shorten
 * it: `BATCHCTL_TEST_PATIENCE_SECONDS`.
 */
export function publishPatience(commandSeconds: number): number {
  const least = Number(process.env.BATCHCTL_TEST_PATIENCE_SECONDS ?? LEAST);
  return Math.min(MOST, Math.max(least, commandSeconds)) * 1_000;
}

export interface PatienceOptions {
  readonly limitMs: number;
  /** Aborts when the attempt must end: no new try starts, and a repeated one under way may end. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  /** Called once, when the first try has failed. */
  readonly onTrouble: (error: unknown) => void;
}

/** Repeats acts on a service that is unreachable or throttling, while the attempt may continue. */
export class Patience {
  readonly #o: PatienceOptions;
  #told = false;
  /** Since when every try has failed; null: the last one succeeded. */
  #since: number | null = null;

  constructor(options: PatienceOptions) {
    this.#o = options;
  }

  /**
   * Rejects with the act's own error: at once unless it is `unavailable`, otherwise when the time is up or the signal
   * aborts.
   */
  async during<T>(act: (signal?: AbortSignal) => Promise<T>): Promise<T> {
    const { signal, limitMs, monotonic, onTrouble } = this.#o;
    for (let pause = FIRST_MS, tries = 0; ; pause = Math.min(pause * 2, LONGEST_MS), tries += 1) {
      try {
        // The first try may complete: it usually ends soon, and a published output counts.
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
