import { type BatchctlError, isKind, isRefusal } from '../errors.ts';
import { wait } from '../lib/wait.ts';

/** Interval between tries, milliseconds: the first, and the maximum after doubling. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** How long publishing is retried, seconds: minimum and maximum. S3 takes half an hour or more to split a partition. */
const MIN_RETRY_SECONDS = 30 * 60;
const MAX_RETRY_SECONDS = 45 * 60;

/**
 * How long publishing is retried after a command of the given duration, milliseconds: as long as running it again would
 * take, but at least half an hour, and at most what remains of an SQS lease after the longest timeout. Tests shorten
 * it: `BATCHCTL_TEST_PATIENCE_SECONDS`.
 */
export function publishRetryMs(commandSeconds: number): number {
  const least = Number(process.env.BATCHCTL_TEST_PATIENCE_SECONDS ?? MIN_RETRY_SECONDS);
  return Math.min(MAX_RETRY_SECONDS, Math.max(least, commandSeconds)) * 1_000;
}

interface RetrierOptions {
  readonly limitMs: number;
  /** Aborts when the attempt must end: no new try starts, and a repeated one under way may end. */
  readonly signal?: AbortSignal | undefined;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  /** Called once, when the first try has failed. */
  readonly onTrouble: (error: unknown) => void;
  /**
   * Given for a result that would be lost: then an act that a service refuses is repeated too, in case a person fixes
   * the cause, and so is one for which the credentials have expired. Called after each refusal; never rejects.
   */
  readonly onRefusal?: (error: BatchctlError) => Promise<void>;
}

/** Repeats acts on a service that is unreachable, throttling or refusing, while the attempt may continue. */
export class Retrier {
  readonly #o: RetrierOptions;
  #reported = false;
  /** Since when every try has failed; null: the last one succeeded. */
  #since: number | null = null;

  constructor(options: RetrierOptions) {
    this.#o = options;
  }

  /** Rejects with the act's own error: at once unless it may pass, else when time is up or on abort. */
  async run<T>(act: (signal?: AbortSignal) => Promise<T>): Promise<T> {
    const { signal, limitMs, monotonic, onTrouble, onRefusal } = this.#o;
    for (let pause = FIRST_WAIT_MS, tries = 0; ; pause = Math.min(pause * 2, LONGEST_WAIT_MS), tries += 1) {
      try {
        // The first try may complete: it usually ends soon, and a published output counts.
        const answer = await (tries === 0 ? act() : act(signal));
        this.#since = null;
        return answer;
      } catch (error) {
        if (signal?.aborted || !this.#mayPass(error)) throw error;
        this.#since ??= monotonic();
        if (monotonic() - this.#since >= limitMs) throw error;
        if (!this.#reported) onTrouble(error);
        this.#reported = true;
        if (isRefusal(error)) await onRefusal?.(error);
        // Randomly shortened by up to half, so that workers refused together don't come back together.
        await wait(pause * (0.5 + Math.random() / 2), signal);
        if (signal?.aborted) throw error;
      }
    }
  }

  #mayPass(error: unknown): boolean {
    if (isKind(error, 'unavailable')) return true;
    return this.#o.onRefusal !== undefined && (isRefusal(error) || isKind(error, 'credentials'));
  }
}
