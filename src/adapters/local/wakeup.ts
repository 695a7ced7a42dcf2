/** Waits that a call can end early: who waits for work need not sleep through what this very process sends. */
export class Wakeup {
  readonly #waiting = new Set<() => void>();
  #count = 0;

  /** Grows with every wake: tells a waiter that something happened while it looked elsewhere. */
  get count(): number {
    return this.#count;
  }

  wake(): void {
    this.#count += 1;
    for (const end of [...this.#waiting]) end();
  }

  /** Resolves after `ms`, at the next `wake`, or when the signal aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waiting.add(end);
      signal?.addEventListener('abort', end);
    });
  }
}
