import { type StepFacts, standingOf } from '../model/decide.ts';
import { hasBarrier } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { ExactCounts, StepCounts } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { totalsOf } from './totals.ts';

/** Up to this many tasks, a close reads the facts of every output; above that, only a rebuild does. */
const READ_LIMIT = 10_000;

/**
 * Writes a closed job's exact counts and totals to the ledger, so that its status is exact from then on. Counts come
 * from the listing. Totals are the ledger's own if it counted the same tasks (each counts once, law 12), and otherwise
 * read from the outputs if these are few. Does nothing while tasks are undecided, as their ends would no longer count.
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
    // Tasks that never opened may still run in this round, and must count.
    if (hasBarrier(spec.steps, index) && fact.opened === null) break;
    const known = counted.get(name);
    if (view.round === 0 && known !== undefined && agrees(known, fact)) steps.push(exactOf(name, fact, known));
    else if (few) steps.push(exactOf(name, fact, await totalsOf(platform.store, job, name, fact.published)));
    else return false;
  }
  await ledger.recordExact(job, view.closed.round, steps);
  return true;
}

/** Everything that the ledger counted is published, so equal numbers mean equal tasks. */
function agrees(counts: StepCounts, { published, failed }: StepFacts): boolean {
  return counts.done === published.count && counts.failed === failed.count && counts.running === 0;
}

/** A step's counts according to the store. */
export function exactOf(
  step: string,
  { published, failed }: StepFacts,
  totals: Pick<ExactCounts, 'bytesIn' | 'bytesOut' | 'seconds' | 'counters'>,
): ExactCounts {
  const { bytesIn, bytesOut, seconds, counters } = totals;
  return { step, done: published.count, failed: failed.count, bytesIn, bytesOut, seconds, counters };
}
