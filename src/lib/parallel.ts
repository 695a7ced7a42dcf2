import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items between two turns of the event loop. */
const TURN = 200;

/**
 * Does `work` for each item, at most `limit` at a time. The first that fails aborts the signal that the others were
 * given; once all have ended, it is thrown. Signals and progress have their turn, also where no work ever waits.
 */
export async function eachParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const ends = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  setMaxListeners(0, ends); // one for each that is in flight is no leak
  const iterator = items[Symbol.iterator]();
  let failure: { readonly error: unknown } | null = null;
  let count = 0;
  const lane = async (): Promise<void> => {
    try {
      for (let next = iterator.next(); !next.done && failure === null; next = iterator.next()) {
        ends.throwIfAborted();
        await work(next.value, ends);
        count += 1;
        if (count % TURN === 0) await nextTurn();
      }
    } catch (error) {
      failure ??= { error };
      failed.abort();
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  const first = failure as { readonly error: unknown } | null;
  if (first !== null) throw first.error;
}

/**
 * Does `work` for each item, at most `limit` ahead of the consumer, and yields what it answers in the items' order.
 * Signals and progress have their turn, also where no work ever waits.
 */
export async function* ahead<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  let count = 0;
  for await (const item of items) {
    const result = work(item);
    result.catch(() => undefined); // told when it is awaited in its turn
    begun.push(result);
    count += 1;
    if (count % TURN === 0) await nextTurn();
    if (begun.length >= limit) yield await (begun.shift() as Promise<R>);
  }
  for (const result of begun) yield await result;
}

/** So many at a time, whoever asks; the others wait in the order they came. */
export class Permits {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` once there is a permit, and gives it back whatever happens. */
  async with<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
