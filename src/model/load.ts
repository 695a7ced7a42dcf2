import { sizingOf, stepSizes } from './counts.ts';
import { hasBarrier, sectionStart } from './job.ts';
import type { StepCounts } from './ledger/records.ts';
import type { JobView } from './view.ts';

/** A kind of waiting or running task: their number, and the needs of each. */
export interface Load {
  readonly tasks: number;
  /** Seconds per task; null while unknown. */
  readonly seconds: number | null;
  /** Slots that a task holds; `all` is every slot of its instance. */
  readonly slots: number | 'all';
  /** How many of them may run at once; null: any number. */
  readonly atOnce: number | null;
  /** For a job with a deadline; otherwise the group's own target applies. */
  readonly due?: LoadDeadline;
}

export interface LoadDeadline {
  readonly job: string;
  /** Seconds until the job should have ended; negative once that is past. */
  readonly in: number;
  /** Tasks that come to the step later, when the earlier steps have done them. */
  readonly coming: number;
  /** Standard deviation of a task's seconds; null while unknown. */
  readonly deviation: number | null;
  /** Number of measured tasks of this run behind the seconds; absent if none. */
  readonly measured?: number;
  /** The least time from the step's end to the job's, seconds: one task of each later step. */
  readonly after: number;
  /** How many of these seconds are only assumed, for later steps without a measured task; absent: none. */
  readonly guessed?: number;
}

/**
 * Assumed seconds of an unknown task: short enough to start few instances for short tasks, long enough to start some. A
 * minute later the first ones have ended, and the next look requests what is really needed.
 */
export const ASSUMED_SECONDS = 60;

/** The longest plausible task, seconds: 30 days, far beyond the longest timeout. More shows that a clock jumped. */
const MOST_SECONDS = 30 * 86_400;

export const secondsPerTask = ({ seconds }: Load): number =>
  seconds !== null && seconds >= 0 && seconds <= MOST_SECONDS ? seconds : ASSUMED_SECONDS;

/** The step's remaining tasks, as far as its deadline is concerned. */
export const tasksLeft = ({ tasks, due }: Load): number => tasks + (due?.coming ?? 0);

export const slotsPerTask = ({ slots: each }: Pick<Load, 'slots'>, slots: number): number =>
  each === 'all' ? slots : Math.min(Math.max(1, each), slots);

/** Slot-seconds of the step's remaining work. */
export const workOf = (load: Load, slots: number): number =>
  tasksLeft(load) * secondsPerTask(load) * slotsPerTask(load, slots);

/** Slots that the ready tasks can hold at once. */
const widthOf = (load: Load, slots: number): number =>
  Math.min(load.tasks, load.atOnce ?? load.tasks) * slotsPerTask(load, slots);

/** Slots that all ready tasks can hold at once. */
export const totalWidthOf = (loads: readonly Load[], slots: number): number =>
  sum(loads.map((load) => widthOf(load, slots)));

/** Slot-seconds of the remaining work of all. */
export const totalWorkOf = (loads: readonly Load[], slots: number): number =>
  sum(loads.map((load) => workOf(load, slots)));

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

export interface StepLoad extends Load {
  readonly group: string;
  /** The maximum number of its tasks in the group's queue, however far the counters lag. */
  readonly most: number;
}

export interface LoadFacts {
  /** The ledger's counters; they may lag. */
  readonly counts: readonly StepCounts[];
  /** Mean seconds per task by step, from an earlier run, for steps without a done task in this one. */
  readonly means: ReadonlyMap<string, number>;
  /** Tasks asked for again just now, by the step's index: by the counters they have ended. */
  readonly again: ReadonlyMap<number, number>;
  /** Standard deviation of a step's seconds, from a sample; absent if unknown. Needed for jobs with a deadline. */
  readonly deviations: ReadonlyMap<string, number>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * The ready tasks of each step, by counters: those that the previous step has done and it has not ended. None for a
 * gather, because only its queue shows whether it is open. A fallback group may get any of them.
 */
export function readyLoads(view: JobView, known: LoadFacts): readonly StepLoad[] {
  const { counts, means, again } = known;
  const { steps } = view.record.spec;
  const sizes = stepSizes(sizingOf(view));
  const of = (index: number): StepCounts | undefined => counts.find(({ step }) => step === steps[index]?.name);
  const seconds = steps.map((step, index) => {
    const { done = 0, seconds: all = 0 } = of(index) ?? {};
    return done > 0 ? all / done : (means.get(step.name) ?? null);
  });
  return steps.flatMap((step, index): StepLoad[] => {
    const mine = of(index);
    const sent =
      index === 0 ? view.record.parts : hasBarrier(steps, index) ? openedSize(view, index, sizes) : of(index - 1)?.done;
    const ready = Math.max(0, (sent ?? 0) - (mine?.done ?? 0) - (mine?.failed ?? 0)) + (again.get(index) ?? 0);
    const load = {
      seconds: seconds[index] ?? null,
      slots: step.needs.slots,
      atOnce: minOrNull(step.maxRunning, view.maxRunning),
      ...dueOf(view, index, known, seconds),
    };
    const most = Math.max(ready, maxTasksOf(view, sizes[index] ?? null, mine));
    const fallback =
      step.fallback === null ? [] : [{ ...load, ...dueWithoutComing(load.due), group: step.fallback, tasks: 0, most }];
    return [{ ...load, group: step.group, tasks: ready, most }, ...fallback];
  });
}

/** The undecided tasks of a step. A retry asks for decided ones again, and the counters don't say which. */
function maxTasksOf({ round }: JobView, size: number | null, counts: StepCounts | undefined): number {
  if (size === null) return Number.POSITIVE_INFINITY;
  return round > 0 ? size : Math.max(0, size - (counts?.done ?? 0) - (counts?.failed ?? 0));
}

/** The requirements of the job's deadline on a step; empty without a deadline. */
function dueOf(
  view: JobView,
  index: number,
  { counts, deviations, now }: LoadFacts,
  seconds: readonly (number | null)[],
): { readonly due?: LoadDeadline } {
  if (view.finishBy === null) return {};
  const { steps } = view.record.spec;
  const start = sectionStart(steps, index);
  const before = steps.slice(start, index).map(({ name }) => counts.find(({ step }) => step === name));
  const ended = (before.at(-1)?.done ?? 0) + sum(before.map((each) => each?.failed ?? 0));
  const size = stepSizes(sizingOf(view))[index] ?? 0;
  const behind = seconds.slice(index + 1);
  const after = sum(behind.map((each) => each ?? ASSUMED_SECONDS));
  const { done: measured = 0 } = counts.find(({ step }) => step === steps[index]?.name) ?? {};
  const due: LoadDeadline = {
    job: view.record.job,
    in: (Date.parse(view.finishBy) - now) / 1_000,
    coming: index === start ? 0 : Math.max(0, size - ended),
    deviation: deviations.get(steps[index]?.name ?? '') ?? null,
    ...(measured > 0 && { measured }),
    after,
    ...(behind.includes(null) && { guessed: behind.filter((each) => each === null).length * ASSUMED_SECONDS }),
  };
  return { due };
}

/** The size of an opened `explode`; a gather's one task appears in its queue. */
const openedSize = (view: JobView, index: number, sizes: readonly (number | null)[]): number =>
  view.exploded.has(index) ? (sizes[index] ?? 0) : 0;

/**
 * The same loads, adjusted to the number of tasks in the queue, which is newer than the counters but doesn't include
 * tasks that were just sent. `fresh`: tasks were sent just now, and the queue's counts may not include them yet (SQS:
 * up to a minute). Messages beyond what the jobs can have belong to others: to paused, cancelled or not yet due jobs.
 */
export function fitLoads(
  loads: readonly (Load & { readonly most?: number })[],
  backlog: number | null,
  fresh: boolean,
): readonly Load[] {
  const known = sum(loads.map(({ tasks }) => tasks));
  const most =
    loads.length === 0 ? Number.POSITIVE_INFINITY : sum(loads.map((load) => load.most ?? Number.POSITIVE_INFINITY));
  const held = backlog === null ? known : Math.min(most, backlog);
  const total = fresh ? Math.max(known, held) : held;
  if (total === 0) return [];
  if (known > 0) return loads.map((load) => ({ ...load, tasks: (load.tasks * total) / known }));
  const seconds = loads.map((load) => load.seconds).filter((each) => each !== null);
  const [first] = loads.flatMap(({ due }) => due ?? []).sort((a, b) => a.in - b.in);
  return [
    {
      tasks: total,
      seconds: seconds.length === 0 ? null : Math.max(...seconds),
      slots: 1,
      atOnce: null,
      ...dueWithoutComing(first),
    },
  ];
}

/** The queue doesn't say which job a message belongs to, so all get the earliest deadline. */
const dueWithoutComing = (due: LoadDeadline | undefined): { readonly due?: LoadDeadline } =>
  due === undefined ? {} : { due: { ...due, coming: 0 } };

function minOrNull(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
