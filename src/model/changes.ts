import type { JobRecord, StepSpec } from './job.ts';
import type { Overrides } from './journal.ts';
import { changedCode, changedParams, changedStep } from './overrides.ts';

/** One thing that a person changed: a value as JSON has it (durations in seconds, sizes in bytes); null for none. */
export interface Change {
  /** `steps.price.timeout`, `params.region`, `code`, `files/price.mjs`, `tolerate`. */
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Fields of a step that a round may change. */
export const STEP_FIELDS = [
  'run',
  'input',
  'header',
  'join',
  'timeout',
  'stall',
  'attempts',
  'permanent',
  'maxRunning',
  'needs',
  'env',
  'secrets',
] as const satisfies readonly (keyof StepSpec)[];

/**
 * What tasks that last ran with `before` will find changed: parameters, the steps from the `first` one on, code. Tasks
 * of several rounds may have run with several; the first that differs is shown.
 */
export function changesOf(
  record: JobRecord,
  before: readonly Overrides[],
  after: Overrides,
  first: number,
): readonly Change[] {
  const seen = new Map<string, Change>();
  const now = flat(record, after, first);
  for (const overrides of before) {
    const then = flat(record, overrides, first);
    for (const field of new Set([...then.keys(), ...now.keys()])) {
      const [from, to] = [then.get(field) ?? null, now.get(field) ?? null];
      if (!same(from, to) && !seen.has(field)) seen.set(field, { field, from, to });
    }
  }
  return [...seen.values()];
}

/** True for values that JSON writes alike. */
export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function flat(record: JobRecord, overrides: Overrides, first: number): ReadonlyMap<string, unknown> {
  const out = new Map<string, unknown>();
  for (const [name, value] of Object.entries(changedParams(record, overrides))) out.set(`params.${name}`, value);
  for (const accepted of record.spec.steps.slice(first)) {
    const step = changedStep(accepted, overrides);
    for (const field of STEP_FIELDS) {
      const value = step[field];
      const path = `steps.${step.name}.${field}`;
      if (field === 'needs' || field === 'env' || field === 'secrets') {
        for (const [key, each] of Object.entries(step[field])) out.set(`${path}.${key}`, each);
      } else out.set(path, value);
    }
  }
  out.set('code', changedCode(record, overrides));
  return out;
}
