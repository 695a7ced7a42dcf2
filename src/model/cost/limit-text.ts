import type { Standing } from './limit.ts';

/** `$9.61`; below ten cents `$0.0042`: a short job's cost isn't nothing. */
export function dollarsText(usd: number): string {
  const digits = usd > 0 && usd < 0.1 ? 4 : 2;
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** The job's own limit, or the month's. */
export const ITS_LIMIT = 'its limit';
export const THE_MONTHS = "the month's budget";

/** A guard's finding when it pauses a job because of its cost. `whose`: one of the two above. */
export function reachedText(whose: string, { limit, soFar, draining }: Standing): string {
  return `${whose} of ${dollarsText(limit)} is reached: ${dollarsText(soFar)} spent, plus ${dollarsText(draining)} to finish running tasks`;
}

/** The same if nothing runs, and one more machine would cost too much. */
export function stuckText(whose: string, { limit, soFar }: Standing, least: number): string {
  return `${whose} of ${dollarsText(limit)} pays for no more instances: ${dollarsText(soFar)} spent, and one needs about ${dollarsText(least)}`;
}

export function budgetMend(job: string, whose: typeof ITS_LIMIT | typeof THE_MONTHS): string {
  const resume = `batchctl resume ${job}`;
  return whose === ITS_LIMIT
    ? `batchctl adjust ${job} --max-cost N, then ${resume}`
    : `raise budget.month in the configuration, or wait for the next month; then ${resume}`;
}

/** Whose limit a pause's detail is about. */
export const whoseLimit = (detail: string | null): typeof ITS_LIMIT | typeof THE_MONTHS =>
  detail?.startsWith(THE_MONTHS) === true ? THE_MONTHS : ITS_LIMIT;

/** What to configure if a limit can't be enforced because a price is missing. */
export function pricesMend(types: readonly string[]): string {
  const entries = types.map((type) => `"${type}": USD`).join(', ');
  return `add hourly prices to the profile: "prices": { ${entries} }`;
}
