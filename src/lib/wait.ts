/** The longest wait of a Node.js timer, 24.8 days: a longer one would end at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after `ms` (at most `MAX_TIMER_MS`), or as soon as the signal aborts. Never rejects, and doesn't keep the
 * process alive past the signal.
 */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    startTimer(ms, signal, resolve);
  });
}

/** Calls `end` after `ms`, or when the signal aborts, unless the returned function is called first. */
function startTimer(ms: number, signal: AbortSignal | undefined, end: () => void): () => void {
  const stop = (): void => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onEnd);
  };
  const onEnd = (): void => {
    stop();
    end();
  };
  const timer = setTimeout(onEnd, signal?.aborted ? 0 : Math.min(ms, MAX_TIMER_MS));
  signal?.addEventListener('abort', onEnd);
  return stop;
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
  // A worker waits once a task: an AbortController that is aborted costs it more than all else here.
  let stop = (): void => undefined;
  const isLate = new Promise<typeof LATE>((resolve) => {
    stop = startTimer(ms, signal, () => resolve(LATE));
  });
  try {
    const first = await Promise.race([promise, isLate]);
    return first === LATE ? late() : first;
  } finally {
    stop();
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
