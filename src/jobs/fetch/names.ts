import { BatchctlError } from '../../errors.ts';
import { sectionStart, takesFiles } from '../../model/job.ts';
import { taskNumber } from '../../model/keys.ts';
import { isInside } from '../../model/output.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { ChosenStep } from './choose.ts';
import { fileNames } from './file-names.ts';
import { inputNames } from './input-names.ts';

/** Names a fetched file: a path relative to the target directory that never leaves it. */
export type FileNamer = (task: number, file: string) => Promise<string>;

const PLACEHOLDER = /\{([a-z]+)\}/g;
const KNOWN = ['task', 'input', 'step', 'job', 'name'];

/**
 * Makes names by a pattern: `{task}` (nine digits), `{input}` (the base name of the task's input), `{step}`, `{job}`,
 * and `{name}` for steps with `output: files` (without it `/{name}` is added). Throws `usage` for a pattern that can't
 * name this step's outputs, before anything is fetched.
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

/** Throws `usage` for a pattern that can't name the outputs of such a step. */
export function checkNamePattern(pattern: string, chosen: Pick<ChosenStep, 'step' | 'gathered'>): void {
  const many = chosen.step.output === 'files';
  const wrong = (why: string, hint: string): BatchctlError =>
    new BatchctlError('usage', `--name ${pattern}: ${why}`, { hint });
  for (const [text, name = ''] of pattern.matchAll(PLACEHOLDER)) {
    if (!KNOWN.includes(name)) throw wrong(`${text} is unknown`, `use ${KNOWN.map((n) => `{${n}}`).join(', ')}`);
  }
  if (!isInside(pattern)) throw wrong('expected a path that stays below the directory', 'try out-{task}.csv');
  if (pattern.includes('{name}') && !many) {
    throw wrong(`{name} is for steps with output: files, and ${chosen.step.name} has one output a task`, 'use {task}');
  }
  if (pattern.includes('{input}') && chosen.gathered) {
    throw wrong(`{input} means nothing after a gather`, 'use {step}');
  }
}

/** Throws `usage` when two tasks would be fetched into one file: names without `{task}` may not be told apart. */
export async function checkDistinct(pattern: string, nameOf: FileNamer, tasks: Iterable<number>): Promise<void> {
  if (pattern.includes('{task}') || pattern.includes('{name}')) return;
  const taken = new Map<string, number>();
  for (const task of tasks) claim(taken, await nameOf(task, ''), task);
}

/** Notes that the task's file has that name. Throws `usage` when another task's has it. */
export function claim(taken: Map<string, number>, name: string, task: number): void {
  const other = taken.get(name);
  if (other !== undefined && other !== task) {
    throw new BatchctlError('usage', `--name: tasks ${other} and ${task} would both be fetched into ${name}`, {
      hint: 'add {task} to the pattern',
    });
  }
  taken.set(name, task);
}

/** Names come from outside: from commands, and from what inputs are called. */
function checkInside(name: string): string {
  if (isInside(name)) return name;
  throw new BatchctlError('refused', `an output is named ${JSON.stringify(name)}, which would leave the directory`, {
    hint: 'fetch it with -o -, or give it another name with --name',
  });
}
