import { type StepSpec, sectionStart, takesFiles } from './job.ts';
import type { JobView } from './view.ts';

export interface Sizing {
  readonly steps: readonly StepSpec[];
  /** How many parts the job's input was cut into. */
  readonly parts: number;
  /** Tasks of opened steps behind an `explode`, by step. */
  readonly exploded: JobView['exploded'];
}

/**
 * How many tasks each step has, in step order; null while nobody can know it: behind an `explode` that isn't opened.
 * A section's steps have as many as the job has parts, one after a gather, one a file after an `explode`.
 */
export function stepSizes({ steps, parts, exploded }: Sizing): readonly (number | null)[] {
  return steps.map((_, index) => {
    const start = sectionStart(steps, index);
    if (start === 0) return parts;
    return takesFiles(steps, start) ? (exploded.get(start) ?? null) : 1;
  });
}

/** What a view knows of its steps' sizes. */
export function sizingOf({ record, exploded }: Pick<JobView, 'record' | 'exploded'>): Sizing {
  return { steps: record.spec.steps, parts: record.parts, exploded };
}

/** False when the view must be read again before it can name the step's tasks. */
export function knowsSize({ record, exploded }: Pick<JobView, 'record' | 'exploded'>, index: number): boolean {
  const { steps } = record.spec;
  for (let at = 1; at <= index; at += 1) if (takesFiles(steps, at) && !exploded.has(at)) return false;
  return true;
}
