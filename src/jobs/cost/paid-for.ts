import { leftOf, machinesFor, workingCost } from '../../model/cost/limit.ts';
import { groupsOf } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { jobsSharing } from '../grid/sharing.ts';
import { type CostStanding, isLimited, type Standings, standingsOf } from './standings.ts';

/** How many more machines a group may be asked for, by what is left of the limits of its jobs and of the stack's month. */
export type PaidFor = (group: string) => Promise<number>;

/** Reads the limits once, when it is first asked. `all`: the views are all that run. */
export function paidFor(platform: Platform, views: readonly JobView[], all: boolean): PaidFor {
  let reading: ReturnType<typeof read> | null = null;
  return async (group) => {
    if (!isLimited(platform, views)) return Number.POSITIVE_INFINITY;
    reading ??= read(platform, views, all);
    const { standings, running } = await reading;
    return standings === null ? Number.POSITIVE_INFINITY : moreFor(group, running, standings);
  };
}

async function read(
  platform: Platform,
  views: readonly JobView[],
  all: boolean,
): Promise<{ readonly standings: Standings | null; readonly running: readonly JobView[] }> {
  const known = new Set(views.map(({ record }) => record.job));
  const others = all ? [] : await jobsSharing(platform, new Set(platform.groups), known);
  const running = [...views, ...others];
  return { standings: await standingsOf(platform, running), running };
}

/** A job without a limit of its own may have any number; together they get what each of them can pay. */
function moreFor(group: string, running: readonly JobView[], standings: Standings): number {
  const { jobs, month, priceOfNext, counts, booting } = standings;
  const already = booting.get(group) ?? 0;
  const price = priceOfNext(group);
  const here = running.filter(({ record }) => groupsOf(record.spec).includes(group));
  const each = here.map(({ record }): number => {
    const standing = jobs.get(record.job);
    const ran = (counts.get(record.job) ?? []).filter(({ done }) => done > 0);
    const longest = ran.length === 0 ? null : Math.max(...ran.map(({ seconds, done }) => seconds / done));
    return standing === undefined ? Number.POSITIVE_INFINITY : more(standing, { price, longest, already });
  });
  const ofJobs = each.reduce((sum, count) => sum + count, 0);
  return month === null ? ofJobs : Math.min(ofJobs, more(month, { price, longest: null, already }));
}

interface Machines {
  /** An hour's, of the next one. */
  readonly price: number | null;
  /** Seconds of the longest step's tasks; null while nobody knows. */
  readonly longest: number | null;
  /** Those that boot: what they are to work for is reserved. */
  readonly already: number;
}

/** A limit that can't be kept, for want of a price, starts nothing. */
function more(standing: CostStanding, { price, longest, already }: Machines): number {
  if ('unknown' in standing || price === null) return 0;
  return machinesFor(leftOf(standing) - already * workingCost(price, longest), price, longest);
}
