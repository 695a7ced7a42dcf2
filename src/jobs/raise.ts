import { type BatchctlError, isOurs } from '../errors.ts';
import { instancesFor, type Need, PACE } from '../model/capacity.ts';
import type { StepLoad } from '../model/demand.ts';
import { groupsOf } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { GroupStatus } from '../ports/worker-group.ts';
import { type PaidFor, paidFor } from './cost/paid-for.ts';
import { pauseMarked } from './denied-job.ts';
import { bootSeconds } from './grid/boot-times.ts';
import { loadsIn, loadsOf } from './grid/demand.ts';
import { type Hold, readHold } from './grid/failed-boots.ts';
import { jobsSharing } from './grid/sharing.ts';
import { onDemandNeeded } from './grid/stand-in.ts';

/**
 * What became of raising one group. `enough`: it has what its work needs, or nothing waits · `manual`: a person sets its
 * size · `byHand`: it has none · `held`: its instances can't be set up, and none is started until somebody lifts that.
 */
export type GroupRaise =
  | {
      readonly group: string;
      readonly outcome: 'raised';
      readonly before: number;
      readonly status: GroupStatus;
      readonly need: Need;
      /** On-demand instances that stand in for spot from now on; null where none more do. */
      readonly onDemand: number | null;
      readonly late: LateJob | null;
      /** Instances that the work needs besides, and no limit on cost pays for; absent: none. */
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

/** A job that ends after its deadline by what is known now, though its group has all that it may have or that would help. */
export interface LateJob {
  readonly job: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  /** Null: never, as its group may have no instance. */
  readonly ends: number | null;
  /** The maximum that the group would need for it; null where more would not help. */
  readonly max: number | null;
}

export interface RaiseOptions {
  /** Tasks were sent this moment: the queues' counts may not have them yet. */
  readonly fresh: boolean;
  /** True: the jobs are all that run. Else the others are read: a queue's counts don't tell whose tasks it holds. */
  readonly all?: boolean;
  /** Of what was sent: tasks that are asked for again, by their step's index. */
  readonly again?: ReadonlyMap<number, number>;
}

/**
 * Raises each group of the jobs to what its work needs, each by one request at most; it never lowers one (law 9). A
 * group that can't be asked, or raised, is an outcome: nothing that was submitted fails for it.
 */
export async function raiseGroups(
  platform: Platform,
  views: readonly JobView[],
  options: RaiseOptions,
): Promise<readonly GroupRaise[]> {
  const now = platform.clock.now();
  // What is yet to begin needs nobody before its time.
  const due = views.filter(({ notBefore }) => notBefore === null || Date.parse(notBefore) <= now);
  const groups = [...new Set(due.flatMap(({ record }) => groupsOf(record.spec)))];
  // Read once for all groups, and only where some group can be raised.
  let loads: Promise<readonly StepLoad[]> | null = null;
  const ready = (): Promise<readonly StepLoad[]> => {
    loads ??= loadsHere(platform, due, options);
    return loads;
  };
  const paid = paidFor(platform, due, options.all === true);
  return Promise.all(
    groups.map(async (group): Promise<GroupRaise> => {
      try {
        const mine = due.filter(({ record }) => groupsOf(record.spec).includes(group));
        return await raiseGroup(platform, group, { ready, paid, views: mine }, options);
      } catch (error) {
        if (!isOurs(error)) throw error;
        return { group, outcome: 'failed', error };
      }
    }),
  );
}

/** What the jobs have ready, and those that share their groups. */
async function loadsHere(
  platform: Platform,
  views: readonly JobView[],
  { again, all = false }: RaiseOptions,
): Promise<readonly StepLoad[]> {
  const groups = new Set(views.flatMap(({ record }) => groupsOf(record.spec)));
  const others = all ? [] : await jobsSharing(platform, groups, new Set(views.map(({ record }) => record.job)));
  const [mine, theirs] = await Promise.all([
    loadsOf(platform, views, { ...(again && { again }), spread: true }),
    loadsOf(platform, others, { spread: true }),
  ]);
  return [...mine, ...theirs];
}

interface Raising {
  readonly ready: () => Promise<readonly StepLoad[]>;
  readonly paid: PaidFor;
  /** The jobs that have steps in the group. */
  readonly views: readonly JobView[];
}

async function raiseGroup(
  platform: Platform,
  name: string,
  { ready, paid, views }: Raising,
  options: RaiseOptions,
): Promise<GroupRaise> {
  const group = await platform.group(name);
  // A thousand workers that leave look once more: none reads a thousand signs of life.
  const status = await group.describe({ counted: false });
  if (status.byHand) return { group: name, outcome: 'byHand', status };
  const over = status.until !== null && status.until <= platform.clock.now();
  if (status.mode === 'manual' && !over) return { group: name, outcome: 'manual', status };
  const [waiting, backlog, slots, boot] = await Promise.all([
    ready(),
    platform.queue(name).then((queue) => queue.held()),
    status.slots ?? slotsSeen(platform, name),
    bootSeconds(platform.store, name),
  ]);
  const { desired: current, min, max } = status;
  const pace = { ...PACE, boot };
  const loads = loadsIn(name, waiting, backlog, options.fresh);
  const need = instancesFor(loads, { slots, current, min, max }, pace);
  const onDemand = await onDemandNeeded(group, status, loads, {
    slots,
    pace,
    now: platform.clock.now(),
    paid: () => paid(name),
  });
  const late = lateJob(need, max, platform.clock.now());
  if (need.instances <= current && !over && onDemand === null) return { group: name, outcome: 'enough', status, late };
  // Marks are looked for only where something is to be started: it is a read a job, and a listing.
  const starts = need.instances > current || onDemand !== null;
  const readable = starts ? await pauseMarked(platform, views) : views;
  if (readable.length < views.length) {
    const [again] = (await raiseGroups(platform, readable, options)).filter((each) => each.group === name);
    return again ?? { group: name, outcome: 'enough', status, late: null };
  }
  const hold = starts ? await readHold(platform.store, name) : null;
  if (hold !== null) return { group: name, outcome: 'held', status, hold };
  const wanted = need.instances > current ? Math.min(need.instances, current + (await paid(name))) : need.instances;
  const unpaid = need.instances - wanted;
  // What stood in for spot in an earlier rush is no base for this one: nothing of it is up any more.
  if (current === 0 && onDemand === null && isLeftOver(status)) await group.lower(status);
  const after = await group.raise(wanted, onDemand ?? 0);
  const standsIn = onDemand !== null && (after.onDemand?.base ?? 0) >= onDemand ? onDemand : null;
  return after.desired > current || standsIn !== null
    ? { group: name, outcome: 'raised', before: current, status: after, need, onDemand: standsIn, late, unpaid }
    : { group: name, outcome: 'enough', status: after, late, unpaid };
}

const isLeftOver = ({ onDemand, machines }: GroupStatus): boolean =>
  onDemand !== undefined && onDemand.raisedAt !== null && (machines?.inService ?? 0) + (machines?.pending ?? 0) === 0;

/** Nobody is told of a lateness that is only assumed. */
function lateJob({ late, assumed, unbounded }: Need, max: number, now: number): LateJob | null {
  if (late === null || assumed) return null;
  const ends = Number.isFinite(late.ends) ? now + late.ends * 1_000 : null;
  return { job: late.job, ends, deadline: now + late.in * 1_000, max: unbounded > max ? unbounded : null };
}

/** The fewest slots that a worker of the group had lately; 1 before any was seen. */
async function slotsSeen(platform: Platform, group: string): Promise<number> {
  const workers = await (await platform.ledger()).workers({});
  const slots = workers.filter((worker) => worker.group.split(',').includes(group)).map((worker) => worker.slots);
  return slots.length === 0 ? 1 : Math.min(...slots);
}

/** How often who follows a job, and an idle worker, looks whether groups must be raised: milliseconds. */
const EVERY_MS = 60_000;

/** Raises groups again and again, once a minute at most, where machines can be had: what is local starts no process. */
export class Raiser {
  readonly #platform: Platform;
  #at = Number.NEGATIVE_INFINITY;
  /** What it was told already: jobs that end late, groups that a limit on cost holds back. */
  readonly #told = new Set<string>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Answers what it did; nothing where it isn't time. That a job ends late, or that a limit on cost holds a group back, is told once. `all`: as in `RaiseOptions`. */
  async round(views: readonly JobView[], all = false): Promise<readonly GroupRaise[]> {
    const now = this.#platform.clock.monotonic();
    if (this.#platform.remote !== true || views.length === 0 || now - this.#at < EVERY_MS) return [];
    this.#at = now;
    const raised = await raiseGroups(this.#platform, views, { fresh: false, all });
    return raised.map((each) => this.#newsOf(each));
  }

  #newsOf(raised: GroupRaise): GroupRaise {
    if (raised.outcome !== 'raised' && raised.outcome !== 'enough') return raised;
    const { group, late, unpaid = 0 } = raised;
    const isOldLate = late !== null && !this.#isNews(`${group} ${late.job} ${late.deadline}`);
    const isOldUnpaid = unpaid > 0 && !this.#isNews(`${group} unpaid`);
    return { ...raised, ...(isOldLate && { late: null }), ...(isOldUnpaid && { unpaid: 0 }) };
  }

  #isNews(what: string): boolean {
    if (this.#told.has(what)) return false;
    this.#told.add(what);
    return true;
  }
}
