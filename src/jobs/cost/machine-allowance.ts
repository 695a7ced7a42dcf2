import { affordableMachines, leftOf, minMachineCost, type NextMachine, workingCost } from '../../model/cost/limit.ts';
import { groupsOf } from '../../model/job.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import { readyLoads } from '../../model/load.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { otherJobsInGroups } from '../demand.ts';
import { type CostStanding, isLimited, readStandings, type Standings } from './standings.ts';

/** How many more machines a group may request, given what is left of its jobs' limits and the stack's monthly limit. */
export type MachineAllowance = (group: string) => Promise<number>;

/** Reads the limits once, on first use. `all`: the views are all running jobs. */
export function machineAllowance(platform: Platform, views: readonly JobView[], all: boolean): MachineAllowance {
  let reading: ReturnType<typeof readLimits> | null = null;
  return async (group) => {
    if (!isLimited(platform, views)) return Number.POSITIVE_INFINITY;
    reading ??= readLimits(platform, views, all);
    const { standings, running } = await reading;
    return standings === null ? Number.POSITIVE_INFINITY : allowedMachines(group, running, standings);
  };
}

async function readLimits(
  platform: Platform,
  views: readonly JobView[],
  all: boolean,
): Promise<{ readonly standings: Standings | null; readonly running: readonly JobView[] }> {
  const known = new Set(views.map(({ record }) => record.job));
  const others = all ? [] : await otherJobsInGroups(platform, new Set(platform.groups), known);
  const running = [...views, ...others];
  return { standings: await readStandings(platform, running), running };
}

/** A job without a limit may have any number; otherwise the group may have what its jobs can pay for together. */
function allowedMachines(group: string, running: readonly JobView[], standings: Standings): number {
  const { jobs, month, nextIn, counts, booting } = standings;
  const already = booting.get(group) ?? 0;
  const next = nextIn(group);
  const here = running.filter(({ record }) => groupsOf(record.spec).includes(group));
  const each = here.map(({ record }): number => {
    const standing = jobs.get(record.job);
    const longest = longestTaskSeconds(counts.get(record.job) ?? []);
    return standing === undefined ? Number.POSITIVE_INFINITY : machinesWithin(standing, { next, longest, already });
  });
  const ofJobs = each.reduce((sum, count) => sum + count, 0);
  return month === null ? ofJobs : Math.min(ofJobs, machinesWithin(month, { next, longest: null, already }));
}

/** Mean seconds of a task in the step with the longest tasks; null until a task is done. */
export function longestTaskSeconds(counts: readonly StepCounts[]): number | null {
  const ran = counts.filter(({ done }) => done > 0);
  return ran.length === 0 ? null : Math.max(...ran.map(({ seconds, done }) => seconds / done));
}

/** The minimum cost of continuing a job that has no running tasks, US dollars. */
export interface LeastCost {
  /** Counted against the job's own limit. */
  readonly own: number;
  /** Counted against the stack's monthly limit. As in `paidFor`, task durations are not included. */
  readonly month: number;
}

/**
 * The cost of the cheapest machine that could continue the job: of the groups that have ready tasks or, if the counters
 * know none, of all its groups. Null if a price isn't known.
 */
export function leastCostToContinue(
  view: JobView,
  { counts, nextIn }: Pick<Standings, 'counts' | 'nextIn'>,
): LeastCost | null {
  const mine = counts.get(view.record.job) ?? [];
  const { steps } = view.record.spec;
  const known = { counts: mine, means: NONE, deviations: NONE, again: new Map(), now: 0 };
  const ready = new Set(readyLoads(view, known).flatMap(({ group, tasks }) => (tasks > 0 ? [group] : [])));
  const going = steps.filter(({ group }) => ready.has(group));
  const next = groupsOf({ steps: going.length > 0 ? going : steps }).map(nextIn);
  const machines = next.filter((machine) => machine !== null);
  if (machines.length < next.length) return null;
  const least = (longest: number | null): number => Math.min(...machines.map((of) => minMachineCost(of, longest)));
  return { own: least(longestTaskSeconds(mine)), month: least(null) };
}

const NONE: ReadonlyMap<string, number> = new Map();

interface NextMachines {
  readonly next: NextMachine | null;
  /** Mean seconds of a task in the longest step; null if unknown. */
  readonly longest: number | null;
  /** Booting machines, whose cost is reserved. */
  readonly already: number;
}

/** A limit that can't be enforced because a price is missing starts nothing. */
function machinesWithin(standing: CostStanding, { next, longest, already }: NextMachines): number {
  if ('unknown' in standing || next === null) return 0;
  return affordableMachines(leftOf(standing) - already * workingCost(next, longest), next, longest);
}
