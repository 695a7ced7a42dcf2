/** A kind of waiting or running task: how many there are, and what each takes. */
export interface Load {
  readonly tasks: number;
  /** Seconds a task; null while nobody knows. */
  readonly seconds: number | null;
  /** Slots that a task holds; `all` is every slot of its instance. */
  readonly slots: number | 'all';
  /** So many of them may run at once; null: any number. */
  readonly atOnce: number | null;
}

export interface Fleet {
  /** Tasks at once on an instance. */
  readonly slots: number;
  /** Instances that are asked for now: they need no time to boot. */
  readonly current: number;
  readonly min: number;
  readonly max: number;
}

export interface Pace {
  /** Seconds in which all that waits should be done. */
  readonly target: number;
  /** Seconds from asking for an instance to its first task. */
  readonly boot: number;
}

export interface Need {
  readonly instances: number;
  /** What the work alone would take, were there no maximum. */
  readonly unbounded: number;
  /** True when some task's duration is `UNKNOWN_SECONDS`, for want of a better one. */
  readonly assumed: boolean;
}

/** Half an hour: what a month end can wait for, and long beside the minute that an instance is paid for at least. */
export const PACE: Pace = { target: 1_800, boot: 90 };

/**
 * Seconds of a task of which nothing is known: short enough to start few instances for short tasks, long enough to
 * start some. A minute later the first ones have ended, and whoever looks asks for what is really needed.
 */
export const UNKNOWN_SECONDS = 60;

/**
 * How many instances a group needs for its work, so that it ends in time.
 *
 *     work   = sum of tasks x seconds x slots a task               (slot-seconds)
 *     there  = current x slots x target                            (what is up does in time)
 *     needed = work <= there ?  work / (slots x target)
 *                            :  current + (work - there) / (slots x (target - boot))
 *
 * rounded up; never more than can have a task each (`width / slots`, where the width is what may run at once), at least
 * 1 when something waits, and within the bounds. It grows with the work and never jumps back. Nothing waits: `min`.
 */
export function instancesFor(loads: readonly Load[], fleet: Fleet, pace: Pace = PACE): Need {
  const { current, min, max } = fleet;
  const slots = Math.max(1, fleet.slots);
  const waiting = loads.filter(({ tasks }) => tasks > 0);
  const work = sum(waiting.map((load) => load.tasks * (load.seconds ?? UNKNOWN_SECONDS) * heldBy(load, slots)));
  const width = sum(waiting.map((load) => Math.min(load.tasks, load.atOnce ?? load.tasks) * heldBy(load, slots)));
  const there = current * slots * pace.target;
  // An instance that takes as long to boot as there is time still does something in the end.
  const useful = slots * Math.max(pace.target - pace.boot, pace.target / 10, 1);
  const needed = work <= there ? work / (slots * pace.target) : current + (work - there) / useful;
  const unbounded = waiting.length === 0 ? 0 : Math.max(1, Math.min(up(needed), up(width / slots)));
  return {
    instances: Math.min(Math.max(unbounded, min), max),
    unbounded,
    assumed: waiting.some(({ seconds }) => seconds === null),
  };
}

/** Seconds until a group's work is done by so many instances; null where none is there, or a duration isn't known. */
export function secondsToDrain(loads: readonly Load[], up: number, slots: number): number | null {
  const waiting = loads.filter(({ tasks }) => tasks > 0);
  if (up <= 0 || waiting.some(({ seconds }) => seconds === null)) return null;
  const work = waiting.map((load) => load.tasks * (load.seconds ?? 0) * heldBy(load, slots));
  return Math.ceil(sum(work) / (up * Math.max(1, slots)));
}

/** Slots of an instance that one of the tasks holds. */
const heldBy = ({ slots: each }: Load, slots: number): number =>
  each === 'all' ? slots : Math.min(Math.max(1, each), slots);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Up to a whole number, but for what adding fractions leaves. */
const up = (number: number): number => Math.ceil(number - 1e-9);
