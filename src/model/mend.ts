import { type Change, STEP_FIELDS, same } from './changes.ts';
import type { JobRecord, JobSpec, StepSpec } from './job.ts';
import type { Overrides, StepChange } from './journal.ts';
import { changedStep } from './overrides.ts';
import { toleranceText } from './tolerance.ts';

/** What a mended job file changes: what a round can carry, and what it can't. */
export interface MendFound {
  /** Complete, but for the code. */
  readonly overrides: Omit<Overrides, 'code'>;
  /** What differs and can't be carried to tasks of a job that is cut and accepted. */
  readonly refused: readonly Change[];
}

/** Of a job: what its parts, its verdict and its name are made of. `tolerate` and `maxRunning` are for `adjust`. */
const FIXED = ['name', 'onFailure', 'halt', 'expect', 'maxRunning', 'maxTasks', 'deliver', 'notify'] as const;
/** Of a step: how its tasks chain, what their outputs are, and on which queue they lie. */
const STEP_FIXED = ['gather', 'output', 'explode', 'group', 'interruptions', 'fallback'] as const;

/**
 * Compares a mended job file, its inputs' placeholders filled in, with the job as accepted, and with what rounds before
 * changed: a value that a person once gave by `--set` or `--timeout` stays until the file says another one than before.
 */
export function mendOf(record: JobRecord, before: Overrides, mended: JobSpec): MendFound {
  const accepted = record.spec;
  const refused: Change[] = [];
  const refuse = (field: string, from: unknown, to: unknown): void => {
    if (!same(from, to)) refused.push({ field, from, to });
  };
  for (const field of FIXED) refuse(field, accepted[field], mended[field]);
  refuse('tolerate', toleranceText(accepted.tolerate), toleranceText(mended.tolerate));
  if (record.given?.input !== true) refuse('input.from', accepted.input?.from, mended.input?.from);
  refuse('input.split', accepted.input?.split, mended.input?.split);
  for (const name of namesIn(accepted.labels, mended.labels)) {
    if (record.given?.labels.includes(name) === true) continue;
    refuse(`labels.${name}`, accepted.labels[name] ?? null, mended.labels[name] ?? null);
  }
  for (const name of Object.keys(accepted.params)) {
    if (!Object.hasOwn(mended.params, name)) refuse(`params.${name}`, accepted.params[name], null);
  }
  const names = (spec: JobSpec): readonly string[] => spec.steps.map((step) => step.name);
  refuse('steps', names(accepted), names(mended));
  if (!same(names(accepted), names(mended))) return { overrides: {}, refused };
  const steps: Record<string, StepChange> = {};
  let timeoutChanged = false;
  for (const [index, step] of accepted.steps.entries()) {
    const now = mended.steps[index] ?? step;
    for (const field of STEP_FIXED) refuse(`steps.${step.name}.${field}`, step[field], now[field]);
    const change = stepChange(step, now);
    if (Object.keys(change).length > 0) steps[step.name] = change;
    if (changedStep(step, { steps: before.steps ?? {} }).timeout !== now.timeout) timeoutChanged = true;
  }
  const timeout = timeoutChanged ? null : (before.timeout ?? null);
  return { overrides: { timeout, steps, ...paramsOf(record, before, mended) }, refused };
}

function stepChange(step: StepSpec, now: StepSpec): StepChange {
  // A field that the file says no more is null: JSON has no undefined.
  return Object.fromEntries(
    STEP_FIELDS.map((field) => [field, step[field] ?? null, now[field] ?? null] as const)
      .filter(([, from, to]) => !same(from, to))
      .map(([field, , to]) => [field, to]),
  );
}

/** The file's defaults where they differ from the job's, and what `--set` said of those that the file did not change. */
function paramsOf(record: JobRecord, before: Overrides, mended: JobSpec): Pick<Overrides, 'defaults' | 'params'> {
  const defaults: Record<string, string> = {};
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(mended.params)) {
    const accepted = record.spec.params[name];
    const given = record.given?.params.includes(name) === true;
    if (!given && value !== accepted) defaults[name] = value;
    const said = before.params?.[name];
    const fileChanged = !given && value !== (before.defaults?.[name] ?? accepted);
    if (said !== undefined && !fileChanged) params[name] = said;
  }
  return { defaults, params };
}

const namesIn = (a: object, b: object): readonly string[] => [...new Set([...Object.keys(a), ...Object.keys(b)])];
