import { isHeldBack, type StepFacts, standingOf } from './decide.ts';
import { hasBarrier, sectionStart, sumBySection, toleratedFrom } from './job.ts';
import type { TaskSets } from './journal.ts';
import { formatTaskSet, inRanges, type Ranges, tasksIn } from './task-set.ts';
import { isSkipped, isSkippedItself, type JobView, skippedStep } from './view.ts';

/** A person's choice of tasks. */
interface TaskRequest {
  readonly tasks: readonly { readonly step: number; readonly task: number }[];
  /** The tasks of named causes, by step; null or absent: no cause is named. */
  readonly among?: readonly Ranges[] | null;
  /** The index of the only step to choose from; absent: all. */
  readonly only?: number | undefined;
}

/** The tasks of a retry, and those that it can't have. */
export interface RetryChoice {
  readonly tasks: TaskSets;
  /** Those that go first; null if there are none. */
  readonly canaries: TaskSets | null;
  readonly count: number;
  readonly canaryCount: number;
  /** Failed tasks that an opened gather left out: refused. */
  readonly leftOut: TaskSets;
  /** Named tasks that did not fail for good. */
  readonly notFailed: readonly string[];
  /** The skipped tasks for which named ones don't run: themselves, or earlier ones of their chains. */
  readonly skipped: readonly string[];
}

/**
 * Chooses a retry's tasks: those named and those in `among` (of causes), or all that failed for good (or that `stop`
 * gave up) and aren't skipped. The first `canaries` of them, in step order, go ahead of the rest; null or as many as
 * there are: all go at once.
 */
export function chooseRetry(
  view: JobView,
  facts: readonly StepFacts[],
  asked: TaskRequest & { readonly canaries: number | null },
): RetryChoice {
  const { steps } = view.record.spec;
  const chosen: number[][] = [];
  const left: number[][] = [];
  const notFailed: string[] = [];
  const skipped: string[] = [];
  const among = asked.among ?? [];
  const all = asked.tasks.length === 0 && (asked.among ?? null) === null;
  for (const [step, { name }] of steps.entries()) {
    const named = new Set(asked.tasks.filter((task) => task.step === step).map(({ task }) => task));
    const out = leftOutOf(view, facts, step);
    chosen[step] = [];
    left[step] = [];
    if (step !== (asked.only ?? step)) continue;
    for (let n = 0; n < (facts[step]?.size ?? 0); n += 1) {
      const isNamed = named.has(n);
      if (!isNamed && !all && !inRanges(among[step], n)) continue;
      const skippedAt = skippedStep(view, step, n);
      if (skippedAt !== null) {
        if (isNamed) skipped.push(`${steps[skippedAt]?.name}/${n}`);
      } else if (isRetryable(view, facts, step, n)) (out.has(n) ? left : chosen)[step]?.push(n);
      else if (isNamed) notFailed.push(`${name}/${n}`);
    }
  }
  const count = chosen.reduce((sum, tasks) => sum + tasks.length, 0);
  const first = asked.canaries === null || asked.canaries >= count ? null : asked.canaries;
  return {
    tasks: setsOf(view, chosen),
    canaries: first === null ? null : setsOf(view, firstOf(chosen, first)),
    count,
    canaryCount: first ?? 0,
    leftOut: setsOf(view, left),
    notFailed,
    skipped,
  };
}

function isRetryable(view: JobView, facts: readonly StepFacts[], step: number, task: number): boolean {
  const fact = facts[step];
  if (fact === undefined || fact.published.has(task)) return false;
  if (fact.failed.has(task)) return true;
  return (view.stopped !== null || isHeldBack(view, step, task)) && canRun(view, facts, step, task);
}

function canRun(view: JobView, facts: readonly StepFacts[], step: number, task: number): boolean {
  const { steps } = view.record.spec;
  if (hasBarrier(steps, step)) return (facts[step]?.opened ?? null) !== null;
  return sectionStart(steps, step) === step || (facts[step - 1]?.published.has(task) ?? false);
}

/** The chains of the step's section that the following gather, once opened, leaves out. */
function leftOutOf(view: JobView, facts: readonly StepFacts[], step: number): ReadonlySet<number> {
  const { steps } = view.record.spec;
  const start = sectionStart(steps, step);
  for (let next = step + 1; next < steps.length; next += 1) {
    if (sectionStart(steps, next) === start) continue;
    const opened = facts[next]?.opened ?? null;
    return new Set(opened === null ? [] : tasksIn(opened.leftOut));
  }
  return new Set();
}

function firstOf(chosen: readonly (readonly number[])[], count: number): readonly (readonly number[])[] {
  let left = count;
  return chosen.map((tasks) => {
    const first = tasks.slice(0, left);
    left -= first.length;
    return first;
  });
}

function setsOf(view: JobView, chosen: readonly (readonly number[])[]): TaskSets {
  const sets: Record<string, string> = {};
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const tasks = chosen[step] ?? [];
    if (tasks.length > 0) sets[name] = formatTaskSet(tasks);
  }
  return sets;
}

/** The tasks of a skip, or of its undo, and those that it can't have. */
export interface SkipChoice {
  readonly tasks: TaskSets;
  readonly count: number;
  /** For a skip: those of them that failed for good. */
  readonly failed: TaskSets;
  /** Named tasks that already are as requested: skipped, or not skipped. */
  readonly already: number;
  /** Named tasks that are published: a result is never discarded. */
  readonly published: readonly string[];
  /** Named tasks that aren't asked for yet, or never will be: their chain doesn't exist, or ended before. */
  readonly unasked: readonly string[];
  /** For an undo: tasks that an opened gather left out. */
  readonly leftOut: readonly string[];
}

/**
 * Chooses the tasks of a skip: undecided and failed ones; or of its undo: skipped ones. If only a step is named, all of
 * its failed (or skipped) tasks.
 */
export function chooseSkip(
  view: JobView,
  facts: readonly StepFacts[],
  asked: TaskRequest & { readonly undo: boolean },
): SkipChoice {
  const chosen: number[][] = [];
  const failed: number[][] = [];
  const found = { already: 0, published: [] as string[], unasked: [] as string[], leftOut: [] as string[] };
  const standing = standingOf(view, facts);
  const all = asked.only !== undefined && asked.tasks.length === 0 && (asked.among ?? null) === null;
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const named = new Set(asked.tasks.filter((task) => task.step === step).map(({ task }) => task));
    const out = asked.undo ? leftOutOf(view, facts, step) : new Set<number>();
    const fact = facts[step];
    chosen[step] = [];
    failed[step] = [];
    if (step !== (asked.only ?? step)) continue;
    for (let n = 0; n < (fact?.size ?? 0); n += 1) {
      const isSo = (asked.undo ? isSkippedItself : isSkipped)(view, step, n);
      const matches = all && (asked.undo ? isSo : isFailed(view, fact, step, n));
      if (!matches && !named.has(n) && !inRanges(asked.among?.[step], n)) continue;
      if (isSo !== asked.undo) found.already += 1;
      else if (asked.undo) {
        if (out.has(n)) found.leftOut.push(`${name}/${n}`);
        else chosen[step]?.push(n);
      } else if (fact?.published.has(n)) found.published.push(`${name}/${n}`);
      else if (fact?.failed.has(n)) {
        chosen[step]?.push(n);
        failed[step]?.push(n);
      } else if (standing.steps[step]?.undecided.has(n) || isHeldBack(view, step, n)) chosen[step]?.push(n);
      else found.unasked.push(`${name}/${n}`);
    }
  }
  const count = chosen.reduce((sum, tasks) => sum + tasks.length, 0);
  return { tasks: setsOf(view, chosen), failed: setsOf(view, failed), count, ...found };
}

const isFailed = (view: JobView, fact: StepFacts | undefined, step: number, task: number): boolean =>
  fact?.failed.has(task) === true && !fact.published.has(task) && !isSkipped(view, step, task);

/** True if in no section more tasks failed for good than is tolerated: then there is no reason to give the rest up. */
export function isTolerated(view: JobView, facts: readonly StepFacts[]): boolean {
  const { steps } = view.record.spec;
  const failed = standingOf(view, facts).steps.map((step) => step.failed);
  return [...sumBySection(steps, failed)].every(
    ([start, count]) => count <= toleratedFrom(view, start, facts[start]?.size ?? 0),
  );
}
