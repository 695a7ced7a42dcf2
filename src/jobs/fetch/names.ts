import { BatchctlError } from '../../errors.ts';
import { knowsSize } from '../../model/counts.ts';
import { type StepSpec, sectionStart, takesFiles } from '../../model/job.ts';
import { partShard, shardOf, stepPartShard, taskNumber } from '../../model/keys.ts';
import { isInside } from '../../model/output.ts';
import { type FilePart, PARTS_PER_SHARD, type Part } from '../../model/part.ts';
import { baseNameOf } from '../../model/substitute.ts';
import type { TaskBits } from '../../model/task-set.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { listPublished, stepTotals } from '../listing.ts';
import { refusePruned } from '../prune/pruned.ts';

/** Shards whose names are kept: tasks are requested roughly in order, some of them ahead. */
const SHARDS_KEPT = 2;

/**
 * Returns a function that finds the base name of the file that a task behind an `explode` took; `start` is the step
 * that takes the files.
 */
function fileNames(store: ObjectStore, view: JobView, start: number): (task: number) => Promise<string> {
  const { job, spec } = view.record;
  const shards = new Map<string, Promise<readonly string[]>>();
  return async (task) => {
    const key = stepPartShard(job, spec.steps[start]?.name ?? '', shardOf(task));
    const known = shards.get(key) ?? readNames(store, key);
    if (!shards.has(key) && shards.size >= SHARDS_KEPT) shards.delete(shards.keys().next().value ?? '');
    shards.set(key, known);
    const name = (await known)[task % PARTS_PER_SHARD];
    if (name !== undefined) return name;
    throw new BatchctlError('corrupt', `${key} does not contain part ${task}`, { hint: 'use --name {task}' });
  };
}

async function readNames(store: ObjectStore, key: string): Promise<readonly string[]> {
  const bytes = await store.read(key);
  if (bytes === null) {
    throw new BatchctlError('corrupt', `${key} is missing, which lists the input of each task`, {
      hint: 'use --name {task}',
    });
  }
  const lines = Buffer.from(bytes).toString('utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { name } = JSON.parse(line) as FilePart;
    return name.slice(name.lastIndexOf('/') + 1);
  });
}

/**
 * Returns a function that finds the base name of the input that a task of the first section reads. Reads each shard of
 * parts once and keeps one number per task. Throws `usage` if the parts come from no input (a range, a grid).
 */
function inputNames(store: ObjectStore, view: JobView): (task: number) => Promise<string> {
  const { job, inputs } = view.record;
  const shards = new Map<number, Promise<Int32Array>>();
  return async (task) => {
    const shard = shardOf(task);
    const known = shards.get(shard) ?? readInputs(store, partShard(job, shard));
    shards.set(shard, known);
    const index = (await known)[task % PARTS_PER_SHARD] ?? -1;
    const input = inputs[index];
    if (input === undefined) {
      throw new BatchctlError('usage', `--name: {input} can't be used, as ${job} was not split from inputs`, {
        hint: 'use {task}',
      });
    }
    return baseNameOf(input.name);
  };
}

async function readInputs(store: ObjectStore, key: string): Promise<Int32Array> {
  const bytes = await store.read(key);
  if (bytes === null) {
    throw new BatchctlError('corrupt', `${key} is missing, which lists the input of each task`, {
      hint: 'use --name {task}',
    });
  }
  const lines = Buffer.from(bytes).toString('utf8').trimEnd().split('\n');
  return Int32Array.from(lines, (line) => {
    const part = JSON.parse(line) as Part;
    return part.kind === 'params' ? -1 : part.input;
  });
}

/** Names a fetched file: a path relative to the target directory that never leaves it. */
export type FileNamer = (task: number, file: string) => Promise<string>;

const PLACEHOLDER = /\{([a-z]+)\}/g;

const KNOWN = ['task', 'input', 'step', 'job', 'name'];

/**
 * Creates names from a pattern: `{task}` (nine digits), `{input}` (the base name of the task's input), `{step}`,
 * `{job}`, and `{name}` for steps with `output: files` (default: `/{name}` is appended). Throws `usage`, before
 * anything is fetched, for a pattern that can't name this step's outputs.
 */
export function fileNamer(
  store: ObjectStore,
  view: JobView,
  chosen: ChosenStep,
  given: string | undefined,
): { readonly nameOf: FileNamer; readonly pattern: string } {
  const many = chosen.step.output === 'files';
  const whole = given ?? (chosen.gathered ? '{step}' : '{task}');
  checkNamePattern(whole, chosen);
  const pattern = many && !whole.includes('{name}') ? `${whole}/{name}` : whole;
  const inputOf = pattern.includes('{input}') ? namesOfInputs(store, view, chosen) : null;
  const nameOf: FileNamer = async (task, file) => {
    const values: Readonly<Record<string, string>> = {
      task: taskNumber(task),
      step: chosen.step.name,
      job: view.record.job,
      name: file,
      ...(inputOf !== null && { input: await inputOf(task) }),
    };
    return checkInside(pattern.replace(PLACEHOLDER, (text, name: string) => values[name] ?? text));
  };
  return { nameOf, pattern };
}

function namesOfInputs(store: ObjectStore, view: JobView, { index }: ChosenStep): (task: number) => Promise<string> {
  const { steps } = view.record.spec;
  const start = sectionStart(steps, index);
  return takesFiles(steps, start) ? fileNames(store, view, start) : inputNames(store, view);
}

/** Throws `usage` if a pattern can't name the outputs of this kind of step. */
export function checkNamePattern(pattern: string, chosen: Pick<ChosenStep, 'step' | 'gathered'>): void {
  const many = chosen.step.output === 'files';
  const wrong = (why: string, hint: string): BatchctlError =>
    new BatchctlError('usage', `--name ${pattern}: ${why}`, { hint });
  for (const [text, name = ''] of pattern.matchAll(PLACEHOLDER)) {
    if (!KNOWN.includes(name)) throw wrong(`${text} is unknown`, `use ${KNOWN.map((n) => `{${n}}`).join(', ')}`);
  }
  if (!isInside(pattern)) throw wrong('expected a path below the directory', 'try out-{task}.csv');
  if (pattern.includes('{name}') && !many) {
    throw wrong(
      `{name} is for steps with output: files, but ${chosen.step.name} has one output per task`,
      'use {task}',
    );
  }
  if (pattern.includes('{input}') && chosen.gathered) {
    throw wrong(`{input} can't be used after a gather`, 'use {step}');
  }
}

/** Throws `usage` if two tasks would be fetched into one file: names without `{task}` may collide. */
export async function checkDistinct(pattern: string, nameOf: FileNamer, tasks: Iterable<number>): Promise<void> {
  if (pattern.includes('{task}') || pattern.includes('{name}')) return;
  const taken = new Map<string, number>();
  for (const task of tasks) claim(taken, await nameOf(task, ''), task);
}

/** Records the name of the task's file. Throws `usage` if another task has the same name. */
export function claim(taken: Map<string, number>, name: string, task: number): void {
  const other = taken.get(name);
  if (other !== undefined && other !== task) {
    throw new BatchctlError('usage', `--name: tasks ${other} and ${task} would have the same file name ${name}`, {
      hint: 'add {task} to the pattern',
    });
  }
  taken.set(name, task);
}

/** Names come from outside: from commands and from the names of inputs. */
function checkInside(name: string): string {
  if (isInside(name)) return name;
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
  const index = name === undefined ? spec.steps.length - 1 : spec.steps.findIndex((step) => step.name === name);
  const step = spec.steps[index];
  if (step === undefined) {
    throw new BatchctlError('notFound', `job ${job} has no step ${name}`, {
      hint: `its steps: ${spec.steps.map((known) => known.name).join(', ')}`,
    });
  }
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
  if (published.count > 0 || (chosen.total === 0 && knowsSize(view, chosen.index))) return published;
  throw new BatchctlError('notFound', `job ${job} is ${stateOf(view)}: step ${chosen.step.name} has no output yet`, {
    hint: `batchctl status ${job}`,
  });
}
