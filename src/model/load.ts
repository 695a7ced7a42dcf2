import type { StepCounts } from '../ports/ledger.ts';
import { sizingOf, stepSizes } from './counts.ts';
import { hasBarrier, sectionStart } from './job.ts';
import type { JobView } from './view.ts';

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

/** What a job's step has ready for a group's workers. */
export interface StepLoad extends Load {
  readonly group: string;
  /** More of its tasks can't be in the group's queue, however far behind the counters are. */
  readonly most: number;
}

export interface Known {
  /** The ledger's counters; they may lag. */
  readonly counts: readonly StepCounts[];
  /** Mean seconds a task by step, of an earlier run; where this one has done none yet. */
  readonly means: ReadonlyMap<string, number>;
  /** Tasks that were asked for again this moment, by the step's index: by the counters they have ended. */
  readonly again: ReadonlyMap<number, number>;
  /** Standard deviation of a step's seconds, by a sample; without one nobody knows. Asked of jobs with a deadline. */
  readonly deviations: ReadonlyMap<string, number>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * What is ready to run of each step, by counters: what the step before it has done and it has not ended; of a gather
 * nothing, since only its queue tells whether it is open. A fallback group may be sent any of it.
 */
export function readyLoads(view: JobView, known: Known): readonly StepLoad[] {
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
      atOnce: leastOf(step.maxRunning, view.maxRunning),
      ...dueOf(view, index, known, seconds),
    };
    const most = Math.max(ready, mostOf(view, sizes[index] ?? null, mine));
    const fallback =
      step.fallback === null ? [] : [{ ...load, ...nothingComing(load.due), group: step.fallback, tasks: 0, most }];
    return [{ ...load, group: step.group, tasks: ready, most }, ...fallback];
  });
}

/** Those of a step that are not decided. A retry asks for decided ones again, and the counters don't say for which. */
function mostOf({ round }: JobView, size: number | null, counts: StepCounts | undefined): number {
  if (size === null) return Number.POSITIVE_INFINITY;
  return round > 0 ? size : Math.max(0, size - (counts?.done ?? 0) - (counts?.failed ?? 0));
}

/** What the job's deadline asks of a step; nothing where it has none. */
function dueOf(
  view: JobView,
  index: number,
  { counts, deviations, now }: Known,
  seconds: readonly (number | null)[],
): { readonly due?: Due } {
  if (view.finishBy === null) return {};
  const { steps } = view.record.spec;
  const start = sectionStart(steps, index);
  const before = steps.slice(start, index).map(({ name }) => counts.find(({ step }) => step === name));
  const ended = (before.at(-1)?.done ?? 0) + sum(before.map((each) => each?.failed ?? 0));
  const size = stepSizes(sizingOf(view))[index] ?? 0;
  const behind = seconds.slice(index + 1);
  const after = sum(behind.map((each) => each ?? UNKNOWN_SECONDS));
  const { done: measured = 0 } = counts.find(({ step }) => step === steps[index]?.name) ?? {};
  const due: Due = {
    job: view.record.job,
    in: (Date.parse(view.finishBy) - now) / 1_000,
    coming: index === start ? 0 : Math.max(0, size - ended),
    deviation: deviations.get(steps[index]?.name ?? '') ?? null,
    ...(measured > 0 && { measured }),
    after,
    ...(behind.includes(null) && { guessed: true }),
  };
  return { due };
}

/** What an opened `explode` has; a gather's one task is seen in its queue. */
const openedSize = (view: JobView, index: number, sizes: readonly (number | null)[]): number =>
  view.exploded.has(index) ? (sizes[index] ?? 0) : 0;

/**
 * The same loads as so many tasks: by the queue, which the counters may lag behind, and which doesn't know of ones that were
 * just sent. `fresh`: these were sent this moment, and the queue's counts may not have them yet (SQS: up to a minute).
 * More than the jobs can have there are messages of others: of paused and cancelled jobs, and of ones that are not due.
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
      ...{ tasks: total, seconds: seconds.length === 0 ? null : Math.max(...seconds), slots: 1, atOnce: null },
      ...nothingComing(first),
    },
  ];
}

/** Of a queue's tasks nobody knows whose they are: the first deadline counts for all. */
const nothingComing = (due: Due | undefined): { readonly due?: Due } =>
  due === undefined ? {} : { due: { ...due, coming: 0 } };

function leastOf(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
