/** A kind of waiting or running task: how many there are, and what each takes. */
export interface Load {
  readonly tasks: number;
  /** Seconds a task; null while nobody knows. */
  readonly seconds: number | null;
  /** Slots that a task holds; `all` is every slot of its instance. */
  readonly slots: number | 'all';
  /** So many of them may run at once; null: any number. */
  readonly atOnce: number | null;
  /** Of a job with a deadline; without one the group's own target holds. */
  readonly due?: Due;
}

/** What a job's deadline asks of a step. */
export interface Due {
  readonly job: string;
  /** Seconds until the job should have ended; below 0 once that is past. */
  readonly in: number;
  /** Tasks that come to the step later, when the steps before it have done them. */
  readonly coming: number;
  /** Standard deviation of a task's seconds; null while nobody knows. */
  readonly deviation: number | null;
  /** Tasks of this run that tell the seconds of one; absent where none does. */
  readonly measured?: number;
  /** Seconds that the job takes at least once the step is done: a task of each step behind it. */
  readonly after: number;
  /** True where the seconds of a step behind it are only assumed. */
  readonly guessed?: boolean;
}

/**
 * Seconds of a task of which nothing is known: short enough to start few instances for short tasks, long enough to
 * start some. A minute later the first ones have ended, and whoever looks asks for what is really needed.
 */
export const UNKNOWN_SECONDS = 60;

/** No task takes longer (30 days: far beyond the longest timeout): what says so was measured by a clock that jumped. */
const MOST_SECONDS = 30 * 86_400;

export const secondsEach = ({ seconds }: Load): number =>
  seconds !== null && seconds >= 0 && seconds <= MOST_SECONDS ? seconds : UNKNOWN_SECONDS;

/** Tasks that the step has yet to do, as far as its deadline is concerned. */
export const tasksLeft = ({ tasks, due }: Load): number => tasks + (due?.coming ?? 0);

/** Slots of an instance that one of the tasks holds. */
export const heldBy = ({ slots: each }: Pick<Load, 'slots'>, slots: number): number =>
  each === 'all' ? slots : Math.min(Math.max(1, each), slots);

/** Slot-seconds of all that the step has yet to do. */
export const workOf = (load: Load, slots: number): number => tasksLeft(load) * secondsEach(load) * heldBy(load, slots);

/** Slots that what is ready can hold at once. */
export const widthOf = (load: Load, slots: number): number =>
  Math.min(load.tasks, load.atOnce ?? load.tasks) * heldBy(load, slots);

/** Slots that all that is ready can hold at once. */
export const widthIn = (loads: readonly Load[], slots: number): number =>
  sum(loads.map((load) => widthOf(load, slots)));

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
