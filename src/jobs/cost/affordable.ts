import { BatchctlError } from '../../errors.ts';
import {
  budgetFix,
  dollarsText,
  JOB_LIMIT,
  leftOf,
  limitReachedText,
  MONTH_BUDGET,
  minMachineCost,
  missingPricesError,
  roundUsd,
} from '../../model/cost/limit.ts';
import { expectedCost } from '../../model/cost/projected.ts';
import { typesWithoutPrice } from '../../model/cost/spending.ts';
import type { Forecast } from '../../model/forecast/forecast.ts';
import type { GroupPrices } from '../../model/group-status.ts';
import { groupsOf, type JobSpec } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { otherJobsInGroups } from '../demand.ts';
import { leastCostToContinue } from './machine-allowance.ts';
import { type CostStanding, isLimited, limitOf, readPrices, readStandings } from './standings.ts';

/** The expected cost of a forecast; null if nothing has a price, or a price isn't known. */
export async function costOfForecast(
  platform: Platform,
  spec: Pick<JobSpec, 'steps'>,
  forecast: Pick<Forecast, 'steps'>,
): Promise<number | null> {
  if (platform.budget === undefined) return null;
  const { prices, nextIn } = await readPrices(platform, groupsOf(spec));
  if (prices.size === 0) return null;
  const cost = expectedCost(spec.steps, forecast, (group) => {
    const of = prices.get(group);
    const next = nextIn(group);
    return { usd: next?.price ?? null, boot: next?.boot ?? 0, slots: of?.slots ?? 1 };
  });
  return cost === null ? null : roundUsd(cost);
}

export interface Submission {
  readonly spec: JobSpec;
  readonly maxCost: number | null;
  /** Expected cost according to earlier runs; null without any. */
  readonly expected: number | null;
}

export const hasCostLimit = ({ budget }: Platform, maxCost: number | null): boolean =>
  budget !== undefined && (budget.month !== null || limitOf({ maxCost }, budget) !== null);

/**
 * Throws `refused` if a submission's limit can't be enforced because a price is missing, if its expected cost exceeds
 * the limit, or if the stack's monthly limit is used up.
 */
export async function requireWithinBudget(platform: Platform, { spec, maxCost, expected }: Submission): Promise<void> {
  const { budget } = platform;
  if (budget === undefined || !hasCostLimit(platform, maxCost)) return;
  const { prices, nextIn } = await readPrices(platform, groupsOf(spec));
  if (prices.size === 0) return;
  requirePrices([...prices.values()]);
  const limit = limitOf({ maxCost }, budget);
  const each = [...prices.keys()].map(nextIn).map((next) => (next === null ? 0 : minMachineCost(next, null)));
  if (limit !== null && Math.max(...each) > limit) {
    throw new BatchctlError(
      'refused',
      `a limit of ${dollarsText(limit)} is too low to start an instance: booting, one task and idling cost about ${dollarsText(Math.max(...each))}`,
      { hint: `--max-cost ${Math.ceil(Math.max(...each, expected ?? 0) * 1.2)}` },
    );
  }
  if (limit !== null && expected !== null && expected > limit) {
    throw new BatchctlError(
      'refused',
      `its earlier runs suggest a cost of about ${dollarsText(expected)}, but its limit is ${dollarsText(limit)}`,
      { hint: `--max-cost ${Math.ceil(expected * 1.2)}, or less input` },
    );
  }
  if (budget.month === null) return;
  const running = await otherJobsInGroups(platform, new Set(platform.groups), new Set());
  const month = (await readStandings(platform, running))?.month ?? null;
  if (month === null) return;
  const least = Math.max(expected ?? 0, ...each);
  requireBudgetLeft(month, least, MONTH_BUDGET, 'raise budget.month in the configuration, or wait for the next month');
}

/** Throws `refused` if the job's or the stack's limit can't pay for one machine and a task. */
export async function requireResumeAffordable(platform: Platform, view: JobView): Promise<void> {
  if (!isLimited(platform, [view])) return;
  const { job, spec } = view.record;
  const { prices } = await readPrices(platform, groupsOf(spec));
  if (prices.size === 0) return;
  requirePrices([...prices.values()]);
  const others = await otherJobsInGroups(platform, new Set(platform.groups), new Set([job]));
  const standings = await readStandings(platform, [view, ...others]);
  if (standings === null) return;
  const own = standings.jobs.get(job) ?? null;
  const least = leastCostToContinue(view, standings);
  if (own !== null) requireBudgetLeft(own, least?.own ?? 0, JOB_LIMIT, budgetFix(job, JOB_LIMIT));
  if (standings.month !== null)
    requireBudgetLeft(standings.month, least?.month ?? 0, MONTH_BUDGET, budgetFix(job, MONTH_BUDGET));
}

function requirePrices(prices: readonly GroupPrices[]): void {
  const types = [...new Set(prices.flatMap(typesWithoutPrice))].sort();
  if (types.length === 0) return;
  const trouble = prices.map((of) => of.trouble).find((text) => text !== null);
  const why = trouble === undefined ? '' : ` (${trouble})`;
  throw missingPricesError(types, undefined, why);
}

function requireBudgetLeft(standing: CostStanding, least: number, whose: string, fix: string): void {
  if ('unknown' in standing) throw missingPricesError(standing.unknown, `${whose} can't`);
  if (leftOf(standing) >= least) return;
  throw new BatchctlError('refused', `${limitReachedText(whose, standing)}; it needs about ${dollarsText(least)}`, {
    hint: fix,
  });
}
