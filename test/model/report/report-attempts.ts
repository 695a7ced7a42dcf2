import type { AttemptFacts } from '../../../src/model/report/attempt-facts.ts';
import { type ReportContext, ReportSums } from '../../../src/model/report/report-sums.ts';
import { event, T0 } from '../../contracts/ledger-events.ts';

/** Created once, because tests copy it a hundred thousand times. */
const DONE: AttemptFacts = event('done', 1, { attempt: 'a', exitCode: null });

/** An attempt of `price/1` that took a second from T0 on, except for these fields. */
export function attempt(fields: Partial<AttemptFacts> = {}): AttemptFacts {
  return { ...DONE, ...fields };
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
