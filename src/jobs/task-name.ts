import { BatchctlError } from '../errors.ts';
import { stepIndex } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import { stepTotals } from './listing.ts';

/** A task of a job, by its step's place and its own number. */
export interface TaskName {
  readonly step: number;
  readonly name: string;
  readonly task: number;
}

/** Reads `<step>/<n>`, padding optional. Throws `usage` for another form, `notFound` for what the job doesn't have. */
export function parseTaskName(view: JobView, text: string): TaskName {
  const match = /^([a-z][a-z0-9-]*)\/(\d{1,9})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new BatchctlError('usage', `expected a task as <step>/<n>, found "${text}"`, {
      hint: `batchctl tasks ${view.record.job}`,
    });
  }
  const step = mustHaveStep(view, match[1]);
  const task = Number(match[2]);
  const total = stepTotals(view)[step] ?? 0;
  if (task < total) return { step, name: match[1], task };
  throw new BatchctlError('notFound', `step ${match[1]} of job ${view.record.job} has ${total} tasks, but no ${task}`, {
    hint: total === 0 ? `batchctl status ${view.record.job}` : `the last is ${match[1]}/${total - 1}`,
  });
}

/** A step's place. Throws `notFound`, naming the steps. */
export function mustHaveStep(view: JobView, name: string): number {
  const { spec, job } = view.record;
  const step = stepIndex(spec, name);
  if (step >= 0) return step;
  throw new BatchctlError('notFound', `job ${job} has no step ${name}`, {
    hint: `its steps: ${spec.steps.map((known) => known.name).join(', ')}`,
  });
}
