/** After a change it is asked again: not before so many milliseconds, ... */
const CALM_MS = 1_000;
/** ... and not before it has rested for so many times as long as it took. */
const REST = 4;
/** A question that is asked by the clock is on its way for this share of the time at most. */
const SHARE = 0.05;

export interface AskerOptions {
  /** Asks; it takes care of what goes wrong. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds until it is asked again by itself; undefined: never. */
  readonly everyMs: number | undefined;
  /** Calls back once somebody may be looking: at once, or later. */
  readonly whenSeen: (act: () => void, signal: AbortSignal) => void;
}

/** Asks now, after changes, and by the clock; one at a time, and what is on its way is never given up for a newer one. */
export class Asker {
  readonly #options: AskerOptions;
  readonly #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #changed = false;
  /** It is to be asked once somebody looks. */
  #unseen = false;
  #took = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AskerOptions) {
    this.#options = options;
    void this.#ask();
  }

  /** Something is different: what was answered may be old. */
  poke(): void {
    this.#changed = true;
    if (!this.#busy) this.#next();
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { signal } = this.#stop;
    if (this.#busy || signal.aborted) return;
    clearTimeout(this.#timer);
    [this.#busy, this.#changed, this.#unseen] = [true, false, false];
    const began = performance.now();
    await this.#options.ask(signal);
    this.#endedAt = performance.now();
    this.#took = this.#endedAt - began;
    this.#busy = false;
    this.#next();
  }

  #next(): void {
    const { everyMs, whenSeen } = this.#options;
    const wait = this.#changed
      ? Math.max(CALM_MS, this.#took * REST)
      : everyMs === undefined
        ? null
        : Math.max(everyMs, this.#took / SHARE);
    if (wait === null || this.#unseen || this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    const rest = Math.max(0, this.#endedAt + wait - performance.now());
    this.#timer = setTimeout(() => {
      this.#unseen = true;
      whenSeen(() => void this.#ask(), this.#stop.signal);
    }, rest);
  }
}
