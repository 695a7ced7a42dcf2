import { USUAL_BOOT } from '../../model/capacity.ts';
import { drainingCost, type LimitUsage, type NextMachine } from '../../model/cost/limit.ts';
import {
  jobSpending,
  lifeOfJob,
  machinesOf,
  monthToDate,
  nextMachinePrice,
  type PaidMachine,
  type PriceAt,
  priceOf,
  type Spending,
  spendingIn,
  typesWithoutPrice,
} from '../../model/cost/spending.ts';
import type { GroupPrices } from '../../model/group-status.ts';
import { groupsOf } from '../../model/job.ts';
import { aliveMs, type StepCounts } from '../../model/ledger/records.ts';
import type { JobView } from '../../model/view.ts';
import type { Budget, Platform } from '../../ports/platform.ts';
import { bootSeconds } from '../boots.ts';

/** Costs compared with a limit. If prices aren't known, `unknown` names the instance types. */
export type CostStanding = LimitUsage | { readonly limit: number; readonly unknown: readonly string[] };

export interface Standings {
  /** For the jobs with a limit. */
  readonly jobs: ReadonlyMap<string, CostStanding>;
  /** For all groups together, this month; null without a limit. */
  readonly month: CostStanding | null;
  /** A group's next machine, which costs 0 an hour if it has no price; null if its price isn't known. */
  readonly nextIn: (group: string) => NextMachine | null;
  /** Number of machines per group that were requested and have no worker yet. */
  readonly booting: ReadonlyMap<string, number>;
  readonly counts: ReadonlyMap<string, readonly StepCounts[]>;
}

/** A job's own limit, else the profile's limit for every job, US dollars; null for none. */
export const limitOf = ({ maxCost }: Pick<JobView, 'maxCost'>, { job }: Pick<Budget, 'job'>): number | null =>
  maxCost ?? job;

/** True if any cost limit applies; otherwise nothing is read. */
export function isLimited({ budget }: Platform, views: readonly JobView[]): boolean {
  return budget !== undefined && (budget.month !== null || views.some((view) => limitOf(view, budget) !== null));
}

/**
 * Compares the costs of jobs and of the stack's month with their limits; null if nothing has a price. Pass the views of
 * all running jobs, so that time which machines spend on none of them is shared correctly.
 */
export async function readStandings(platform: Platform, views: readonly JobView[]): Promise<Standings | null> {
  const { budget, clock } = platform;
  if (budget === undefined) return null;
  const month = budget.month === null ? null : monthToDate(clock.now(), budget.zone);
  const limited = views.filter((view) => limitOf(view, budget) !== null);
  const since = [...limited.map(({ record }) => Date.parse(record.createdAt)), ...(month === null ? [] : [month.from])];
  const of = month === null ? limited.flatMap(({ record }) => groupsOf(record.spec)) : (platform.groups ?? []);
  const groups = [...new Set(of)];
  const [facts, counts, sizes] = await Promise.all([
    readCostFacts(platform, groups, Math.min(clock.now(), ...since)),
    readCounts(platform, views),
    readSizes(platform, groups),
  ]);
  if (facts === null) return null;
  const booting = new Map(sizes.map(([group, size]) => [group, Math.max(0, size - upIn(group, facts))]));
  const drain = makeDrainCost(facts, views, { counts, booting });
  const jobs = limited.map((view): [string, CostStanding] => {
    const { job, spec, createdAt } = view.record;
    const own = new Set(groupsOf(spec));
    const life = lifeOfJob(Date.parse(createdAt), null, facts.now);
    const sharers = sharersOf(views, [...own]);
    const spent = jobSpending({ job, groups: own, life, sharers }, facts.machines, facts.priceAt);
    return [job, costStanding(limitOf(view, budget) ?? 0, spent, drain(own, job), facts)];
  });
  const spentNow = month === null ? null : spendingIn(month, facts.machines, facts.priceAt);
  return {
    jobs: new Map(jobs),
    month: spentNow === null ? null : costStanding(budget.month ?? 0, spentNow, drain(new Set(groups), null), facts),
    nextIn: facts.nextIn,
    booting,
    counts,
  };
}

function costStanding(limit: number, spent: Spending, draining: number | null, { prices }: CostFacts): CostStanding {
  if (spent.usd !== null && draining !== null) return { limit, soFar: spent.usd, draining };
  const types = [...prices.values()].flatMap(typesWithoutPrice);
  return { limit, unknown: [...new Set([...spent.unknown, ...types])].sort() };
}

function makeDrainCost(
  { machines, priceAt, nextIn }: CostFacts,
  views: readonly JobView[],
  { counts, booting }: Pick<Standings, 'counts' | 'booting'>,
) {
  const sharers = (groups: readonly string[]): number => sharersOf(views, groups);
  const secondsOf = (job: string, step: string): number | null => meanSeconds(counts.get(job) ?? [], step);
  const known = { machines, priceAt, booting, nextIn, secondsOf };
  /** For one job, or (null) for all, without sharing. */
  return (groups: ReadonlySet<string>, job: string | null): number | null =>
    drainingCost({
      ...known,
      groups,
      isOurs: (name) => job === null || name === job,
      sharers: job === null ? () => 1 : sharers,
    });
}

const sharersOf = (views: readonly JobView[], groups: readonly string[]): number =>
  Math.max(1, views.filter(({ record }) => groupsOf(record.spec).some((group) => groups.includes(group))).length);

async function readCounts(platform: Platform, views: readonly JobView[]): Promise<Standings['counts']> {
  const ledger = await platform.ledger();
  const all = views.map(async ({ record: { job } }) => [job, await ledger.counts(job)] as const);
  return new Map(await Promise.all(all));
}

/** The machines that each group holds or requested. */
const readSizes = (platform: Platform, groups: readonly string[]) =>
  Promise.all(
    groups.map(async (name) => {
      const { machines, desired } = await (await platform.group(name)).describe();
      return [name, machines === undefined ? 0 : Math.max(desired, machines.inService + machines.pending)] as const;
    }),
  );

const upIn = (group: string, { machines }: CostFacts): number =>
  machines.filter((machine) => machine.up && machine.groups.includes(group)).length;

/** Mean seconds of a step's done tasks; null without any. */
export function meanSeconds(counts: readonly StepCounts[], name: string): number | null {
  const { done = 0, seconds = 0 } = counts.find(({ step }) => step === name) ?? {};
  return done === 0 ? null : seconds / done;
}

export interface CostFacts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The machines that were up since then, in any group. */
  readonly machines: readonly PaidMachine[];
  readonly prices: ReadonlyMap<string, GroupPrices>;
  readonly priceAt: PriceAt;
  /** A group's next machine, which costs 0 an hour if it has no price; null if its price isn't known. */
  readonly nextIn: (group: string) => NextMachine | null;
}

/**
 * The prices of some groups' machines, and the machines that were up since a given time: one read per worker, whatever
 * the number of tasks. Null if nothing has a price.
 */
export async function readCostFacts(
  platform: Platform,
  groups: readonly string[],
  since: number,
): Promise<CostFacts | null> {
  if (platform.budget === undefined) return null;
  const now = platform.clock.now();
  const workers = await (await platform.ledger()).workers({ since });
  const machines = machinesOf(workers, { now, aliveMs: aliveMs(platform.leaseSeconds) });
  const spot = machines.filter(({ machine }) => machine.lifeCycle === 'spot').map(({ machine }) => machine.type);
  const others = [...new Set(spot)].sort();
  const { prices, nextIn } = await readPrices(platform, groups, others);
  const hours = [...prices.values()].flatMap((of) => of.hours);
  return { now, machines, prices, nextIn, priceAt: (machine) => priceOf(hours, machine) };
}

/**
 * The prices of the groups' machines, without those that cost nothing, and the boot times of their next ones. `others`:
 * as for `prices` of a group.
 */
export async function readPrices(
  platform: Platform,
  groups: readonly string[],
  others: readonly string[] = [],
): Promise<Pick<CostFacts, 'prices' | 'nextIn'>> {
  const found = await Promise.all(
    groups.map(async (group) => ({
      group,
      of: (await (await platform.group(group)).prices?.(others)) ?? null,
      boot: await bootSeconds(platform.store, group),
    })),
  );
  const boots = new Map(found.map(({ group, boot }) => [group, boot]));
  const prices = new Map(found.flatMap(({ group, of }) => (of === null ? [] : [[group, of] as const])));
  const nextIn = (group: string): NextMachine | null => {
    const of = prices.get(group);
    const price = of === undefined ? 0 : nextMachinePrice(of);
    return price === null ? null : { price, boot: boots.get(group) ?? USUAL_BOOT };
  };
  return { prices, nextIn };
}
