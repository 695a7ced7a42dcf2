import type { StepFacts } from './decide.ts';
import { isHeldBack } from './held-rounds.ts';
import { hasBarrier, sectionStart } from './job.ts';
import type { TaskSets } from './journal.ts';
import { formatTaskSet, inRanges, type Ranges, tasksIn } from './task-set.ts';
import { isSkipped, type JobView } from './view.ts';

/** What a retry asks for, and what it may not. */
export interface RetryChoice {
  readonly tasks: TaskSets;
  /** Those that go first; null without. */
  readonly canaries: TaskSets | null;
  readonly count: number;
  readonly canaryCount: number;
  /** Failed tasks that an opened gather went without: refused. */
  readonly leftOut: TaskSets;
  /** Named tasks that did not fail for good. */
  readonly notFailed: readonly string[];
  /** Named tasks that a person decided to go without. */
  readonly skipped: readonly string[];
}

/**
 * Chooses a retry's tasks: those named and those among `among` (of causes), or all that failed for good (or that `stop`
 * gave up) and that nobody skipped. The first `canaries` of them, in step order, go ahead of the rest; null or as many as there are: all go at once.
 */
export function chooseRetry(
  view: JobView,
  facts: readonly StepFacts[],
  asked: {
    readonly tasks: readonly { readonly step: number; readonly task: number }[];
    readonly among?: readonly Ranges[] | null;
    readonly canaries: number | null;
  },
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
    for (let n = 0; n < (facts[step]?.size ?? 0); n += 1) {
      const isNamed = named.has(n);
      if (!isNamed && !all && !inRanges(among[step], n)) continue;
      if (isSkipped(view, step, n)) {
        if (isNamed) skipped.push(`${name}/${n}`);
      } else if (isEndedWithout(view, facts, step, n)) (out.has(n) ? left : chosen)[step]?.push(n);
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

function isEndedWithout(view: JobView, facts: readonly StepFacts[], step: number, task: number): boolean {
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

/** The chains of the step's section that the gather behind it, once opened, goes without. */
export function leftOutOf(view: JobView, facts: readonly StepFacts[], step: number): ReadonlySet<number> {
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

export function setsOf(view: JobView, chosen: readonly (readonly number[])[]): TaskSets {
  const sets: Record<string, string> = {};
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const tasks = chosen[step] ?? [];
    if (tasks.length > 0) sets[name] = formatTaskSet(tasks);
  }
  return sets;
}
