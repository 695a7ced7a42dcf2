import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items between two turns of the event loop. */
const TURN = 200;

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
