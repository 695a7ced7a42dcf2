import { inBackground } from './sampling.ts';

/** What a test does, by the name of the test. */
export type Trials = Readonly<Record<string, () => Promise<void>>>;

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
