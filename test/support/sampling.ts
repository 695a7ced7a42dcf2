/** A seed that is printed, so that a run can be repeated: `BATCHCTL_TEST_SEED=N`. */
export function printedSeed(what: string): number {
  const seed = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`      ${what}: BATCHCTL_TEST_SEED=${seed}`);
  return seed;
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

/** What a test does, by the name of the test. */
type Trials = Readonly<Record<string, () => Promise<void>>>;

/**
 * Declares tests that mostly wait, for leases or for services that are away: from the suite's start so many of them are
 * under way at a time, and mocha reports one by one. Hooks that come before run first; they are all over before hooks
 * that come after.
 */
export function declareTrials(atOnce: number, trials: Trials): void {
  let results: readonly Promise<void>[] = [];
  before(() => {
    results = inBackground(atOnce, Object.values(trials));
  });
  for (const [place, name] of Object.keys(trials).entries()) {
    it(name, async () => {
      const result = results[place];
      if (result === undefined) throw new Error('it was not begun');
      await result;
    });
  }
  after(async () => {
    await Promise.allSettled(results);
  });
}
