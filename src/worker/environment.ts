import { BatchctlError } from '../errors.ts';
import type { StepSpec } from '../model/job.ts';
import { changedParams } from '../model/overrides.ts';
import { shellTextAt } from '../model/shell-text.ts';
import { baseNameOf, extensionOfPattern, placeholdersOf, stemOf, substituteRun } from '../model/substitute.ts';
import type { Platform } from '../ports/platform.ts';
import type { Runnable } from './admitted-task.ts';
import { SHELL_VARIABLES } from './command-script.ts';
import type { Secrets } from './secrets.ts';
import type { SlotDirectory } from './slot-directory.ts';
import type { StagedInput } from './stage-in.ts';

/** Variables that a command inherits from the worker: paths, user, language and time zone. */
export const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
] as const;

/**
 * The variables that commands inherit from a worker with this environment. A worker reads them once, because each
 * access to process.env costs more than the rest of a command's environment.
 */
export function inheritedFrom(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export interface EnvironmentFacts {
  readonly worker: string;
  readonly attempt: string;
  readonly leaseSeconds: number;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly secrets: Secrets;
  /** Variables of the worker. */
  readonly inherited: Readonly<Record<string, string>>;
  /** Variables that the profile sets for every command of the group. */
  readonly groupEnv: Readonly<Record<string, string>>;
}

/** A task's parameters: the job's, as overridden by retries, the period, and those of its part. */
export function paramsOf(task: Runnable, staged: StagedInput): Readonly<Record<string, string>> {
  const { record } = task.view;
  const { period } = record;
  return { ...changedParams(record, task.overrides), ...(period === null ? {} : { period }), ...staged.params };
}

/** The complete environment of a command (docs/job-file.md lists the variables). */
export function environmentOf(
  task: Runnable,
  staged: StagedInput,
  directory: SlotDirectory,
  facts: EnvironmentFacts,
): Readonly<Record<string, string>> {
  const env: Record<string, string> = { ...facts.inherited, ...homeOf(directory) };
  for (const [name, value] of Object.entries(paramsOf(task, staged))) {
    env[`BATCHCTL_PARAM_${name.toUpperCase()}`] = value;
  }
  const { message, number, step } = task;
  refuseShellNames(facts.secrets);
  Object.assign(env, facts.groupEnv, step.env, facts.secrets);
  env.BATCHCTL_JOB = message.job;
  env.BATCHCTL_STEP = message.step;
  env.BATCHCTL_TASK = String(message.task);
  env.BATCHCTL_INDEX = indexOf(task, staged);
  env.BATCHCTL_ROUND = String(message.round);
  env.BATCHCTL_ATTEMPT = facts.attempt;
  env.BATCHCTL_ATTEMPT_NUMBER = String(number);
  env.BATCHCTL_WORKER_ID = facts.worker;
  env.BATCHCTL_LEASE_SECONDS = String(facts.leaseSeconds);
  env.BATCHCTL_DEADLINE = new Date(facts.deadline).toISOString();
  env.BATCHCTL_COUNTERS = directory.counters;
  if (staged.inputName !== null) {
    env.BATCHCTL_INPUT_NAME = staged.inputName;
    env.BATCHCTL_INPUT_BASENAME = baseNameOf(staged.inputName);
    env.BATCHCTL_INPUT_STEM = stemOf(env.BATCHCTL_INPUT_BASENAME);
  }
  if (staged.records !== undefined) {
    env.BATCHCTL_FIRST_RECORD = String(staged.records.first);
    env.BATCHCTL_RECORDS = String(staged.records.count);
  }
  if (staged.pack !== undefined) {
    env.BATCHCTL_INPUT_FILES = String(staged.pack.files);
    if (staged.pack.directory !== null) env.BATCHCTL_INPUT_DIR = staged.pack.directory;
  }
  const input = inputValue(staged);
  if (input !== null) env.BATCHCTL_INPUT = input;
  if (step.output === 'file') env.BATCHCTL_OUTPUT = directory.outputFile;
  if (step.output === 'files') env.BATCHCTL_OUTPUT_DIR = directory.outputDirectory;
  return env;
}

/** Throws `jobFile`: such a variable can only be set in a way that shows its value to other users. */
function refuseShellNames(secrets: Secrets): void {
  const name = Object.keys(secrets).find((each) => SHELL_VARIABLES.test(each));
  if (name === undefined) return;
  throw new BatchctlError('jobFile', `secret ${name}: shells use this name themselves; give the secret another one`);
}

/** Another user's commands get no home directory that they could write to, and not the worker's. */
function homeOf({ own }: SlotDirectory): Readonly<Record<string, string>> {
  if (own === undefined) return {};
  const { home, owner } = own;
  return { HOME: home, TMPDIR: home, USER: owner.name, LOGNAME: owner.name, SHELL: '/bin/sh' };
}

/** References of a command's secrets: its group's and its step's. The step's take precedence. */
export function secretsOf(
  platform: Pick<Platform, 'commandSettings'>,
  group: string,
  { env, secrets }: Pick<StepSpec, 'env' | 'secrets'>,
): Secrets {
  const ofGroup = Object.entries(platform.commandSettings?.(group).secrets ?? {});
  return { ...Object.fromEntries(ofGroup.filter(([name]) => !Object.hasOwn(env, name))), ...secrets };
}

/** The command with its placeholders replaced in its arguments; a shell string uses its environment. */
export function commandOf(task: Runnable, staged: StagedInput, directory: SlotDirectory): readonly string[] | string {
  const { inputName } = staged;
  const input = inputValue(staged);
  const name = inputName === null ? null : baseNameOf(inputName);
  const values = {
    ...(input !== null && { input }),
    ...outputValue(task, directory),
    ...(name !== null && { name, stem: stemOf(name) }),
    index: indexOf(task, staged),
    ...paramsOf(task, staged),
  };
  const { name: step, run } = task.step;
  requirePlainPaths(step, run, values);
  return substituteRun(run, values, `steps.${step}.run`);
}

const inputValue = ({ path, unstaged }: StagedInput): string | null => unstaged?.at ?? path;

/** Throws `jobFile` for a path that the shell of a `sh -c` in a list would not read as one word. */
function requirePlainPaths(step: string, run: StepSpec['run'], values: Readonly<Record<string, string>>): void {
  const at = typeof run === 'string' ? null : shellTextAt(run);
  if (at === null) return;
  for (const name of placeholdersOf(run[at] ?? '')) {
    const path = name === 'input' || name === 'output' ? values[name] : undefined;
    if (path === undefined || /^[\w@%+=:,./-]*$/.test(path)) continue;
    throw new BatchctlError(
      'jobFile',
      `step ${step}: {${name}} is in the text of a shell, which would not read ${path} as one word; use "$BATCHCTL_${name.toUpperCase()}"`,
    );
  }
}

/** The task's number; of a range the number itself. */
const indexOf = ({ message }: Runnable, { params }: StagedInput): string => params.index ?? String(message.task);

function outputValue({ step }: Runnable, directory: SlotDirectory): { readonly output?: string } {
  if (step.output === 'file') return { output: directory.outputFile };
  return step.output === 'files' ? { output: directory.outputDirectory } : {};
}

/**
 * A directory whose `output: file` has the extension of the result's name: the step's own, that of the names that a
 * delivery gives, or, if the task's input is a whole file, that of the input.
 */
export function withOutputExtension(directory: SlotDirectory, task: Runnable, staged: StagedInput): SlotDirectory {
  const { step, index, view } = task;
  if (step.output !== 'file') return directory;
  const { deliver, steps } = view.record.spec;
  const delivered = deliver !== null && index === steps.length - 1 ? extensionOfPattern(deliver.name) : '';
  const extension = step.extension ?? (delivered || staged.extension);
  return { ...directory, outputFile: `${directory.outputFile}${extension}` };
}
