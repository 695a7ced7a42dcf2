import { groupBy } from './group-by.ts';
import { type Load, secondsPerTask, slotsPerTask, sum, tasksLeft, totalWidthOf, totalWorkOf, workOf } from './load.ts';

export interface Claim {
  readonly job: string;
  /** Seconds until it should have ended; negative once that is past. */
  readonly in: number;
  /** Slot-seconds that the job itself has left here. */
  readonly work: number;
  /** Slot-seconds done here by the time that the job is: its own, and those of jobs that share the slots with it. */
  readonly shared: number;
  /** Seconds that no number of slots shortens: one task, and one of each later step. */
  readonly tail: number;
  /** Additional seconds of its longest task, estimated from the spread of durations. */
  readonly spread: number;
  /** Approximate seconds per task. */
  readonly each: number;
  /** Slots that its own ready tasks can hold at once, and those that all ready tasks can. */
  readonly width: number;
  readonly totalWidth: number;
}

export interface GroupCapacity {
  readonly slots: number;
  readonly current: number;
  /** Seconds from asking for an instance to its first task. */
  readonly boot: number;
}

/** A job that is expected to end after its deadline. */
export interface LateJob {
  readonly job: string;
  /** Seconds until its deadline. */
  readonly in: number;
  /** Seconds until it ends; infinite if its group has no instance, and may have none. */
  readonly ends: number;
  /** Seconds after its deadline. */
  readonly by: number;
}

/** The share of the remaining time kept in reserve for interruptions, failed attempts and slow boots. */
const RESERVE_SHARE = 0.1;

/** A started instance is billed for at least a minute (Amazon EC2: billing by the second). */
export const MIN_BILLED_SECONDS = 60;

/**
 * The needs of jobs with a deadline in a group. Jobs share its slots: while one runs, each other job gets as many
 * slot-seconds as it does (`workDoneAlongside`), or finishes. All work without a deadline counts as done before.
 */
export function claimsOf(loads: readonly Load[], slots: number): readonly Claim[] {
  const other = totalWorkOf(
    loads.filter(({ due }) => due === undefined),
    slots,
  );
  const own = datedLoadsByJob(loads).map((mine) => ({
    job: mine[0]?.due?.job ?? '',
    mine,
    work: totalWorkOf(mine, slots),
  }));
  return own.map(({ job, mine, work }) => ({
    job,
    work,
    in: Math.min(...mine.map(({ due }) => due?.in ?? Number.POSITIVE_INFINITY)),
    shared: work + other + sum(own.map((each) => (each.job === job ? 0 : workDoneAlongside(each.mine, mine, slots)))),
    tail: Math.max(...mine.map(tailOf)),
    spread: Math.max(...mine.map(spreadOf)),
    each: Math.max(...mine.map(secondsPerTask)),
    width: totalWidthOf(mine, slots),
    totalWidth: totalWidthOf(loads, slots),
  }));
}

/** The loads of each job with a deadline. A job with nothing ready here needs nothing yet. */
export function datedLoadsByJob(loads: readonly Load[]): readonly (readonly Load[])[] {
  return [...groupBy(loads, ({ due }) => due?.job).values()].filter((mine) => mine.some(({ tasks }) => tasks > 0));
}

/**
 * Slot-seconds of some work that are done by the time that parallel work is: as many as that has, or as many tasks,
 * whichever is more. A queue may share slots equally (SQS: fair queues, approximately) or deliver in turns (the local
 * one); then the job with longer tasks has more of the slots.
 */
export function workDoneAlongside(loads: readonly Load[], beside: readonly Load[], slots: number): number {
  const tasks = sum(beside.map(tasksLeft));
  const slotsShared = Math.min(totalWorkOf(beside, slots), totalWorkOf(loads, slots));
  const inTurns = sum(loads.map((load) => Math.min(1, tasks / Math.max(1, tasksLeft(load))) * workOf(load, slots)));
  return Math.max(slotsShared, inTurns);
}

/**
 * Seconds within which a claim's slot-seconds must be done. The time of its longest task is reserved, but at most half
 * of the time, because it is an estimate. Never so few that an instance could do nothing in them.
 */
export function secondsForClaim({ in: left, tail, spread, each }: Claim, boot: number): number {
  const time = left * (1 - RESERVE_SHARE) - tail;
  return Math.max(time - Math.min(spread, time / 2), boot + Math.max(MIN_BILLED_SECONDS, each));
}

/** Seconds until a claim's job has ended with this many instances, of which `current` need not boot. */
export function secondsToEnd(claim: Claim, instances: number, { slots, current, boot }: GroupCapacity): number {
  if (instances <= 0) return Number.POSITIVE_INFINITY;
  const { shared, totalWidth, work, width, each, tail } = claim;
  const up = Math.min(instances, current);
  // The very last tasks are in the tail.
  const alone = (up === 0 ? boot : 0) + Math.max(0, width > 0 ? work / width - each : 0);
  if (instances * slots >= totalWidth) return Math.max(instances > up ? boot : 0, alone) + tail;
  const byUp = up === 0 ? Number.POSITIVE_INFINITY : shared / (up * slots);
  const byAll = byUp <= boot ? byUp : (shared / slots + (instances - up) * boot) / instances;
  return Math.max(byAll, alone) + tail;
}

/** The job that ends the latest after its deadline with this many instances; null if none does. */
export function latestLateJob(claims: readonly Claim[], instances: number, ground: GroupCapacity): LateJob | null {
  const late = claims.map((claim): LateJob => {
    const ends = secondsToEnd(claim, instances, ground);
    return { job: claim.job, in: claim.in, ends, by: ends - claim.in };
  });
  return late.filter(({ by }) => by > 0).sort((a, b) => b.by - a.by)[0] ?? null;
}

/** Seconds from the start of a usual task to the end of its job. */
function tailOf(load: Load): number {
  return tasksLeft(load) === 0 || load.due === undefined ? 0 : secondsPerTask(load) + load.due.after;
}

/**
 * Seconds by which the longest of n durations exceeds their mean, assuming a log-normal distribution, which also fits a
 * few tasks that take much longer than the others. An unknown deviation is assumed to equal the mean.
 */
function spreadOf(load: Load): number {
  const each = secondsPerTask(load);
  const left = tasksLeft(load);
  if (left === 0 || each === 0 || load.due === undefined) return 0;
  const sigma = Math.sqrt(Math.log(1 + ((load.due.deviation ?? each) / each) ** 2));
  // The largest of n normal numbers is about this many deviations above their mean: 1.3 for 10, 3.8 for 10,000.
  const above = Math.sqrt(Math.max(0, 1.82 * Math.log(left) - 2.5));
  return each * Math.max(0, Math.exp(sigma * above - sigma ** 2 / 2) - 1);
}

/** A job in a group: its tasks there, the work that shares the slots with them, and the instances. */
export interface GroupShare {
  /** The job's loads and the others'. */
  readonly loads: readonly Load[];
  /** Its `current` are the working instances. */
  readonly ground: GroupCapacity;
  readonly instances: number;
}

/** When a job ends, in seconds from now. */
export interface Projection {
  readonly ends: number;
  /** The range of the end with 95 % probability; null if part of it is only assumed. */
  readonly within: { readonly earliest: number; readonly latest: number } | null;
}

/** Standard deviations on either side of the expected value, for 95 %. */
const DEVIATIONS_95 = 2;

/**
 * When a job ends with its groups' present instances, by the same model that sizes them (`model/capacity.ts`). Null if
 * the duration of a ready task is unknown, no instance is there to run it, or no group has any of the job left. A later
 * step without a measured task adds nothing: the end is then the earliest known.
 */
export function projectionOf(job: string, given: readonly GroupShare[]): Projection | null {
  const shares = given.map((share) => ({ ...share, loads: share.loads.map(withoutGuess) }));
  const parts = shares.flatMap((share) => {
    const claim = claimsOf(share.loads, share.ground.slots).find((each) => each.job === job);
    return claim === undefined ? [] : [{ share, claim, mine: share.loads.filter(({ due }) => due?.job === job) }];
  });
  if (parts.length === 0) return null;
  if (parts.some(({ share, mine }) => share.instances <= 0 || mine.some(isUnknown))) return null;
  const ends = parts.map(({ share, claim }) => secondsToEnd(claim, share.instances, share.ground));
  const within = parts.map(({ share, claim, mine }, at) => intervalOf(ends[at] ?? 0, claim, mine, share));
  const known = within.filter((each) => each !== null);
  return {
    ends: Math.max(...ends),
    within:
      known.length < within.length
        ? null
        : {
            earliest: Math.max(...known.map(({ earliest }) => earliest)),
            latest: Math.max(...known.map(({ latest }) => latest)),
          },
  };
}

/** Groups are sized for an assumed duration, but an end is not told from one. */
function withoutGuess(load: Load): Load {
  const { due } = load;
  return due?.guessed === undefined ? load : { ...load, due: { ...due, after: due.after - due.guessed } };
}

const isUnknown = ({ tasks, seconds }: Load): boolean => tasks > 0 && seconds === null;

/**
 * n tasks of mean m and deviation d take n m, plus or minus d times the root of n; and the mean itself, from k measured
 * tasks, is known to d over the root of k. The longest of them may begin last and delay the end by its own length.
 */
function intervalOf(
  ends: number,
  claim: Claim,
  mine: readonly Load[],
  { ground: { slots }, instances }: GroupShare,
): Projection['within'] {
  const left = mine.filter((load) => tasksLeft(load) > 0);
  if (
    left.some(({ due }) => due === undefined || due.deviation === null || !due.measured || due.guessed !== undefined)
  ) {
    return null;
  }
  const variances = left.map((load) => {
    const { deviation = null, measured = 0 } = load.due ?? {};
    const each = (deviation ?? secondsPerTask(load)) * slotsPerTask(load, slots);
    const tasks = tasksLeft(load);
    return each ** 2 * (tasks + (measured === 0 ? 0 : tasks ** 2 / measured));
  });
  const error = (DEVIATIONS_95 * Math.sqrt(sum(variances))) / (instances * slots);
  // It ends no sooner than one task, and one of each later step.
  return { earliest: Math.max(Math.min(ends, claim.tail), ends - error), latest: ends + error + claim.spread };
}
