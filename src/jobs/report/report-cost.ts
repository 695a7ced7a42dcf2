import { heldBy } from '../../model/load.ts';
import type { Report, StepReport } from '../../model/report/report.ts';
import type { JobView } from '../../model/view.ts';
import type { StepCounts } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { CostWatch } from '../cost/status-cost.ts';
import type { JobStatus } from '../status.ts';

/** What it was computed from; a price at the time of the report, not of the work. */
const BASIS = "instance hours by the share of the job's attempts, at current spot prices and configured prices";

/** What a job has cost, and by step: in proportion to the slot-seconds of the attempts that won. */
export async function reportCost(
  platform: Platform,
  view: JobView,
  { counts, status, steps }: CostedSteps,
): Promise<{ readonly cost: Report['cost']; readonly steps: readonly StepReport[] }> {
  const { cost: usd, costUnknown } = await new CostWatch(platform).of(view, counts, status.steps);
  if (usd === null) return { cost: null, steps };
  const unknown = costUnknown.length === 0 ? '' : `; the price of ${costUnknown.join(', ')} is unknown`;
  const weights = steps.map(({ duration }, index) => {
    const needs = view.record.spec.steps[index]?.needs ?? { slots: 1 };
    return (duration?.sum ?? 0) * heldBy(needs, MOST_SLOTS);
  });
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const costed = steps.map((step, index): StepReport => {
    const share = all === 0 ? null : (weights[index] ?? 0) / all;
    return { ...step, cost: share === null ? null : Math.round(usd * share * 10_000) / 10_000 };
  });
  return { cost: { usd, basis: `${BASIS}${unknown}` }, steps: costed };
}

/** Whole machines (`slots: all`) are weighed as this many slots: their number is not the same everywhere. */
const MOST_SLOTS = 4;

interface CostedSteps {
  readonly counts: readonly StepCounts[];
  readonly status: Pick<JobStatus, 'steps'>;
  readonly steps: readonly StepReport[];
}
