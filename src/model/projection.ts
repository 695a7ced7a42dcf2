import { heldBy, type Load, secondsEach, sum, tasksLeft, widthOf, workOf } from './load.ts';

/** What a job with a deadline asks of a group. */
export interface Claim {
  readonly job: string;
  /** Seconds until it should have ended; below 0 once that is past. */
  readonly in: number;
  /** Slot-seconds that the job itself has left here. */
  readonly work: number;
  /** Slot-seconds that are done here by the time that the job is: its own, and what shares the slots with it. */
  readonly shared: number;
  /** Seconds of what no number of slots makes shorter: a task, and one of each step behind it. */
  readonly tail: number;
  /** Seconds that its longest task takes beyond that, by how far durations lie apart: a guess. */
  readonly spread: number;
  /** Seconds of a task, about. */
  readonly each: number;
  /** Slots that its own ready tasks can hold at once, and those that all ready tasks can. */
  readonly width: number;
  readonly crowd: number;
}

export interface Ground {
  /** Tasks at once on an instance. */
  readonly slots: number;
  /** Instances that are asked for now. */
  readonly current: number;
  /** Seconds from asking for an instance to its first task. */
  readonly boot: number;
}

/** A job that ends after its deadline, by what is known now. */
export interface Late {
  readonly job: string;
  /** Seconds until its deadline. */
  readonly in: number;
  /** Seconds until it ends; infinite where its group has no instance, and may have none. */
  readonly ends: number;
  /** Seconds after its deadline. */
  readonly by: number;
}

/** A tenth of the time left is kept for what nobody knows: interruptions, failed attempts, a slow boot. */
const KEPT = 0.1;

/** An instance that is started is paid for a minute at least (Amazon EC2: billing by the second). */
export const LEAST_SECONDS = 60;

/**
 * What deadlines ask of a group. Jobs share its slots: until one has ended, each other job has had as much as it
 * (`doneBeside`), or is done. Work without a deadline counts as done before, all of it.
 */
export function claimsOf(loads: readonly Load[], slots: number): readonly Claim[] {
  const other = sum(loads.filter(({ due }) => due === undefined).map((load) => workOf(load, slots)));
  const own = byJob(loads).map((mine) => ({
    ...{ job: mine[0]?.due?.job ?? '', mine },
    work: sum(mine.map((load) => workOf(load, slots))),
  }));
  return own.map(({ job, mine, work }) => ({
    ...{ job, work, in: Math.min(...mine.map(({ due }) => due?.in ?? Number.POSITIVE_INFINITY)) },
    shared: work + other + sum(own.map((each) => (each.job === job ? 0 : doneBeside(each.mine, mine, slots)))),
    tail: Math.max(...mine.map(tailOf)),
    spread: Math.max(...mine.map(spreadOf)),
    each: Math.max(...mine.map(secondsEach)),
    width: sum(mine.map((load) => widthOf(load, slots))),
    crowd: sum(loads.map((load) => widthOf(load, slots))),
  }));
}

/** The loads of each job with a deadline; one of which nothing is ready here asks for nobody yet. */
export function byJob(loads: readonly Load[]): readonly (readonly Load[])[] {
  const jobs = new Map<string, Load[]>();
  for (const load of loads)
    if (load.due !== undefined) jobs.set(load.due.job, [...(jobs.get(load.due.job) ?? []), load]);
  return [...jobs.values()].filter((mine) => mine.some(({ tasks }) => tasks > 0));
}

/**
 * Slot-seconds of some work that are done by the time that other work beside it is: as many as that has, or as many tasks,
 * whichever is more. A queue may share out slots (SQS: fair queues, about) or deliver in turns (the local one), and then
 * the job with the longer tasks has more of the slots.
 */
export function doneBeside(loads: readonly Load[], beside: readonly Load[], slots: number): number {
  const [work, tasks] = [sum(beside.map((load) => workOf(load, slots))), sum(beside.map(tasksLeft))];
  const slotsShared = Math.min(work, sum(loads.map((load) => workOf(load, slots))));
  const inTurns = sum(loads.map((load) => Math.min(1, tasks / Math.max(1, tasksLeft(load))) * workOf(load, slots)));
  return Math.max(slotsShared, inTurns);
}

/**
 * Seconds within which a claim's slot-seconds must be done: what its longest task takes is kept, but for no more than
 * half of the time, since it is a guess. Never so few that an instance could do nothing in them.
 */
export function secondsFor({ in: left, tail, spread, each }: Claim, boot: number): number {
  const time = left * (1 - KEPT) - tail;
  return Math.max(time - Math.min(spread, time / 2), boot + Math.max(LEAST_SECONDS, each));
}

/** Seconds until a claim's job has ended with so many instances, of which `current` need not boot. */
export function endsIn(claim: Claim, instances: number, { slots, current, boot }: Ground): number {
  if (instances <= 0) return Number.POSITIVE_INFINITY;
  const { shared, crowd, work, width, each, tail } = claim;
  const up = Math.min(instances, current);
  // The last tasks of all are in the tail.
  const alone = (up === 0 ? boot : 0) + Math.max(0, width > 0 ? work / width - each : 0);
  if (instances * slots >= crowd) return Math.max(instances > up ? boot : 0, alone) + tail;
  const byUp = up === 0 ? Number.POSITIVE_INFINITY : shared / (up * slots);
  const byAll = byUp <= boot ? byUp : (shared / slots + (instances - up) * boot) / instances;
  return Math.max(byAll, alone) + tail;
}

/** The job that ends the latest after its deadline; null where none does. */
export function latestOf(claims: readonly Claim[], ends: (claim: Claim) => number): Late | null {
  const late = claims.map(
    (claim): Late => ({ job: claim.job, in: claim.in, ends: ends(claim), by: ends(claim) - claim.in }),
  );
  return late.filter(({ by }) => by > 0).sort((a, b) => b.by - a.by)[0] ?? null;
}

/** Seconds from the start of a usual task to the end of its job. */
function tailOf(load: Load): number {
  return tasksLeft(load) === 0 || load.due === undefined ? 0 : secondsEach(load) + load.due.after;
}

/**
 * What the longest of n tasks takes beyond the mean, if durations are distributed log-normally: times mostly are, and
 * where few tasks take much longer than the others it says so. Unknown, the deviation is taken to be the mean.
 */
function spreadOf(load: Load): number {
  const each = secondsEach(load);
  const left = tasksLeft(load);
  if (left === 0 || each === 0 || load.due === undefined) return 0;
  const sigma = Math.sqrt(Math.log(1 + ((load.due.deviation ?? each) / each) ** 2));
  // So many deviations lies the largest of n normal numbers above their mean, about: 1.3 of 10, 3.8 of 10,000.
  const above = Math.sqrt(Math.max(0, 1.82 * Math.log(left) - 2.5));
  return each * Math.max(0, Math.exp(sigma * above - sigma ** 2 / 2) - 1);
}

/** What a group has for a job: its tasks there, what shares the slots with them, and who does it all. */
export interface GroupShare {
  /** Those of the job, and those of others. */
  readonly loads: readonly Load[];
  /** Its `current` is who works now. */
  readonly ground: Ground;
  /** Those that work now, and those that are starting. */
  readonly instances: number;
}

/** When a job ends, in seconds from now. */
export interface Projection {
  readonly ends: number;
  /** Between which it ends in nineteen of twenty such cases; null where part of it is only assumed. */
  readonly within: { readonly earliest: number; readonly latest: number } | null;
}

/** Standard deviations to either side of what is expected: 95 % lie between. */
const SIDE = 2;

/**
 * When a job ends by what its groups have now: the same model by which they are sized (`model/capacity.ts`). Null while
 * nobody knows how long a task takes that is ready, nobody is there to do it, or nothing of the job is left in any group.
 */
export function projectionOf(job: string, shares: readonly GroupShare[]): Projection | null {
  const parts = shares.flatMap((share) => {
    const claim = claimsOf(share.loads, share.ground.slots).find((each) => each.job === job);
    return claim === undefined ? [] : [{ share, claim, mine: share.loads.filter(({ due }) => due?.job === job) }];
  });
  if (parts.length === 0) return null;
  if (parts.some(({ share, mine }) => share.instances <= 0 || mine.some(isUnknown))) return null;
  const ends = parts.map(({ share, claim }) => endsIn(claim, share.instances, share.ground));
  const within = parts.map(({ share, claim, mine }, at) => between(ends[at] ?? 0, claim, mine, share));
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

const isUnknown = ({ tasks, seconds }: Load): boolean => tasks > 0 && seconds === null;

/**
 * n tasks of mean m and deviation d take n m, give or take d times the root of n; and the mean itself, of k tasks that
 * were measured, is known to d over the root of k. The longest of them may begin last: later than expected by as much.
 */
function between(
  ends: number,
  claim: Claim,
  mine: readonly Load[],
  { ground: { slots }, instances }: GroupShare,
): Projection['within'] {
  const left = mine.filter((load) => tasksLeft(load) > 0);
  if (left.some(({ due }) => due === undefined || due.deviation === null || !due.measured || due.guessed === true)) {
    return null;
  }
  const variances = left.map((load) => {
    const { deviation = null, measured = 0 } = load.due ?? {};
    const each = (deviation ?? secondsEach(load)) * heldBy(load, slots);
    const tasks = tasksLeft(load);
    return each ** 2 * (tasks + (measured === 0 ? 0 : tasks ** 2 / measured));
  });
  const error = (SIDE * Math.sqrt(sum(variances))) / (instances * slots);
  // It ends no sooner than a task, and one of each step behind it.
  return { earliest: Math.max(Math.min(ends, claim.tail), ends - error), latest: ends + error + claim.spread };
}
