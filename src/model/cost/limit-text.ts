import { BatchctlError } from '../../errors.ts';
import type { LimitUsage } from './limit.ts';

/** `$9.61`; below ten cents `$0.0042`: a short job's cost isn't nothing. */
export function dollarsText(usd: number): string {
  const digits = usd > 0 && usd < 0.1 ? 4 : 2;
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** Hundredths of a cent are precise enough. */
export const roundUsd = (usd: number): number => Math.round(usd * 10_000) / 10_000;

/** The job's own limit, or the month's. */
export const JOB_LIMIT = 'its limit';
export const MONTH_BUDGET = "the month's budget";

/** A guard's finding when it pauses a job because of its cost. `whose`: one of the two above. */
export function limitReachedText(whose: string, { limit, soFar, draining }: LimitUsage): string {
  return `${whose} of ${dollarsText(limit)} is reached: ${dollarsText(soFar)} spent, and finishing the running tasks costs about ${dollarsText(draining)}`;
}

/** The same if nothing runs, and one more machine would cost too much. */
export function limitStuckText(whose: string, { limit, soFar }: LimitUsage, least: number): string {
  return `${whose} of ${dollarsText(limit)} is too low for another instance: ${dollarsText(soFar)} spent, and one needs about ${dollarsText(least)}`;
}

export function budgetFix(job: string, whose: typeof JOB_LIMIT | typeof MONTH_BUDGET): string {
  const resume = `batchctl resume ${job}`;
  return whose === JOB_LIMIT
    ? `batchctl adjust ${job} --max-cost N, then ${resume}`
    : `raise budget.month in the configuration, or wait for the next month; then ${resume}`;
}

/** Whose limit a pause's detail is about. */
export const limitNameOf = (detail: string | null): typeof JOB_LIMIT | typeof MONTH_BUDGET =>
  detail?.startsWith(MONTH_BUDGET) === true ? MONTH_BUDGET : JOB_LIMIT;

/** The error for a limit that can't be enforced because prices are missing. `why`: why they can't be had. */
export function missingPricesError(types: readonly string[], whose = 'no cost limit can', why = ''): BatchctlError {
  const entries = types.map((type) => `"${type}": USD`).join(', ');
  return new BatchctlError('refused', `the price of ${types.join(', ')} is unknown${why}, so ${whose} be enforced`, {
    hint: `add hourly prices to the profile: "prices": { ${entries} }`,
  });
}
