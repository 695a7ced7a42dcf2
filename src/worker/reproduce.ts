import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { fetchCode } from '../jobs/code-archive.ts';
import { readOpened } from '../jobs/listing.ts';
import { refusePruned } from '../jobs/pruned.ts';
import type { TaskName } from '../jobs/tasks.ts';
import { randomId } from '../lib/id.ts';
import { hasBarrier, sectionStart } from '../model/job.ts';
import { outKey } from '../model/keys.ts';
import { changedCode, changedStep } from '../model/overrides.ts';
import { type JobView, overridesOf, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { Runnable } from './admitted-task.ts';
import { commandOf, environmentOf, INHERITED, secretsOf, withOutputExtension } from './environment.ts';
import { JobCache } from './job-cache.ts';
import { refuseNoOutput } from './left-files.ts';
import { envText, type ReproducedCommand, runScript } from './reproduce-script.ts';
import type { Secrets } from './secrets.ts';
import type { SlotDirectory } from './slot-directory.ts';
import { type StagedInput, stageIn } from './stage-in.ts';

export interface ReproducedTask {
  readonly task: Runnable;
  readonly directory: string;
  /** Bytes of its input. */
  readonly bytes: number;
  /** SHA-256 of the code archive in `work`; null for a job without files. */
  readonly code: string | null;
  /** References of its command's secrets: the step's, and those of the profile's group. */
  readonly secrets: Secrets;
  /** Its files and directories, by name. */
  readonly inputName: string;
  readonly outputName: string;
  /** Its files before it ran, relative to `work`. */
  readonly given: ReadonlySet<string>;
}

/** Throws `NoOutputError` if a run of it with exit code 0 made no output, and a worker would fail the task for that. */
export function refuseReproducedNoOutput({ task, directory, inputName, outputName, given }: ReproducedTask): void {
  const { output } = task.step;
  const made = join(directory, outputName);
  const stat = statSync(made, { throwIfNoEntry: false });
  const isEmpty = output === 'files' ? readdirSync(made).length === 0 : output === 'file' ? !stat : !stat?.size;
  const slot = { ...slotIn(directory), outputFile: made };
  const isGiven = (path: string): boolean => given.has(path);
  if (isEmpty) refuseNoOutput(output, { directory: slot, isGiven, input: join(directory, inputName) });
}

export interface ReproduceOptions {
  readonly task: TaskName;
  /** Created if missing; must be empty. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/**
 * Sets up a task in a directory as its next attempt would find it: `input`, the job's files (corrected ones, if a retry
 * brought some) in `work`, `env`, and `run.sh`, which runs it. The directory appears only when complete. Throws
 * `refused` for a directory that isn't empty, `notFound` for a pruned job and for a task without input so far,
 * `changed` for an input that changed since the job was accepted.
 */
export async function reproduce(platform: Platform, view: JobView, options: ReproduceOptions): Promise<ReproducedTask> {
  const task = runnable(view, options.task);
  requireEmpty(options.directory);
  await requireInput(platform.store, task);
  mkdirSync(dirname(options.directory), { recursive: true });
  const partial = join(dirname(options.directory), `.${basename(options.directory)}.${randomId(8)}`);
  try {
    mkdirSync(join(partial, 'work'), { recursive: true, mode: 0o700 });
    const written = await writeTaskFiles(platform, task, partial, options);
    renameSync(partial, options.directory);
    return { ...written, task, directory: options.directory };
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw notEmpty(options.directory);
    throw error;
  }
}

function runnable(view: JobView, { step: index, name, task }: TaskName): Runnable {
  const accepted = view.record.spec.steps[index];
  if (accepted === undefined) throw new BatchctlError('notFound', `job ${view.record.job} has no step ${name}`);
  refusePruned(view, 'its inputs');
  const overrides = overridesOf(view, index, task);
  const message = { job: view.record.job, step: name, task, round: roundOf(view, index, task) };
  return { message, view, overrides, step: changedStep(accepted, overrides), index, number: 1 };
}

async function requireInput(store: ObjectStore, { view, index, message }: Runnable): Promise<void> {
  const { steps } = view.record.spec;
  const name = `${message.step}/${message.task}`;
  if (hasBarrier(steps, index)) {
    if ((await readOpened(store, message.job, message.step)) !== null) return;
    throw new BatchctlError('notFound', `${name} has no input yet: it waits for all chains before it`, {
      hint: `batchctl status ${message.job}`,
    });
  }
  const before = steps[index - 1];
  if (before === undefined || sectionStart(steps, index) === index) return;
  if ((await store.head(outKey(message.job, before.name, message.task))) !== null) return;
  throw new BatchctlError('notFound', `${name} has no input yet: ${before.name}/${message.task} isn't done`, {
    hint: `batchctl reproduce ${message.job} ${before.name}/${message.task}`,
  });
}

async function writeTaskFiles(
  platform: Platform,
  task: Runnable,
  directory: string,
  { directory: final, signal }: Pick<ReproduceOptions, 'directory' | 'signal'>,
): Promise<Omit<ReproducedTask, 'task' | 'directory'>> {
  const files = task.index === 0 && task.step.input === 'list' ? 'input-files' : 'input';
  const base = { ...slotIn(directory), inputDirectory: join(directory, files), listedAs: join(final, files) };
  const staged = await stageIn({ platform, jobs: new JobCache(platform.store, 60_000) }, task, base, signal);
  const slot = withOutputExtension(base, task, staged);
  const code = changedCode(task.view.record, task.overrides);
  if (code !== null) await fetchCode(platform.store, code, slot.cwd);
  const secrets = secretsOf(platform, task.step.group, task.step);
  const command = commandIn(platform, task, { staged, slot, secrets });
  writeFileSync(join(directory, 'env'), envText(command), { mode: 0o600 });
  writeFileSync(join(directory, 'run.sh'), runScript(command), { mode: 0o700 });
  const inWork = readdirSync(slot.cwd, { recursive: true, encoding: 'utf8' });
  const given = new Set([...inWork, ...readdirSync(directory).map((name) => `../${name}`)]);
  const names = { inputName: basename(staged.path ?? slot.stdin), outputName: outputNameIn(slot, task) };
  return { bytes: staged.bytes, code, secrets, given, ...names };
}

function slotIn(directory: string): SlotDirectory {
  const input = join(directory, 'input');
  const output = join(directory, 'output');
  return {
    cwd: join(directory, 'work'),
    stdin: input,
    inputDirectory: input,
    counters: join(directory, 'counters'),
    stdout: output,
    outputFile: output,
    outputDirectory: output,
    stderr: join(directory, 'stderr'),
  };
}

function outputNameIn(slot: SlotDirectory, { step }: Runnable): string {
  return basename(step.output === 'files' ? slot.outputDirectory : slot.outputFile);
}

/** The command with its variables: those with paths of the slot get the name of what they refer to. */
function commandIn(
  platform: Platform,
  task: Runnable,
  { staged, slot, secrets }: { readonly staged: StagedInput; readonly slot: SlotDirectory; readonly secrets: Secrets },
): ReproducedCommand {
  const { job, step, task: n, round } = task.message;
  const { leaseSeconds } = platform;
  const groupEnv = platform.commandSettings?.(task.step.group).env ?? {};
  const facts = { worker: '', attempt: '', leaseSeconds, deadline: 0, secrets: {}, inherited: {}, groupEnv };
  const all = environmentOf(task, staged, slot, facts);
  const [env, places]: [Record<string, string>, Record<string, string>] = [{}, {}];
  const files = [staged.path ?? slot.stdin, slot.inputDirectory, slot.counters, slot.outputFile, slot.outputDirectory];
  const paths = new Map(files.map((path) => [path, basename(path)]));
  for (const [name, value] of Object.entries(all)) {
    const place = paths.get(value);
    if (place !== undefined) places[name] = place;
    else if (name in task.step.env || name in groupEnv || isCommandVariable(name)) env[name] = value;
  }
  return {
    title: `${step}/${n} of ${job}, round ${round}`,
    run: commandOf(task, staged, slot),
    madeIn: dirname(slot.cwd),
    env,
    places,
    secrets,
    output: task.step.output,
    outputName: outputNameIn(slot, task),
    stdin: staged.stdin !== null,
    timeout: task.step.timeout,
  };
}

/** Variables that run.sh sets itself: the marks, by which its caller finds it, and the deadline, in the future. */
const SET_BY_SCRIPT = ['BATCHCTL_WORKER_ID', 'BATCHCTL_ATTEMPT', 'BATCHCTL_DEADLINE'];

function isCommandVariable(name: string): boolean {
  return !INHERITED.some((known) => known === name) && !SET_BY_SCRIPT.includes(name);
}

function requireEmpty(directory: string): void {
  try {
    if (readdirSync(directory).length > 0) throw notEmpty(directory);
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) throw notEmpty(directory);
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function notEmpty(directory: string): BatchctlError {
  return new BatchctlError('refused', `expected an empty directory or none, but ${directory} is in use`, {
    hint: 'remove it, or use another one with -o',
  });
}
