import { BatchctlError, isBatchctlError } from '../../errors.ts';
import {
  DEFAULT_SIZING_TIMES,
  type InstanceNeed,
  instancesFor,
  onDemandBaseFor,
  type SizingTimes,
} from '../../model/capacity.ts';
import { groupFlag } from '../../model/cause.ts';
import type { GroupStatus } from '../../model/group-status.ts';
import { groupsOf } from '../../model/job.ts';
import type { Load, StepLoad } from '../../model/load.ts';
import { hasStarted, type JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { WorkerGroup } from '../../ports/worker-group.ts';
import { bootSeconds, type Hold, markSilentBoots, readHold } from '../boots.ts';
import { type MachineAllowance, machineAllowance } from '../cost/machine-allowance.ts';
import { loadsOf, loadsOfGroup, otherJobsInGroups } from '../demand.ts';
import { pauseDeniedJobs } from '../denied-job.ts';
import type { Troubles } from '../keeper-mark.ts';
import { canResend } from '../send.ts';
import { hasWaitingMessages } from './queues.ts';

/**
 * The result of raising one group. `enough`: it has what its work needs, or nothing waits · `manual`: a person sets its
 * size · `byHand`: it has no size · `held`: its instances can't be set up, so none is started until a person lifts
 * that.
 */
export type GroupRaise =
  | {
      readonly group: string;
      readonly outcome: 'raised';
      readonly before: number;
      readonly status: GroupStatus;
      readonly need: InstanceNeed;
      /** On-demand instances that replace spot from now on; null if unchanged. */
      readonly onDemand: number | null;
      readonly late: LateJob | null;
      /** Further instances that the work needs, but that no cost limit pays for; absent: none. */
      readonly unpaid?: number;
    }
  | {
      readonly group: string;
      readonly outcome: 'enough';
      readonly status: GroupStatus;
      readonly late: LateJob | null;
      readonly unpaid?: number;
    }
  | { readonly group: string; readonly outcome: 'manual' | 'byHand'; readonly status: GroupStatus }
  | { readonly group: string; readonly outcome: 'held'; readonly status: GroupStatus; readonly hold: Hold }
  | { readonly group: string; readonly outcome: 'failed'; readonly error: BatchctlError };

/** A job projected to miss its deadline although its group has its maximum size, or more would not help. */
export interface LateJob {
  readonly job: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Null: never, as its group may have no instances. */
  readonly ends: number | null;
  /** The maximum that the group would need; null if more would not help. */
  readonly max: number | null;
}

export interface RaiseOptions {
  /** Tasks were sent just now, so the queues' counts may not include them. */
  readonly fresh: boolean;
  /** True: these are all running jobs. Else the others are read: a queue's count doesn't say whose tasks it has. */
  readonly all?: boolean;
  /** The number of sent tasks that are retries, by step index. */
  readonly again?: ReadonlyMap<number, number>;
}

/**
 * Raises each group of the jobs to what its work needs, with at most one request each; never lowers one (law 9). A
 * group that can't be read or raised is part of the result: it doesn't fail a submission.
 */
export async function raiseGroups(
  platform: Platform,
  views: readonly JobView[],
  options: RaiseOptions,
): Promise<readonly GroupRaise[]> {
  const now = platform.clock.now();
  // Jobs with a future start need no workers before it.
  const due = views.filter((view) => hasStarted(view, now));
  const groups = [...new Set(due.flatMap(({ record }) => groupsOf(record.spec)))];
  // Read once for all groups, and only if some group can be raised.
  let loads: Promise<readonly StepLoad[]> | null = null;
  const ready = (): Promise<readonly StepLoad[]> => {
    loads ??= readAllLoads(platform, due, options);
    return loads;
  };
  const paid = machineAllowance(platform, due, options.all === true);
  return Promise.all(
    groups.map(async (group): Promise<GroupRaise> => {
      try {
        const mine = due.filter(({ record }) => groupsOf(record.spec).includes(group));
        return await raiseGroup(platform, group, { ready, paid, views: mine }, options);
      } catch (error) {
        if (!isBatchctlError(error)) throw error;
        return { group, outcome: 'failed', error };
      }
    }),
  );
}

/** The ready tasks of the jobs, and the jobs that share their groups. */
async function readAllLoads(
  platform: Platform,
  views: readonly JobView[],
  { again, all = false }: RaiseOptions,
): Promise<readonly StepLoad[]> {
  const groups = new Set(views.flatMap(({ record }) => groupsOf(record.spec)));
  const others = all ? [] : await otherJobsInGroups(platform, groups, new Set(views.map(({ record }) => record.job)));
  const [mine, theirs] = await Promise.all([
    loadsOf(platform, views, { ...(again && { again }), spread: true }),
    loadsOf(platform, others, { spread: true }),
  ]);
  return [...mine, ...theirs];
}

interface RaiseInput {
  readonly ready: () => Promise<readonly StepLoad[]>;
  readonly paid: MachineAllowance;
  /** The jobs that have steps in the group. */
  readonly views: readonly JobView[];
}

async function raiseGroup(
  platform: Platform,
  name: string,
  { ready, paid, views }: RaiseInput,
  options: RaiseOptions,
): Promise<GroupRaise> {
  const group = await platform.group(name);
  // A thousand leaving workers look once more; they must not each read a thousand heartbeats.
  const status = await group.describe({ counted: false });
  if (status.byHand) return { group: name, outcome: 'byHand', status };
  const isExpired = status.until !== null && status.until <= platform.clock.now();
  if (status.mode === 'manual' && !isExpired) return { group: name, outcome: 'manual', status };
  const [waiting, backlog, slots, boot] = await Promise.all([
    ready(),
    platform.queue(name).then((queue) => queue.readCounts()),
    status.slots ?? readSlots(platform, name),
    bootSeconds(platform.store, name),
  ]);
  const { desired: current, min, max } = status;
  const pace = { ...DEFAULT_SIZING_TIMES, boot };
  const loads = loadsOfGroup(name, waiting, backlog, options.fresh);
  const need = instancesFor(loads, { slots, current, min, max }, pace);
  const onDemand = await onDemandNeeded(group, status, loads, {
    slots,
    pace,
    now: platform.clock.now(),
    paid: () => paid(name),
  });
  const late = lateJob(need, max, platform.clock.now());
  if (need.instances <= current && !isExpired && onDemand === null)
    return { group: name, outcome: 'enough', status, late };
  // Marks are looked for only where something is to be started: it is a read a job, and a listing.
  const starts = need.instances > current || onDemand !== null;
  const readable = starts ? await pauseDeniedJobs(platform, views) : views;
  if (readable.length < views.length) {
    const [again] = (await raiseGroups(platform, readable, options)).filter((each) => each.group === name);
    return again ?? { group: name, outcome: 'enough', status, late: null };
  }
  const hold = starts ? await refreshHold(platform, group) : null;
  if (hold !== null) return { group: name, outcome: 'held', status, hold };
  const wanted = need.instances > current ? Math.min(need.instances, current + (await paid(name))) : need.instances;
  const unpaid = need.instances - wanted;
  // On-demand replacements from an earlier rush are no baseline: none of them is running.
  if (current === 0 && onDemand === null && hasStaleOnDemand(status)) await group.lower(status);
  const after = await group.raise(wanted, onDemand ?? 0);
  const standsIn = onDemand !== null && (after.onDemand?.base ?? 0) >= onDemand ? onDemand : null;
  return after.desired > current || standsIn !== null
    ? { group: name, outcome: 'raised', before: current, status: after, need, onDemand: standsIn, late, unpaid }
    : { group: name, outcome: 'enough', status: after, late, unpaid };
}

/** Also counts instances that ended since and could not say why. */
async function refreshHold({ store }: Platform, group: WorkerGroup): Promise<Hold | null> {
  await markSilentBoots(store, group.group, (await group.selfTerminations?.()) ?? []);
  return readHold(store, group.group);
}

const hasStaleOnDemand = ({ onDemand, machines }: GroupStatus): boolean =>
  onDemand !== undefined && onDemand.raisedAt !== null && (machines?.inService ?? 0) + (machines?.pending ?? 0) === 0;

/** A merely assumed lateness is not reported. */
function lateJob({ late, assumed, unbounded }: InstanceNeed, max: number, now: number): LateJob | null {
  if (late === null || assumed) return null;
  const ends = Number.isFinite(late.ends) ? now + late.ends * 1_000 : null;
  return { job: late.job, ends, deadline: now + late.in * 1_000, max: unbounded > max ? unbounded : null };
}

/** The fewest slots of a worker in the group lately; 1 before any was seen. */
async function readSlots(platform: Platform, group: string): Promise<number> {
  const workers = await (await platform.ledger()).workers({});
  const slots = workers.filter((worker) => worker.group.split(',').includes(group)).map((worker) => worker.slots);
  return slots.length === 0 ? 1 : Math.min(...slots);
}

/** How often a follower, and an idle worker, checks whether groups must be raised: milliseconds. */
const EVERY_MS = 60_000;

/** Raises groups at most once a minute, where machines can be started; a local group starts no process. */
export class Raiser {
  readonly #platform: Platform;
  #at = Number.NEGATIVE_INFINITY;
  /** Reports already made: late jobs, and groups held back by a cost limit. */
  readonly #reported = new Set<string>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Returns what it did; nothing if too early. Reports late jobs and cost limits once. `all`: as in `RaiseOptions`. */
  async round(views: readonly JobView[], all = false): Promise<readonly GroupRaise[]> {
    const now = this.#platform.clock.monotonic();
    if (!this.#platform.workplace.sizesGroups || views.length === 0 || now - this.#at < EVERY_MS) return [];
    this.#at = now;
    const raised = await raiseGroups(this.#platform, views, { fresh: false, all });
    return raised.map((each) => this.#withoutReported(each));
  }

  #withoutReported(raised: GroupRaise): GroupRaise {
    if (raised.outcome !== 'raised' && raised.outcome !== 'enough') return raised;
    const { group, late, unpaid = 0 } = raised;
    const isOldLate = late !== null && !this.#isNew(`${group} ${late.job} ${late.deadline}`);
    const isOldUnpaid = unpaid > 0 && !this.#isNew(`${group} unpaid`);
    return { ...raised, ...(isOldLate && { late: null }), ...(isOldUnpaid && { unpaid: 0 }) };
  }

  #isNew(what: string): boolean {
    if (this.#reported.has(what)) return false;
    this.#reported.add(what);
    return true;
  }
}

interface RaiseWaitingOptions {
  /** Raise groups only while messages wait. */
  readonly onlyWaiting: boolean;
  /** Receives all results of raising; null: only failures, as problems. */
  readonly onRaised: ((raised: readonly GroupRaise[]) => void) | null;
  /** Called for a job whose group can't be raised. */
  readonly onTrouble: (job: string, error: Error) => void;
}

/** Raises groups that have too few instances for waiting work (law 9), such as a next step's. Once a minute. */
export class WaitingRaiser {
  readonly #platform: Platform;
  readonly #options: RaiseWaitingOptions;
  readonly #raiser: Raiser;

  constructor(platform: Platform, options: RaiseWaitingOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#raiser = new Raiser(platform);
  }

  async round(all: readonly JobView[]): Promise<void> {
    const { onlyWaiting, onRaised, onTrouble } = this.#options;
    const now = this.#platform.clock.now();
    const views = all.filter((view) => canResend(view, now));
    const groups = new Set(views.flatMap(({ record }) => groupsOf(record.spec)));
    if (onlyWaiting && this.#platform.workplace.sizesGroups && !(await hasWaitingMessages(this.#platform, groups)))
      return;
    const raised = await this.#raiser.round(views, true);
    if (onRaised !== null) return onRaised(raised);
    for (const each of raised) {
      if (each.outcome !== 'failed') continue;
      const job = views.find(({ record }) => groupsOf(record.spec).includes(each.group))?.record.job ?? '';
      onTrouble(job, each.error);
    }
  }
}

/** Adds what a person should know about raising groups: errors, and deadlines that will be missed. */
export function addRaiseTroubles(raised: readonly GroupRaise[], troubles: Troubles): void {
  for (const each of raised) {
    if (each.outcome === 'failed') troubles.add(`group ${each.group}`, each.error);
    if ((each.outcome === 'raised' || each.outcome === 'enough') && each.late !== null)
      troubles.add(`group ${each.group}`, lateError(each.group, each.late));
  }
}

/** The same text while the deadline is the same: the projected end is in the hint. */
function lateError(group: string, { job, ends, deadline, max }: LateJob): BatchctlError {
  const iso = (at: number): string => new Date(Math.round(at / 60_000) * 60_000).toISOString();
  const fix = max === null ? '' : `; raise the limit with batchctl scale --max ${max}${groupFlag(group)}`;
  return new BatchctlError('refused', `job ${job} is projected to end after its deadline, ${iso(deadline)}`, {
    hint: `${ends === null ? 'its group is limited to 0 instances' : `it will end about ${iso(ends)}`}${fix}`,
  });
}

interface StandInOptions {
  readonly slots: number;
  readonly pace: SizingTimes;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How many more spot instances the limits on cost would pay for. */
  readonly paid: () => Promise<number>;
}

/** The assumed price of an on-demand instance in spot ones: spot saves up to 90 %, typically two thirds (EC2: spot). */
export const ON_DEMAND_PRICE_FACTOR = 3;

/**
 * How many of a group's instances should be on demand from now on; null: no more than now. Reads the group's latest
 * activities only if instances are missing for a job with a deadline.
 */
export async function onDemandNeeded(
  group: WorkerGroup,
  { onDemand, machines, min, max }: GroupStatus,
  loads: readonly Load[],
  { slots, pace, now, paid }: StandInOptions,
): Promise<number | null> {
  if (onDemand === undefined || machines === undefined || group.spotTroubles === undefined) return null;
  const { base, raisedAt } = onDemand;
  const up = machines.inService + machines.pending;
  const since = raisedAt === null ? null : (now - raisedAt) / 1_000;
  const wanted = (troubles: Awaited<ReturnType<NonNullable<WorkerGroup['spotTroubles']>>>): number =>
    onDemandBaseFor(loads, { slots, min, max }, { up, base, most: onDemand.most, since, ...troubles }, pace);
  if (wanted({ refused: true, refusedToo: false, takenBack: 0 }) <= base) return null;
  const found = wanted(await group.spotTroubles());
  if (found <= base) return null;
  const afforded = Math.min(found, base + Math.floor((await paid()) / ON_DEMAND_PRICE_FACTOR));
  return afforded > base ? afforded : null;
}
