/**
 * Groups single requests into batches: one flush is in flight at a time, and the next takes everything that came in
 * that time (up to `max`). A request after a quiet period waits `lingerMs`, so that others can join; one that closely
 * follows a batch waits `busyMs`, as more will come.
 */
export class Batcher<T> {
  readonly #flush: (batch: readonly T[]) => Promise<void>;
  readonly #max: number;
  readonly #lingerMs: number;
  readonly #busyMs: number;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #waiting: { readonly item: T; readonly done: (error?: unknown) => void }[] = [];
  #running: Promise<void> | null = null;

  constructor(options: {
    readonly flush: (batch: readonly T[]) => Promise<void>;
    readonly max: number;
    readonly lingerMs: number;
    /** `lingerMs` by default. */
    readonly busyMs?: number;
  }) {
    this.#flush = options.flush;
    this.#max = options.max;
    this.#lingerMs = options.lingerMs;
    this.#busyMs = options.busyMs ?? options.lingerMs;
  }

  /** Resolves once the item's batch was flushed; rejects if that flush did. */
  add(item: T): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ item, done: (error) => (error === undefined ? resolve() : reject(error)) });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing is waiting or in flight. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    const busy = performance.now() - this.#flushedAt <= this.#busyMs;
    await new Promise((resolve) => setTimeout(resolve, busy ? this.#busyMs : this.#lingerMs));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#max);
      try {
        await this.#flush(batch.map(({ item }) => item));
        for (const { done } of batch) done();
      } catch (error) {
        for (const { done } of batch) done(error);
      }
    }
    this.#flushedAt = performance.now();
    this.#running = null;
  }
}
