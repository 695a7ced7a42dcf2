import type { AttemptFacts } from '../../../src/model/report/attempt-facts.ts';
import { type ReportContext, ReportSums } from '../../../src/model/report/report-sums.ts';

export const T0 = Date.UTC(2026, 10, 30, 6);

/** Made once: tests make a hundred thousand attempts of it. */
const DONE: AttemptFacts = {
  ...{ step: 'price', task: 1, round: 0, attempt: 'a', number: 1, worker: 'w1', slot: 0, outcome: 'done' },
  ...{ startedAt: T0, endedAt: T0 + 1_000, waitSeconds: null, exitCode: null, reason: null, error: null },
  ...{ cpuSeconds: null, peakMemory: null, bytesIn: null },
};

/** An attempt of `price/1` that took a second, with these changes. */
export function attempt(more: Partial<AttemptFacts> = {}): AttemptFacts {
  return { ...DONE, ...more };
}

/** The sums of attempts; by default the job was closed an hour after T0. */
export function measuredOf(attempts: Iterable<AttemptFacts>, more: Partial<ReportContext> = {}) {
  const sums = new ReportSums({
    now: T0 + 7_200_000,
    closedAt: T0 + 3_600_000,
    workers: new Map(),
    slots: () => 1,
    askedRound: () => 0,
    skipped: () => false,
    logOf: ({ step, task, attempt: id }) => `log/${step}/${task}.${id}`,
    ...more,
  });
  for (const each of attempts) sums.add(each);
  return sums.figures();
}
