/** The longest wait of a Node.js timer, 24.8 days: a longer one would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after `ms` (at most `MAX_TIMER_MS`), or as soon as the signal aborts. Never rejects, and doesn't keep the
 * process alive past the signal.
 */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, MAX_TIMER_MS));
    signal?.addEventListener('abort', end, { once: true });
  });
}

const LATE = Symbol('late');

/**
 * The promise's value, or that of `late` once `ms` have passed or the signal aborts. Rejects as the promise does until
 * then. The promise itself continues.
 */
export async function within<T, U = undefined>(
  promise: Promise<T>,
  ms: number,
  late: () => U | Promise<U> = () => undefined as U,
  signal?: AbortSignal,
): Promise<T | U> {
  const ended = new AbortController();
  const isOver = signal === undefined ? ended.signal : AbortSignal.any([ended.signal, signal]);
  try {
    const first = await Promise.race([promise, wait(ms, isOver).then((): typeof LATE => LATE)]);
    return first === LATE ? late() : first;
  } finally {
    ended.abort();
  }
}

/** `ms` plus or minus a tenth, so that pollers spread out. */
export function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}

export class Gate {
  #open: () => void = () => undefined;
  #next: Promise<void> = this.#renew();

  /** Resolves the next time that `open` is called. */
  next(): Promise<void> {
    return this.#next;
  }

  open(): void {
    this.#open();
    this.#next = this.#renew();
  }

  #renew(): Promise<void> {
    return new Promise((resolve) => {
      this.#open = resolve;
    });
  }
}
