import type { JobRecord, StepSpec } from './job.ts';
import type { Overrides } from './journal.ts';

/** What a round changes, on top of what the rounds before it did. A mended job file says all there is to say. */
export function foldOverrides(before: Overrides, next: Overrides): Overrides {
  if (next.steps !== undefined) return next;
  const params = { ...before.params, ...next.params };
  return { ...before, ...next, ...(Object.keys(params).length === 0 ? {} : { params }) };
}

/** A step as it is with those changes. */
export function changedStep(step: StepSpec, { steps, timeout }: Overrides): StepSpec {
  const change = steps?.[step.name];
  if (change === undefined && (timeout ?? null) === null) return step;
  return { ...step, ...change, ...(timeout === undefined || timeout === null ? {} : { timeout }) };
}

/** The job's parameters with those changes. */
export function changedParams(record: JobRecord, { defaults, params }: Overrides): Readonly<Record<string, string>> {
  return { ...record.spec.params, ...defaults, ...params };
}

/** The archive of the job's files with those changes; null where none are shipped. */
export function changedCode(record: JobRecord, { code }: Overrides): string | null {
  return code === undefined ? record.code : code;
}
