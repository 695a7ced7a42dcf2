import { leastOfOne, leftOf, machinesFor, type NextMachine, workingCost } from '../../model/cost/limit.ts';
import { groupsOf } from '../../model/job.ts';
import { readyLoads } from '../../model/load.ts';
import type { JobView } from '../../model/view.ts';
import type { StepCounts } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { jobsSharing } from '../grid/demand.ts';
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
  const { jobs, month, nextIn, counts, booting } = standings;
  const already = booting.get(group) ?? 0;
  const next = nextIn(group);
  const here = running.filter(({ record }) => groupsOf(record.spec).includes(group));
  const each = here.map(({ record }): number => {
    const standing = jobs.get(record.job);
    const longest = longestOf(counts.get(record.job) ?? []);
    return standing === undefined ? Number.POSITIVE_INFINITY : more(standing, { next, longest, already });
  });
  const ofJobs = each.reduce((sum, count) => sum + count, 0);
  return month === null ? ofJobs : Math.min(ofJobs, more(month, { next, longest: null, already }));
}

/** Seconds of a task of the step whose tasks take longest; null while none is done. */
export function longestOf(counts: readonly StepCounts[]): number | null {
  const ran = counts.filter(({ done }) => done > 0);
  return ran.length === 0 ? null : Math.max(...ran.map(({ seconds, done }) => seconds / done));
}

/** The least that a job can go on with where nothing of it runs, US dollars. */
export interface Least {
  /** Of its own limit. */
  readonly own: number;
  /** Of the stack's month, of which tasks' durations take no more: as `PaidFor` has it. */
  readonly month: number;
}

/**
 * What the cheapest machine costs that could go on with the job: of the groups for which something of it is ready, of all
 * of its groups where the counters know of nothing. Null where a price isn't known.
 */
export function leastToGoOn(view: JobView, { counts, nextIn }: Pick<Standings, 'counts' | 'nextIn'>): Least | null {
  const mine = counts.get(view.record.job) ?? [];
  const { steps } = view.record.spec;
  const known = { counts: mine, means: NONE, deviations: NONE, again: new Map(), now: 0 };
  const ready = new Set(readyLoads(view, known).flatMap(({ group, tasks }) => (tasks > 0 ? [group] : [])));
  const going = steps.filter(({ group }) => ready.has(group));
  const next = groupsOf({ steps: going.length > 0 ? going : steps }).map(nextIn);
  const machines = next.filter((machine) => machine !== null);
  if (machines.length < next.length) return null;
  const least = (longest: number | null): number => Math.min(...machines.map((of) => leastOfOne(of, longest)));
  return { own: least(longestOf(mine)), month: least(null) };
}

const NONE: ReadonlyMap<string, number> = new Map();

interface Machines {
  readonly next: NextMachine | null;
  /** Seconds of the longest step's tasks; null while nobody knows. */
  readonly longest: number | null;
  /** Those that boot: what they are to work for is reserved. */
  readonly already: number;
}

/** A limit that can't be kept, for want of a price, starts nothing. */
function more(standing: CostStanding, { next, longest, already }: Machines): number {
  if ('unknown' in standing || next === null) return 0;
  return machinesFor(leftOf(standing) - already * workingCost(next, longest), next, longest);
}
