import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items after which the event loop gets a turn. */
const YIELD_EVERY = 200;

/**
 * Calls `work` for each item, at most `limit` at a time. The first failure aborts the signal of the others; once all
 * have ended, it is thrown. The event loop gets turns even if `work` never waits.
 */
export async function eachParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const ends = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  setMaxListeners(0, ends); // one listener per call in flight is no leak
  const iterator = items[Symbol.iterator]();
  let failure: { readonly error: unknown } | null = null;
  let count = 0;
  const lane = async (): Promise<void> => {
    try {
      for (let next = iterator.next(); !next.done && failure === null; next = iterator.next()) {
        ends.throwIfAborted();
        await work(next.value, ends);
        count += 1;
        if (count % YIELD_EVERY === 0) await nextTurn();
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
 * Calls `work` for each item, at most `limit` ahead of the consumer, and yields the results in order. The event loop
 * gets turns even if `work` never waits.
 */
export async function* mapAhead<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  let count = 0;
  for await (const item of items) {
    const result = work(item);
    result.catch(() => undefined); // reported when it is awaited in its turn
    begun.push(result);
    count += 1;
    if (count % YIELD_EVERY === 0) await nextTurn();
    if (begun.length >= limit) yield await (begun.shift() as Promise<R>);
  }
  for (const result of begun) yield await result;
}

/** Limits concurrency over all callers; the others wait in order of arrival. */
export class Permits {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` with a permit, and returns the permit in any case. */
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
