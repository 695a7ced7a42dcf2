import type { LoopWatch } from '../lib/loop-watch.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { DutyHealth } from '../model/manager-health.ts';
import { troubleMs } from '../model/round-pace.ts';

/** Something that is to be done again and again. */
export interface Duty {
  /** `the look at open jobs` */
  readonly name: string;
  /** Does it once; answers in how many milliseconds to do it again. Throws what kept it from being done. */
  readonly run: () => Promise<number>;
  /** Told of what `run` threw. */
  readonly onTrouble: (error: unknown) => void;
  /** Told when it is done again, after so many tries in vain. */
  readonly onMended: (tries: number) => void;
  /** What its last run that was done could not do all the same. */
  readonly troubles: () => readonly string[];
}

/** However often it is asked for, a duty rests for so long, milliseconds. */
const REST_MS = 200;

/**
 * Does one duty until it is told to stop: never twice at once, whatever it throws, and more seldom while it fails. A
 * run that hangs ends the process by the watch.
 */
export class DutyLoop {
  readonly #duty: Duty;
  readonly #watch: { readonly of: LoopWatch; readonly part: number };
  readonly #signal: AbortSignal;
  readonly #now: () => number;
  #rest = new AbortController();
  #asked = false;
  #failures = 0;
  #done: number | null = null;
  #began: number | null = null;
  #failing: { readonly since: number; readonly message: string } | null = null;

  constructor(
    duty: Duty,
    watch: { readonly of: LoopWatch; readonly part: number },
    { signal, now }: { readonly signal: AbortSignal; readonly now: () => number },
  ) {
    this.#duty = duty;
    this.#watch = watch;
    this.#signal = signal;
    this.#now = now;
    signal.addEventListener('abort', () => this.#rest.abort(), { once: true });
  }

  /** Resolves when it was told to stop, and its last run has ended. Never rejects. */
  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      this.#asked = false;
      const restMs = await this.#once();
      // Asked meanwhile: what asked for it may have come too late for that run.
      this.#rest = new AbortController();
      await wait(REST_MS, this.#signal);
      if (!this.#asked && !this.#signal.aborted) await wait(restMs - REST_MS, this.#rest.signal);
    }
  }

  /** Asks for it soon. While it fails it keeps its pace. */
  nudge(): void {
    if (this.#failures > 0) return;
    this.#asked = true;
    this.#rest.abort();
  }

  health(): DutyHealth {
    const iso = (at: number): string => new Date(at).toISOString();
    return {
      duty: this.#duty.name,
      done: this.#done === null ? null : iso(this.#done),
      running: this.#began === null ? null : iso(this.#began),
      failing: this.#failing === null ? null : { ...this.#failing, since: iso(this.#failing.since) },
      troubles: this.#duty.troubles(),
    };
  }

  async #once(): Promise<number> {
    const { of, part } = this.#watch;
    of.mark(part, 'work');
    this.#began = this.#now();
    try {
      const again = await this.#duty.run();
      if (this.#failures > 0) this.#duty.onMended(this.#failures);
      this.#failures = 0;
      this.#failing = null;
      this.#done = this.#now();
      return again;
    } catch (error) {
      this.#failures += 1;
      const message = error instanceof Error ? error.message : String(error);
      this.#failing = { since: this.#failing?.since ?? this.#now(), message };
      if (!this.#signal.aborted) this.#duty.onTrouble(error);
      return jitter(troubleMs(this.#failures));
    } finally {
      this.#began = null;
      of.done(part);
    }
  }
}
