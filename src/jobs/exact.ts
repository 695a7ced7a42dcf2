import { type StepFacts, standingOf } from '../model/decide.ts';
import { hasBarrier } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { ExactCounts, StepCounts } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { totalsOf } from './totals.ts';

/** Up to so many tasks, a close reads what every output says of itself; above, only a rebuild does. */
const READ_LIMIT = 10_000;

/**
 * Tells the ledger a closed job's exact counts and totals, so that its status is exact from then on. The counts are the
 * listing's. The totals are the ledger's own where it counted the same tasks (each counts once, law 12), else they are
 * read from the outputs, if those are few. Does nothing while tasks are undecided: their ends would no longer count.
 */
export async function recordExactCounts(
  platform: Platform,
  view: JobView,
  facts: readonly StepFacts[],
): Promise<boolean> {
  if (view.closed === null || view.cancelled || !standingOf(view, facts).settled) return false;
  const ledger = await platform.ledger();
  const { job, spec } = view.record;
  const counted = new Map((await ledger.counts(job, { exact: true })).map((counts) => [counts.step, counts]));
  const few = facts.reduce((sum, { published }) => sum + published.count, 0) <= READ_LIMIT;
  const steps: ExactCounts[] = [];
  for (const [index, { name }] of spec.steps.entries()) {
    const fact = facts[index];
    if (fact === undefined) return false;
    // What never opened may yet run, in this very round: what it does then must still count.
    if (hasBarrier(spec.steps, index) && fact.opened === null) break;
    const known = counted.get(name);
    if (view.round === 0 && known !== undefined && agrees(known, fact)) steps.push(exactOf(name, fact, known));
    else if (few) steps.push(exactOf(name, fact, await totalsOf(platform.store, job, name, fact.published)));
    else return false;
  }
  await ledger.recordExact(job, view.closed.round, steps);
  return true;
}

/** What the ledger counted is published; as many of them means that they are the same. */
function agrees(counts: StepCounts, { published, failed }: StepFacts): boolean {
  return counts.done === published.count && counts.failed === failed.count && counts.running === 0;
}

/** A step's counts as the store tells them. */
export function exactOf(
  step: string,
  { published, failed }: StepFacts,
  totals: Pick<ExactCounts, 'bytesIn' | 'bytesOut' | 'seconds' | 'counters'>,
): ExactCounts {
  const { bytesIn, bytesOut, seconds, counters } = totals;
  return { step, done: published.count, failed: failed.count, bytesIn, bytesOut, seconds, counters };
}
