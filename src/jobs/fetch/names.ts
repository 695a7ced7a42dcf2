import { join } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { ownValue } from '../../lib/json.ts';
import { isSizeKnown } from '../../model/counts.ts';
import { type JobSpec, type StepSpec, sectionStart, takesPacks } from '../../model/job.ts';
import { taskNumber } from '../../model/keys.ts';
import { isSafeRelativePath } from '../../model/output.ts';
import { countParams, paramsOf } from '../../model/part.ts';
import { stemOf } from '../../model/substitute.ts';
import type { TaskBits } from '../../model/task-set.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { listPublished, stepTotals } from '../listing.ts';
import { refusePruned } from '../pruned.ts';
import { requireStep } from '../tasks.ts';
import { indexFinder, inputPathFinder, originFinder, pathsOf } from './input-names.ts';
import type { FetchTarget } from './target.ts';
import { type OwnInput, ownInputs, refuseInput } from './verified.ts';

/** Names a fetched file: a path relative to the target directory that never leaves it. */
export type FileNamer = (task: number, file: string) => Promise<string>;

const PLACEHOLDER = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

const KNOWN = ['path', 'dir', 'input', 'stem', 'task', 'index', 'step', 'job', 'name'];
/** Those that come from the task's input. */
const OF_INPUT = /\{(path|dir|input|stem)\}/;
/** Those that differ for every task. */
const OF_TASK = /\{(task|index)\}/;
/** Those that are no others: parameters. */
const OF_PARAM = new RegExp(`\\{(?!(${KNOWN.join('|')})\\})[A-Za-z_]\\w*\\}`);

/** The default source of the names of a step's outputs. */
function defaultPattern({ input }: Pick<JobSpec, 'input'>, { gathered, first }: Kind): string {
  if (gathered) return '{step}';
  return first && takesWholeFiles(input) ? '{path}' : '{task}';
}

/** Whether each task is one file. */
const takesWholeFiles = (input: JobSpec['input']): boolean =>
  input?.split.by === 'file' && input.split.pack === undefined;

interface Kind {
  readonly gathered: boolean;
  /** True for a step of the chains that begin with the job's inputs. */
  readonly first: boolean;
}

/**
 * Creates names from a pattern: `{task}` (nine digits), `{index}` (as in commands), `{input}` (the base name of the
 * task's input), `{stem}` (without its extension), `{path}` (its path, see `pathsOf`), `{dir}` (the directory of that),
 * `{step}`, `{job}`, a parameter that the split gives each task, and `{name}` for steps with `output: files` (default:
 * `/{name}` is appended). Throws `usage`, before anything is fetched, for a pattern that can't name this step's outputs.
 */
export function fileNamer(
  store: ObjectStore,
  view: JobView,
  chosen: ChosenStep,
  given: string | undefined,
): { readonly nameOf: FileNamer; readonly pattern: string; readonly distinct: boolean } {
  const { job, spec } = view.record;
  const many = chosen.step.output === 'files';
  const first = sectionStart(spec.steps, chosen.index) === 0;
  const whole = given ?? defaultPattern(spec, { ...chosen, first });
  checkNamePattern(whole, spec, chosen.index);
  const pattern = many && !whole.includes('{name}') ? `${whole}/{name}` : whole;
  const pathOf = OF_INPUT.test(pattern) ? inputPathFinder(store, view, chosen.index) : null;
  const indexOf = pattern.includes('{index}') ? indexFinder(store, view, chosen.index) : null;
  const originOf = OF_PARAM.test(pattern) ? originFinder(store, view) : null;
  const nameOf: FileNamer = async (task, file) => {
    const params = originOf === null ? null : (await originOf(chosen.index, task)).params;
    const values = { ...params, step: chosen.step.name, job, name: file };
    const index = indexOf === null ? {} : { index: await indexOf(task) };
    return fillPattern(pattern, {
      ...values,
      ...valuesOf(task, pathOf === null ? null : await pathOf(task)),
      ...index,
    });
  };
  return { nameOf, pattern, distinct: OF_TASK.test(pattern) || chosen.total <= 1 };
}

type Values = Readonly<Record<string, string>>;

function valuesOf(task: number, path: string | null): Values {
  const ofTask = { task: taskNumber(task), index: String(task) };
  if (path === null) return ofTask;
  const input = path.slice(path.lastIndexOf('/') + 1);
  return { ...ofTask, path, input, stem: stemOf(input), dir: path.slice(0, -input.length - 1) };
}

function fillPattern(pattern: string, values: Values): string {
  // An input that is in no directory adds none.
  const placed = values.dir === '' ? pattern.replaceAll('{dir}/', '') : pattern;
  return checkInside(
    placed.replace(PLACEHOLDER, (text, name: string) => {
      const value = ownValue(values, name);
      if (value !== undefined) return value;
      throw new BatchctlError('usage', `--name ${pattern}: task ${values.index} has no parameter ${name}`, {
        hint: `use {task} in place of ${text}`,
      });
    }),
  );
}

/** The parameters that a step's tasks have; null: not known here, as the columns of a table stand in the parts. */
function paramsOfStep({ input, steps }: JobSpec, index: number): readonly string[] | null {
  const split = input?.split;
  if (split === undefined || sectionStart(steps, index) > 0) return [];
  if (split.by === 'table') return null;
  return split.by === 'grid' ? Object.keys(split.axes) : split.by === 'list' ? ['item'] : [];
}

/** Whether a pattern has anything that may differ between the tasks of a step. */
export const differsByTask = (pattern: string): boolean =>
  [...pattern.matchAll(PLACEHOLDER)].some(([, name]) => name !== 'step' && name !== 'job' && name !== 'dir');

/** Claims the name of a task's output. Throws `usage` if the output of an earlier task has that name. */
export type NameCheck = (input: number | null, params: Values | null) => void;

/**
 * Checks the names that a pattern gives the outputs of a job's last step, task by task in the order of the split. Null
 * where they can't be equal, or aren't known before the job has run: behind a gather or an `explode`, and for parts of
 * files.
 */
export function equalNamesCheck(
  { spec, inputs }: { readonly spec: JobSpec; readonly inputs: readonly Pick<OwnInput, 'name'>[] },
  pattern: string,
): NameCheck | null {
  const index = spec.steps.length - 1;
  const step = spec.steps[index];
  if (step === undefined || sectionStart(spec.steps, index) > 0 || OF_TASK.test(pattern)) return null;
  const ofInput = OF_INPUT.test(pattern);
  if (!OF_PARAM.test(pattern) && !(ofInput && takesWholeFiles(spec.input))) return null;
  if (step.output === 'files' && pattern.includes('{name}')) return null;
  const taken = new NameRegistry();
  const paths = ofInput ? pathsOf({ spec, inputs }) : [];
  const constant = { step: step.name, job: spec.name, name: '_' };
  let task = 0;
  return (input, params) => {
    const path = input === null ? null : (paths[input] ?? null);
    taken.claim(fillPattern(pattern, { ...params, ...constant, ...valuesOf(task, path) }), task);
    task += 1;
  };
}

/** Throws `usage` if the tasks of a grid would have equal names, before any of them runs. */
export function refuseEqualNames(spec: JobSpec, pattern: string): void {
  const split = spec.input?.split;
  const check = split?.by === 'grid' ? equalNamesCheck({ spec, inputs: [] }, pattern) : null;
  if (split?.by !== 'grid' || check === null) return;
  for (let task = 0; task < countParams(split); task += 1) check(null, paramsOf(split, task));
}

/**
 * Throws `usage`, before a job is submitted, for a pattern that can't name its last step's outputs, and `refused` for
 * names that would replace its inputs. For whole files the names are already known: two equal ones are refused, too.
 */
export async function checkNames(
  { spec, inputs }: { readonly spec: JobSpec; readonly inputs: readonly OwnInput[] },
  given: string | undefined,
  target: Exclude<FetchTarget, { readonly kind: 'stream' }>,
): Promise<void> {
  const source = { job: spec.name, inputs: ownInputs(inputs, true) };
  if (target.kind === 'file') return refuseInput(source, target.path);
  if (target.kind === 'object') return refuseInput(source, target.text);
  const index = spec.steps.length - 1;
  const step = spec.steps[index];
  if (step === undefined) return;
  const start = sectionStart(spec.steps, index);
  const gathered = spec.steps[start]?.gather === true;
  const pattern = given ?? defaultPattern(spec, { gathered, first: start === 0 });
  checkNamePattern(pattern, spec, index);
  refuseEqualNames(spec, pattern);
  if (start > 0 || !takesWholeFiles(spec.input) || pattern.includes('{name}') || pattern.includes('{job}')) return;
  const taken = new NameRegistry();
  const at = (name: string): string =>
    target.kind === 'directory' ? join(target.path, name) : `s3://${target.bucket}/${target.prefix}${name}`;
  for (const [task, path] of pathsOf({ spec, inputs }).entries()) {
    const name = fillPattern(pattern, { step: step.name, ...valuesOf(task, path) });
    taken.claim(name, task);
    await refuseInput(source, at(name));
  }
}

/** Throws `usage` if a pattern can't name the outputs of a step. */
export function checkNamePattern(pattern: string, spec: JobSpec, index: number): void {
  const step = spec.steps[index];
  if (step === undefined) return;
  const many = step.output === 'files';
  const gathered = spec.steps[sectionStart(spec.steps, index)]?.gather === true;
  const params = paramsOfStep(spec, index);
  const wrong = (why: string, hint: string): BatchctlError =>
    new BatchctlError('usage', `--name ${pattern}: ${why}`, { hint });
  for (const [text, name = ''] of pattern.matchAll(PLACEHOLDER)) {
    if (KNOWN.includes(name) || params === null || params.includes(name)) continue;
    throw wrong(`${text} is unknown`, `use ${[...KNOWN, ...params].map((n) => `{${n}}`).join(', ')}`);
  }
  if (!isSafeRelativePath(pattern)) throw wrong('expected a path below the directory', 'try out-{task}.csv');
  if (pattern.includes('{name}') && !many) {
    throw wrong(
      `{name} is for steps with output: files, but ${step.name} has one output per task`,
      'use {input}, {stem} or {task}',
    );
  }
  const [ofInput] = OF_INPUT.exec(pattern) ?? [];
  if (ofInput !== undefined && gathered) throw wrong(`${ofInput} can't be used after a gather`, 'use {step}');
  if (ofInput !== undefined && takesPacks(spec, index))
    throw wrong(`${ofInput} can't be used, as a task takes several files`, many ? 'use {name}' : 'use {task}');
}

/** Throws `usage` if two tasks would be fetched into one file: names without the task's number may collide. */
export async function checkDistinct(pattern: string, nameOf: FileNamer, tasks: Iterable<number>): Promise<void> {
  // Names of files of a task are known when its output is read; the default's are below its input's path.
  if (OF_TASK.test(pattern) || (pattern.includes('{name}') && pattern !== '{path}/{name}')) return;
  const taken = new NameRegistry();
  for (const task of tasks) taken.claim(await nameOf(task, '_'), task);
}

export class NameRegistry {
  readonly #tasks = new Map<string, number>();
  readonly #directories = new Map<string, number>();

  /** Records the name of a task's file. Throws `usage` if another task's file has that name, or is in its way. */
  claim(name: string, task: number): void {
    for (let end = name.indexOf('/'); end >= 0; end = name.indexOf('/', end + 1)) {
      const directory = name.slice(0, end);
      this.#refuse(this.#tasks.get(directory), directory, task);
      this.#directories.set(directory, task);
    }
    this.#refuse(this.#tasks.get(name), name, task);
    this.#refuse(this.#directories.get(name), name, task);
    this.#tasks.set(name, task);
  }

  #refuse(other: number | undefined, name: string, task: number): void {
    if (other === undefined || other === task) return;
    const [first, second] = other < task ? [other, task] : [task, other];
    throw new BatchctlError('usage', `--name: tasks ${first} and ${second} would have the same file name ${name}`, {
      hint: 'add {task} to the pattern, or {dir} if it has {input} or {stem}',
    });
  }
}

/** Names come from outside: from commands and from the names of inputs. */
function checkInside(name: string): string {
  if (isSafeRelativePath(name)) return name;
  throw new BatchctlError('refused', `an output is named ${JSON.stringify(name)}, which is outside of the directory`, {
    hint: 'fetch it with -o -, or rename it with --name',
  });
}

/** The step whose outputs are fetched. */
export interface ChosenStep {
  readonly index: number;
  readonly step: StepSpec;
  /** How many tasks it can have. */
  readonly total: number;
  /** True if there is only one task because a gather came before, whatever the input's size. */
  readonly gathered: boolean;
}

/** The step with that name; default: the last one. Throws `notFound`, naming the job's steps. */
export function chooseStep(view: JobView, name: string | undefined): ChosenStep {
  refusePruned(view, 'its outputs');
  const { job, spec } = view.record;
  const index = name === undefined ? spec.steps.length - 1 : requireStep(view, name);
  const step = spec.steps[index];
  if (step === undefined) throw new RangeError(`job ${job} has no step ${index}`);
  return {
    index,
    step,
    total: stepTotals(view)[index] ?? 0,
    gathered: spec.steps[sectionStart(spec.steps, index)]?.gather === true,
  };
}

/** The tasks with published outputs. Throws `notFound` if there are none, unless the step has no tasks at all. */
export async function publishedTasks(store: ObjectStore, view: JobView, chosen: ChosenStep): Promise<TaskBits> {
  const { job } = view.record;
  const published = await listPublished(store, job, chosen.step.name, chosen.total);
  if (published.count > 0 || (chosen.total === 0 && isSizeKnown(view, chosen.index))) return published;
  throw new BatchctlError('notFound', `job ${job} is ${stateOf(view)}: step ${chosen.step.name} has no output yet`, {
    hint: `batchctl status ${job}`,
  });
}
