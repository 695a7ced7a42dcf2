/** Chooses a seed and prints it; `BATCHCTL_TEST_SEED=N` repeats a run. */
export function printedSeed(what: string): number {
  const seed = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`      ${what}: BATCHCTL_TEST_SEED=${seed}`);
  return seed;
}

/**
 * Starts functions in the background, at most `concurrency` at a time, and returns their promises. Crash scenarios mostly
 * wait for leases to expire, so several can run while mocha reports one after another.
 */
export function runInBackground<T>(concurrency: number, works: readonly (() => Promise<T>)[]): readonly Promise<T>[] {
  const lanes = Array.from({ length: concurrency }, () => Promise.resolve());
  return works.map((work, index) => {
    const lane = index % concurrency;
    const before = lanes[lane] ?? Promise.resolve();
    const result = before.then(work);
    lanes[lane] = result.then(
      () => undefined,
      () => undefined,
    );
    result.catch(() => undefined); // The test that awaits it gets the error.
    return result;
  });
}

type Trials = Readonly<Record<string, () => Promise<void>>>;

/**
 * Declares tests that mostly wait, for leases or for unavailable services. They start when the suite starts, at most
 * `concurrency` at a time, and mocha reports them one after another. `before` hooks that were declared earlier run first;
 * `after` hooks that are declared later run when all tests have ended.
 */
export function declareConcurrentTests(concurrency: number, trials: Trials): void {
  let results: readonly Promise<void>[] = [];
  before(() => {
    results = runInBackground(concurrency, Object.values(trials));
  });
  for (const [index, name] of Object.keys(trials).entries()) {
    it(name, async () => {
      const result = results[index];
      if (result === undefined) throw new Error('the test was not started');
      await result;
    });
  }
  after(async () => {
    await Promise.allSettled(results);
  });
}
