import { type StepFacts, standingOf } from './decide.ts';
import { isHeldBack } from './held-rounds.ts';
import { sectionStart, toleratedOf } from './job.ts';
import type { TaskSets } from './journal.ts';
import { leftOutOf, setsOf } from './retry-choice.ts';
import { inRanges, type Ranges } from './task-set.ts';
import { isSkipped, type JobView } from './view.ts';

/** What a skip, or its undo, would name, and what it may not. */
export interface SkipChoice {
  readonly tasks: TaskSets;
  readonly count: number;
  /** Of a skip: those of them that failed for good. */
  readonly failed: TaskSets;
  /** Named tasks that are as asked already: skipped, or not skipped. */
  readonly already: number;
  /** Named tasks that are published: a result is never thrown away. */
  readonly published: readonly string[];
  /** Named tasks that nothing asks for yet, or never will: their chain isn't there, or ended before. */
  readonly unasked: readonly string[];
  /** Of an undo: what an opened gather went without. */
  readonly leftOut: readonly string[];
}

export interface SkipAsked {
  readonly tasks: readonly { readonly step: number; readonly task: number }[];
  /** Tasks of causes, by step. */
  readonly among: readonly Ranges[] | null;
  readonly undo: boolean;
}

/** Chooses what a skip names: undecided and failed tasks; or what its undo does: skipped ones. */
export function chooseSkip(view: JobView, facts: readonly StepFacts[], asked: SkipAsked): SkipChoice {
  const chosen: number[][] = [];
  const failed: number[][] = [];
  const found = { already: 0, published: [] as string[], unasked: [] as string[], leftOut: [] as string[] };
  const standing = standingOf(view, facts);
  for (const [step, { name }] of view.record.spec.steps.entries()) {
    const named = new Set(asked.tasks.filter((task) => task.step === step).map(({ task }) => task));
    const out = asked.undo ? leftOutOf(view, facts, step) : new Set<number>();
    const fact = facts[step];
    chosen[step] = [];
    failed[step] = [];
    for (let n = 0; n < (fact?.size ?? 0); n += 1) {
      if (!named.has(n) && !inRanges(asked.among?.[step], n)) continue;
      if (isSkipped(view, step, n) !== asked.undo) found.already += 1;
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

/** True when in no section more failed for good than is tolerated: then nothing calls for giving the rest up. */
export function isTolerated(view: JobView, facts: readonly StepFacts[]): boolean {
  const { steps } = view.record.spec;
  const failed = new Map<number, number>();
  for (const [index, step] of standingOf(view, facts).steps.entries()) {
    const start = sectionStart(steps, index);
    failed.set(start, (failed.get(start) ?? 0) + step.failed);
  }
  return [...failed].every(([start, count]) => {
    const tolerated = steps[start]?.gather ? 0 : toleratedOf(view.tolerance, facts[start]?.size ?? 0);
    return count <= tolerated;
  });
}
