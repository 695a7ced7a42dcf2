import { createHash } from 'node:crypto';

/** A seed that is printed, so that a run can be repeated: `BATCHCTL_TEST_SEED=N`. */
export function printedSeed(what: string): number {
  const seed = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`      ${what}: BATCHCTL_TEST_SEED=${seed}`);
  return seed;
}

/** Numbers from 0 to below 1 that follow from a seed. */
export function randomFrom(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash('sha256').update(`${seed}/${drawn}`).digest().readUInt32BE(0) / 2 ** 32;
  };
}

/**
 * Runs pieces of work, so many at a time, in the background: answers each one's promise. Crash scenarios mostly wait for
 * leases to end, so several are under way while mocha reports one by one.
 */
export function inBackground<T>(atOnce: number, works: readonly (() => Promise<T>)[]): readonly Promise<T>[] {
  const lanes = Array.from({ length: atOnce }, () => Promise.resolve());
  return works.map((work, index) => {
    const lane = index % atOnce;
    const before = lanes[lane] ?? Promise.resolve();
    const result = before.then(work);
    lanes[lane] = result.then(
      () => undefined,
      () => undefined,
    );
    result.catch(() => undefined); // told by the test that awaits it
    return result;
  });
}
