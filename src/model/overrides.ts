import { ownValue } from '../lib/json.ts';
import { CORRECTABLE_STEP_FIELDS, type JobRecord, type JobSpec, type StepSpec, toleranceText } from './job.ts';
import type { Overrides, StepChange } from './journal.ts';

/** The changes of a round, on top of those of earlier rounds. A changed job file replaces them all. */
export function foldOverrides(before: Overrides, next: Overrides): Overrides {
  if (next.steps !== undefined) return next;
  const params = { ...before.params, ...next.params };
  return { ...before, ...next, ...(Object.keys(params).length === 0 ? {} : { params }) };
}

export function changedStep(step: StepSpec, { steps, timeout }: Overrides): StepSpec {
  const change = steps?.[step.name];
  if (change === undefined && (timeout ?? null) === null) return step;
  return { ...step, ...change, ...(timeout === undefined || timeout === null ? {} : { timeout }) };
}

export function changedParams(record: JobRecord, { defaults, params }: Overrides): Readonly<Record<string, string>> {
  return { ...record.spec.params, ...defaults, ...params };
}

/** The archive of the job's files with those changes; null if none are shipped. */
export function changedCode(record: JobRecord, { code }: Overrides): string | null {
  return code === undefined ? record.code : code;
}

/** The control totals by which the job's next close is judged. */
export function changedExpect(record: JobRecord, { expect }: Overrides): readonly string[] {
  return expect ?? record.spec.expect;
}

/** The job as its tasks run now: accepted again, it needs none of the changes. */
export function recordInForce<R extends JobRecord>(
  record: R,
  overrides: Overrides,
): R & Pick<JobRecord, 'spec' | 'code'> {
  const steps = record.spec.steps.map((step) => changedStep(step, overrides));
  const spec = {
    ...record.spec,
    steps,
    params: changedParams(record, overrides),
    expect: changedExpect(record, overrides),
  };
  return { ...record, spec, code: changedCode(record, overrides) };
}

/** One thing that a person changed, as a JSON value (durations in seconds, sizes in bytes); null for none. */
export interface Change {
  /** `steps.price.timeout`, `params.region`, `code`, `files/price.mjs`, `tolerate`. */
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/**
 * The changes for tasks that last ran with `before`: parameters, steps from the `first` one on, code. Tasks of several
 * rounds may have run with different values; the first difference is shown.
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
      if (!isSameJson(from, to) && !seen.has(field)) seen.set(field, { field, from, to });
    }
  }
  return [...seen.values()];
}

/** True for values with the same JSON. */
export function isSameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function flat(record: JobRecord, overrides: Overrides, first: number): ReadonlyMap<string, unknown> {
  const out = new Map<string, unknown>();
  for (const [name, value] of Object.entries(changedParams(record, overrides))) out.set(`params.${name}`, value);
  for (const accepted of record.spec.steps.slice(first)) {
    const step = changedStep(accepted, overrides);
    for (const field of CORRECTABLE_STEP_FIELDS) {
      const value = step[field];
      const path = `steps.${step.name}.${field}`;
      if (field === 'needs' || field === 'env' || field === 'secrets') {
        for (const [key, each] of Object.entries(step[field])) out.set(`${path}.${key}`, each);
      } else out.set(path, value);
    }
  }
  out.set('expect', changedExpect(record, overrides));
  out.set('code', changedCode(record, overrides));
  return out;
}

/** The changes in a job file: those that a round can apply, and those that it can't. */
interface JobFileDiff {
  /** Complete, except for the code. */
  readonly overrides: Omit<Overrides, 'code'>;
  /** Differences that can't be applied to tasks of an accepted job, whose parts are cut. */
  readonly refused: readonly Change[];
}

/** Fields of a job that determine its parts, end and name. `adjust` can change `tolerate` and `maxRunning`. */
const FIXED = ['name', 'onFailure', 'halt', 'maxRunning', 'maxTasks', 'deliver', 'notify'] as const;

/**
 * Compares a changed job file, with its inputs' placeholders filled in, with the job as accepted, and with the changes
 * of earlier rounds: a value from `--set` or `--timeout` stays until the file's own value changes.
 */
export function diffJobFile(record: JobRecord, before: Overrides, corrected: JobSpec): JobFileDiff {
  const accepted = record.spec;
  const refused: Change[] = [];
  const refuse = (field: string, from: unknown, to: unknown): void => {
    if (!isSameJson(from, to)) refused.push({ field, from, to });
  };
  for (const field of FIXED) refuse(field, accepted[field], corrected[field]);
  refuse('tolerate', toleranceText(accepted.tolerate), toleranceText(corrected.tolerate));
  if (record.given?.input !== true) refuse('input.from', accepted.input?.from, corrected.input?.from);
  refuse('input.split', accepted.input?.split, corrected.input?.split);
  for (const name of namesIn(accepted.labels, corrected.labels)) {
    if (record.given?.labels.includes(name) === true) continue;
    refuse(`labels.${name}`, ownValue(accepted.labels, name) ?? null, ownValue(corrected.labels, name) ?? null);
  }
  for (const name of Object.keys(accepted.params)) {
    if (!Object.hasOwn(corrected.params, name)) refuse(`params.${name}`, accepted.params[name], null);
  }
  const names = (spec: JobSpec): readonly string[] => spec.steps.map((step) => step.name);
  refuse('steps', names(accepted), names(corrected));
  if (!isSameJson(names(accepted), names(corrected))) return { overrides: {}, refused };
  const steps: Record<string, StepChange> = {};
  let timeoutChanged = false;
  for (const [index, step] of accepted.steps.entries()) {
    const now = corrected.steps[index] ?? step;
    const [then, later] = [fixedFields(step), fixedFields(now)];
    for (const field of new Set([...then.keys(), ...later.keys()]))
      refuse(`steps.${step.name}.${field}`, then.get(field), later.get(field));
    // Readers of outputs must know whether a task has one file or many.
    if (step.output === 'files' || now.output === 'files') refuse(`steps.${step.name}.output`, step.output, now.output);
    const change = stepChange(step, now);
    if (Object.keys(change).length > 0) steps[step.name] = change;
    if (changedStep(step, { steps: before.steps ?? {} }).timeout !== now.timeout) timeoutChanged = true;
  }
  const timeout = timeoutChanged ? null : (before.timeout ?? null);
  const { expect } = corrected;
  const totals = isSameJson(accepted.expect, expect) ? {} : { expect };
  return { overrides: { timeout, steps, ...totals, ...paramsOf(record, before, corrected) }, refused };
}

/** The other fields of a step: how its tasks chain, what their outputs are, and which queue they are on. */
const fixedFields = (step: StepSpec): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(step).filter(([name]) => !CORRECTABLE_STEP_FIELDS.some((field) => field === name)));

function stepChange(step: StepSpec, now: StepSpec): StepChange {
  // A field that the file no longer has is null: JSON has no undefined.
  return Object.fromEntries(
    CORRECTABLE_STEP_FIELDS.map((field) => [field, step[field] ?? null, now[field] ?? null] as const)
      .filter(([, from, to]) => !isSameJson(from, to))
      .map(([field, , to]) => [field, to]),
  );
}

/** The file's defaults that differ from the job's, and values from `--set` for those that the file did not change. */
function paramsOf(record: JobRecord, before: Overrides, corrected: JobSpec): Pick<Overrides, 'defaults' | 'params'> {
  const defaults: Record<string, string> = {};
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(corrected.params)) {
    const accepted = ownValue(record.spec.params, name);
    const given = record.given?.params.includes(name) === true;
    if (!given && value !== accepted) defaults[name] = value;
    const said = ownValue(before.params ?? {}, name);
    const fileChanged = !given && value !== (ownValue(before.defaults ?? {}, name) ?? accepted);
    if (said !== undefined && !fileChanged) params[name] = said;
  }
  return { defaults, params };
}

const namesIn = (a: object, b: object): readonly string[] => [...new Set([...Object.keys(a), ...Object.keys(b)])];
