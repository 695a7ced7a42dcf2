import { declareConcurrentTests } from '../support/sampling.ts';

/** Declares trials as `declareTrials` does, each with a fixture of its own that is removed after it. */
export function declareTrialsWith<T extends { remove(): Promise<void> }>(
  atOnce: number,
  make: () => Promise<T>,
  trials: Readonly<Record<string, (fixture: T) => Promise<void>>>,
): void {
  const withFixture = (trial: (fixture: T) => Promise<void>) => async (): Promise<void> => {
    const fixture = await make();
    try {
      await trial(fixture);
    } finally {
      await fixture.remove();
    }
  };
  declareConcurrentTests(
    atOnce,
    Object.fromEntries(Object.entries(trials).map(([name, trial]) => [name, withFixture(trial)])),
  );
}
