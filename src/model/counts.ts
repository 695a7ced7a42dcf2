import { type StepSpec, sectionStart, takesFiles } from './job.ts';
import type { StepCounts } from './ledger/records.ts';
import { countIn } from './task-set.ts';
import type { JobView } from './view.ts';

interface Sizing {
  readonly steps: readonly StepSpec[];
  readonly parts: number;
  /** Tasks of opened steps behind an `explode`, by step. */
  readonly exploded: JobView['exploded'];
}

/**
 * The number of tasks of each step, in step order; null while it can't be known: behind an `explode` that isn't opened.
 * A section's steps have as many as the job has parts, one after a gather, one per file after an `explode`.
 */
export function stepSizes({ steps, parts, exploded }: Sizing): readonly (number | null)[] {
  return steps.map((_, index) => {
    const start = sectionStart(steps, index);
    if (start === 0) return parts;
    return takesFiles(steps, start) ? (exploded.get(start) ?? null) : 1;
  });
}

export function sizingOf({ record, exploded }: Pick<JobView, 'record' | 'exploded'>): Sizing {
  return { steps: record.spec.steps, parts: record.parts, exploded };
}

/** False if the view must be read again before it can name the step's tasks. */
export function isSizeKnown({ record, exploded }: Pick<JobView, 'record' | 'exploded'>, index: number): boolean {
  const { steps } = record.spec;
  for (let at = 1; at <= index; at += 1) if (takesFiles(steps, at) && !exploded.has(at)) return false;
  return true;
}

type EndedCounts = Pick<StepCounts, 'step' | 'done' | 'failed'>;

/**
 * Whether the ledger's counters say that it may be time to look exactly (law 11): in every reached step, all tasks are
 * done or failed. Counters may lag or, in a rebuilt ledger, be too low: they only ever say when to look.
 */
export function mayBeDecided(
  steps: readonly StepSpec[],
  totals: readonly number[],
  counts: readonly EndedCounts[],
): boolean {
  const of = (index: number): { done: number; failed: number } => {
    const found = counts.find((count) => count.step === steps[index]?.name);
    return { done: found?.done ?? 0, failed: found?.failed ?? 0 };
  };
  for (let index = 0; index < steps.length; index += 1) {
    const { done, failed } = of(index);
    const begins = sectionStart(steps, index) === index;
    const asked = begins ? (totals[index] ?? 0) : of(index - 1).done;
    // Behind an `explode`, a step with known tasks is already open.
    const opens = begins && index > 0 && !(takesFiles(steps, index) && asked > 0);
    if (opens && done + failed === 0) return true;
    if (done + failed < asked) return false;
  }
  return true;
}

/** Counters in which skipped tasks that had not failed for good count as ended. */
export function withSkipped(view: JobView, counts: readonly EndedCounts[]): readonly EndedCounts[] {
  if (view.skipped.length === 0) return counts;
  return view.record.spec.steps.map(({ name: step }, index) => {
    const { done, failed } = counts.find((count) => count.step === step) ?? { done: 0, failed: 0 };
    const waiting = countIn(view.skipped[0]?.get(index)) - countIn(view.skippedFailed.get(index));
    return { step, done, failed: failed + waiting };
  });
}

/** A job's steps in the job's order; steps that appear only in counts come last, by name. */
export function orderSteps(known: readonly string[], counted: readonly string[]): readonly string[] {
  return [...known, ...counted.filter((step) => !known.includes(step)).sort()];
}

/** The steps of a listing that continues in `from`; none if that is unknown. */
export function stepsFrom(steps: readonly string[], from: string | undefined): readonly string[] {
  if (from === undefined) return steps;
  const at = steps.indexOf(from);
  return at < 0 ? [] : steps.slice(at);
}
