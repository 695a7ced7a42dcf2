import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { fetchCode } from '../jobs/code-archive.ts';
import { HeaderError, headerQuote } from '../jobs/fetch/header.ts';
import { type JoinOptions, joinOutputs } from '../jobs/fetch/join.ts';
import { JoinError } from '../jobs/fetch/line-ends.ts';
import {
  type OutputSource,
  Tally,
  verifiedBytes,
  verifiedChunks,
  verifiedOutput,
  writeChunks,
} from '../jobs/fetch/verified.ts';
import { GatherDigest } from '../jobs/gather-digest.ts';
import { readOpened, stepTotals } from '../jobs/listing.ts';
import type { Output } from '../jobs/output.ts';
import { stagePart } from '../jobs/split/stage-part.ts';
import { type UnstagedInput, unstagedInput } from '../jobs/split/unstaged-input.ts';
import { mapAhead } from '../lib/parallel.ts';
import { type JobInput, joinOf, type StepSpec, sectionStart, takesFiles } from '../model/job.ts';
import { taskNumber } from '../model/keys.ts';
import type { OutputMeta } from '../model/output.ts';
import { changedParams, changedStep } from '../model/overrides.ts';
import { hasParams, type PackPart, type Part, partParams } from '../model/part.ts';
import { numberedParams } from '../model/part-shards.ts';
import { baseNameOf, extensionOf, placeholdersOf, usesPlaceholder } from '../model/substitute.ts';
import { tasksWithout } from '../model/task-set.ts';
import type { OpenedGather } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Runnable } from './admitted-task.ts';
import type { WorkerContext } from './context.ts';
import type { SlotDirectory } from './slot-directory.ts';
import { joinPack, unpackInto } from './stage-pack.ts';

/** A task's input as files of its slot. */
export interface StagedInput {
  /** Null: empty stdin. */
  readonly stdin: string | null;
  /**
   * The value of `$BATCHCTL_INPUT` and `{input}`: for `input: file`, `dir` and `list`, and if an argument has
   * `{input}`. Null with `unstaged`.
   */
  readonly path: string | null;
  /** For `input: url`: what the command opens in place of a path of the slot. */
  readonly unstaged?: UnstagedInput;
  /** The extension of the whole file that is its input: `.mp4`; empty for any other input. */
  readonly extension: string;
  readonly bytes: number;
  /** As in `OutputMeta`. */
  readonly inputChecksum?: string;
  /** Its part's cuts were assumed, and are between records. */
  readonly wholeRecords?: true;
  /** Parameters of the part with which the chain began: `item`, `index`, a grid's axes, the columns of a table. */
  readonly params: Readonly<Record<string, string>>;
  /** Name of the input that a part was split from, or of its file; null if there is none. */
  readonly inputName: string | null;
  /** Of a part of several files: how many, and the directory that has them, unless they are joined. */
  readonly pack?: { readonly files: number; readonly directory: string | null };
  /** Records of the part, where they were counted: the number of the first one in the input, from 1, and how many. */
  readonly records?: { readonly first: number; readonly count: number };
}

type StageContext = Pick<WorkerContext, 'platform' | 'jobs'>;
type Stage = (ctx: StageContext, task: Runnable, directory: SlotDirectory, signal: AbortSignal) => Promise<StagedInput>;

/** Reads and writes in one go below this size; streams above it. */
const IN_MEMORY = 8 * 2 ** 20;

/**
 * Stages a task's input into its slot. Throws `changed` for an input that changed since the job was accepted, `corrupt`
 * if a required object is gone, `proof` if it isn't what was published.
 */
export const stageIn: Stage = (ctx, task, directory, signal) => {
  const { steps } = task.view.record.spec;
  const isFirst = sectionStart(steps, task.index) === task.index;
  const chained = isFirst ? stageFirst : stagePrevious;
  const stage = task.step.gather ? stageGather : takesFiles(steps, task.index) ? stageFile : chained;
  return stage(ctx, task, directory, signal);
};

const stageFirst: Stage = async (ctx, task, directory, signal) => {
  const part = await ctx.jobs.part(task.view.record, task.message.task);
  if (part.kind === 'pack') return stagePackPart(ctx, task, directory, part, signal);
  const input = 'input' in part ? (task.view.record.inputs[part.input] ?? null) : null;
  const { store, bucket } = ctx.platform;
  if (task.step.input === 'url') return stageNothing(ctx, task, part.kind === 'whole' ? input : null);
  const { split } = task.view.record.spec.input ?? {};
  const params = partParams(part) ?? {};
  const target = targetOf(task, directory, params, extensionOfPart(part, input));
  const staged = await stagePart(part, { input, store, bucket, target: target.file, signal, split });
  return {
    ...stagedInputOf(target, staged.bytes, params),
    extension: part.kind === 'whole' && input !== null ? extensionOf(baseNameOf(input.name)) : '',
    inputName: input?.name ?? null,
    ...(staged.checked && { wholeRecords: true }),
    ...recordsOf(part),
  };
};

/** A whole file that its command opens where it is. */
async function stageNothing({ platform }: StageContext, task: Runnable, input: JobInput | null): Promise<StagedInput> {
  if (input === null)
    throw new BatchctlError('jobFile', `step ${task.step.name} has input: url, but its task is no whole file`, {
      hint: `batchctl retry ${task.message.job} --with JOBFILE, with input: file`,
    });
  const unstaged = await unstagedInput(input, platform, task.step.timeout);
  const extension = extensionOf(baseNameOf(input.name));
  return { stdin: null, path: null, unstaged, bytes: input.size, params: {}, inputName: input.name, extension };
}

/** Several files: joined, or in a directory, which may have a list. */
async function stagePackPart(
  { platform: { store, bucket } }: StageContext,
  task: Runnable,
  directory: SlotDirectory,
  part: PackPart,
  signal: AbortSignal,
): Promise<StagedInput> {
  const { record } = task.view;
  const source = { store, bucket, record, part, signal };
  const { input: how } = task.step;
  if (how !== 'dir' && how !== 'list') {
    const target = targetOf(task, directory, {});
    const bytes = await joinPack(source, target.file);
    return { ...stagedInputOf(target, bytes, {}), pack: { files: part.files, directory: null } };
  }
  const { inputDirectory, stdin } = directory;
  const list = how === 'list' ? stdin : null;
  const bytes = await unpackInto(source, { directory: inputDirectory, list, listedAs: directory.listedAs });
  const pack = { files: part.files, directory: inputDirectory };
  return { ...NO_NAME, stdin: list, path: list ?? inputDirectory, bytes, params: {}, pack };
}

function recordsOf(part: Part): Pick<StagedInput, 'records'> {
  if ((part.kind !== 'range' && part.kind !== 'piece') || part.first === undefined) return {};
  return { records: { first: part.first, count: part.records ?? 0 } };
}

/** A file published by the step before: the part of a task after an `explode`. */
const stageFile: Stage = async (ctx, task, directory, signal) => {
  const part = await ctx.jobs.filePart(task.view, task.index, task.message.task);
  const extension = extensionOf(baseNameOf(part.name));
  const target = targetOf(task, directory, {}, extension);
  const { bytes } = await stagePart(part, { input: null, store: ctx.platform.store, target: target.file, signal });
  const { checksum: inputChecksum, name: inputName } = part;
  return { ...stagedInputOf(target, bytes, {}), extension, inputName, inputChecksum };
};

/** The previous step's output of the same chain, compared with its published checksum. */
const stagePrevious: Stage = async (ctx, task, directory, signal) => {
  const { job, task: n } = task.message;
  const step = task.view.record.spec.steps[task.index - 1]?.name ?? '';
  const params = await chainParams(ctx, task);
  const extension = await previousExtension(ctx, task, params);
  const target = targetOf(task, directory, params, extension);
  const { bytesOut, checksum } = await copyOutput({ store: ctx.platform.store, job, step }, n, target.file, signal);
  const staged = { ...stagedInputOf(target, bytesOut, params), extension };
  const inputName = usesInputName(task.step.run) ? await chainInputName(ctx, task) : null;
  return { ...staged, inputName, inputChecksum: checksum };
};

/**
 * The extension of what the step before wrote in the same chain: its own, or that of the whole file that the chain began
 * with if all steps before wrote `output: file`. Empty if this step neither opens its input nor names its output by it.
 */
async function previousExtension(ctx: StageContext, task: Runnable, params: StagedInput['params']): Promise<string> {
  const { step, index, view, overrides } = task;
  const { steps } = view.record.spec;
  if (!opensInput(task, params) && (step.output !== 'file' || step.extension !== undefined)) return '';
  const start = sectionStart(steps, index);
  if (steps[start]?.gather === true) return '';
  for (const accepted of steps.slice(start, index).reverse()) {
    const before = changedStep(accepted, overrides);
    if (before.output !== 'file') return '';
    if (before.extension !== undefined) return before.extension;
  }
  if (!takesFiles(steps, start) && view.record.spec.input?.split.by !== 'file') return '';
  return extensionOf(baseNameOf((await chainInputName(ctx, task)) ?? ''));
}

/** The parameters of the part with which a task's chain began. */
async function chainParams(
  { jobs }: StageContext,
  { view, index, message: { task } }: Runnable,
): Promise<StagedInput['params']> {
  const { spec } = view.record;
  const split = spec.input?.split;
  if (split === undefined || !hasParams(split) || sectionStart(spec.steps, index) > 0) return {};
  return numberedParams(view.record, task) ?? partParams(await jobs.part(view.record, task)) ?? {};
}

/** Whether a command of a later step uses the name of the input that its chain began with. */
function usesInputName(run: StepSpec['run']): boolean {
  if (typeof run === 'string') return /\bBATCHCTL_INPUT_(NAME|BASENAME|STEM)\b/.test(run);
  return run.some((argument) => placeholdersOf(argument).some((name) => name === 'name' || name === 'stem'));
}

/** The name of the input, or of the exploded file, that a chain began with; null if it began with neither. */
async function chainInputName({ jobs }: StageContext, { view, index, message }: Runnable): Promise<string | null> {
  const { spec, inputs } = view.record;
  const start = sectionStart(spec.steps, index);
  if (spec.steps[start]?.gather === true) return null;
  if (takesFiles(spec.steps, start)) return (await jobs.filePart(view, start, message.task)).name;
  const part = await jobs.part(view.record, message.task);
  return 'input' in part && part.kind !== 'pack' ? (inputs[part.input]?.name ?? null) : null;
}

/** Copies a verified output to a file. Returns what was published of it. */
async function copyOutput(source: OutputSource, task: number, path: string, signal: AbortSignal): Promise<OutputMeta> {
  const { files, meta } = await verifiedOutput(source, task);
  const [only] = files;
  if (only !== undefined && files.length === 1 && only.size <= IN_MEMORY) {
    writeFileSync(path, only.size === 0 ? '' : await verifiedBytes(source, task, only), { mode: 0o600 });
    return meta;
  }
  const target = await open(path, 'w', 0o600);
  try {
    for (const file of files) {
      for await (const chunk of verifiedChunks(source, task, file, signal)) await target.writeFile(chunk);
    }
  } finally {
    await target.close();
  }
  return meta;
}

const stageGather: Stage = async (ctx, task, directory, signal) => {
  const { view, step, index, message } = task;
  const opened = await readOpened(ctx.platform.store, message.job, step.name);
  if (opened === null) throw new BatchctlError('corrupt', `gather ${step.name} runs, but was never opened`);
  const source: GatherSource = {
    store: ctx.platform.store,
    job: message.job,
    step: view.record.spec.steps[index - 1]?.name ?? '',
    size: stepTotals(view)[index - 1] ?? 0,
    opened,
    digest: new GatherDigest(),
  };
  const staged = await writeGathered(source, task, directory, signal);
  return { ...staged, inputChecksum: source.digest.finish() };
};

async function writeGathered(
  source: GatherSource,
  task: Runnable,
  directory: SlotDirectory,
  signal: AbortSignal,
): Promise<StagedInput> {
  const { view, step, index } = task;
  if (step.input === 'dir') {
    const bytes = await writeOutputFiles(source, directory.inputDirectory, signal);
    return { ...NO_NAME, stdin: null, path: directory.inputDirectory, bytes, params: {} };
  }
  if (step.input === 'list') {
    const bytes = await writeOutputList(source, directory.stdin);
    return { ...NO_NAME, stdin: directory.stdin, path: directory.stdin, bytes, params: {} };
  }
  const { spec } = view.record;
  const joins = { join: joinOf(spec, index - 1, step), quote: headerQuote(spec) };
  const bytes = await writeJoinedOutputs(source, directory.stdin, { ...step, ...joins }, signal);
  return stagedInputOf(targetOf(task, directory, {}), bytes, {});
}

const NO_NAME = { extension: '', inputName: null } as const;

/** The file that a task's input is written to, and whether its command opens that by its path. */
interface InputTarget {
  readonly file: string;
  readonly isOpened: boolean;
}

/** Many programs judge a file by its extension, so one that they open has that of the input. */
function targetOf(
  task: Runnable,
  { stdin }: SlotDirectory,
  params: StagedInput['params'],
  extension = '',
): InputTarget {
  const isOpened = opensInput(task, params);
  return { file: isOpened ? `${stdin}${extension}` : stdin, isOpened };
}

/** The extension of what a task gets: parts are cut from decompressed bytes. A line of a list or table is no file of its kind. */
function extensionOfPart(part: Part, input: JobInput | null): string {
  if (input === null || part.kind === 'item' || part.kind === 'row' || part.kind === 'params') return '';
  return extensionOf(baseNameOf(input.name), { unpacked: part.kind !== 'whole' });
}

function stagedInputOf({ file, isOpened }: InputTarget, bytes: number, params: StagedInput['params']): StagedInput {
  const stdin = isOpened || bytes === 0 ? null : file;
  return { ...NO_NAME, stdin, path: isOpened ? file : null, bytes, params };
}

const opensInput = (task: Runnable, params: StagedInput['params']): boolean =>
  task.step.input === 'file' || usesInputPath(task, params);

/** Whether an argument is `{input}`. A command that opens its input should not find it on stdin, too. */
function usesInputPath({ step, view, overrides }: Runnable, params: Readonly<Record<string, string>>): boolean {
  if (!usesPlaceholder(step.run, 'input')) return false;
  return !Object.hasOwn({ ...changedParams(view.record, overrides), ...params }, 'input');
}

/** The number of outputs looked up ahead of the current one. */
const AHEAD = 16;

interface GatherSource {
  readonly store: ObjectStore;
  readonly job: string;
  /** The step before the gather, and how many tasks it can have. */
  readonly step: string;
  readonly size: number;
  readonly opened: OpenedGather;
  /** Receives the checksum of each output as it is read. */
  readonly digest: GatherDigest;
}

/** The tasks that an opened gather takes, ascending: all except those left out. */
function gatheredTasks({ size, opened }: GatherSource): Iterable<number> {
  return tasksWithout(opened.leftOut, size);
}

/**
 * Joins the outputs into one file for the gather, reading ahead and comparing checksums; with `header: once` it keeps
 * only the first one's first line. Returns the bytes. Throws `proof` for an output that is gone or altered, and
 * `JoinError`, with the fix in its message, for one without that first line, or if it can't tell how to join them.
 */
async function writeJoinedOutputs(
  source: GatherSource,
  path: string,
  gather: Pick<StepSpec, 'name' | 'header'> & Pick<JoinOptions, 'join' | 'quote'>,
  signal: AbortSignal,
): Promise<number> {
  const tally = new Tally(source.opened.count);
  const target = await open(path, 'w', 0o600);
  try {
    // A guess of how they are joined iterates them again.
    const tasks = { [Symbol.iterator]: () => gatheredTasks(source)[Symbol.iterator]() };
    const { header, quote, join } = gather;
    const onOutput = ({ meta }: Output): void => source.digest.add(meta.checksum);
    await joinOutputs({ source, tasks, header, quote, join, tally, signal, onOutput }, (bytes) =>
      target.writeFile(bytes),
    );
  } catch (error) {
    if (!(error instanceof JoinError)) throw error;
    const change =
      error instanceof HeaderError
        ? `remove header from step ${gather.name}`
        : `give step ${gather.name} join: bytes, or join: lines,`;
    throw new JoinError(
      `${error.message}; ${change} in the job file, then batchctl retry ${source.job} --with JOBFILE`,
    );
  } finally {
    await target.close();
  }
  return tally.now.bytes;
}

/** Writes the outputs as files: `<task>`, or `<task>/<name>` for steps with several. Returns the bytes. */
async function writeOutputFiles(source: GatherSource, directory: string, signal: AbortSignal): Promise<number> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let bytes = 0;
  for await (const output of mapAhead(gatheredTasks(source), AHEAD, (task) => verifiedOutput(source, task))) {
    source.digest.add(output.meta.checksum);
    for (const file of output.files) {
      const path = join(directory, taskNumber(output.task), file.name);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      await writeChunks(path, verifiedChunks(source, output.task, file, signal), { mode: 0o600, signal });
      bytes += file.size;
    }
  }
  return bytes;
}

/** Writes a list of the outputs, one JSON line each: task, name, key, size, checksum. Returns the list's bytes. */
async function writeOutputList(source: GatherSource, path: string): Promise<number> {
  const target = await open(path, 'w', 0o600);
  let written = 0;
  try {
    for await (const output of mapAhead(gatheredTasks(source), AHEAD, (task) => verifiedOutput(source, task))) {
      source.digest.add(output.meta.checksum);
      const lines = output.files.map(({ name, key, size, checksum }) =>
        Buffer.from(`${JSON.stringify({ task: output.task, name, key, size, checksum })}\n`),
      );
      const bytes = Buffer.concat(lines);
      await target.writeFile(bytes);
      written += bytes.length;
    }
  } finally {
    await target.close();
  }
  return written;
}

/** A job's files, unpacked once per worker and copied into each attempt's directory. */
export class CodeCache {
  readonly #store: ObjectStore;
  readonly #directory: string;
  readonly #unpacked = new Map<string, Promise<string>>();

  constructor(store: ObjectStore, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  /** Copies the files of an archive into `target` (clones, on file systems that can). */
  async copyInto(sha256: string, target: string): Promise<void> {
    copyTree(await this.#unpack(sha256), target);
  }

  /** Whether an archive that was copied before has this file. */
  has(sha256: string, path: string): boolean {
    return existsSync(join(this.#directoryOf(sha256), path));
  }

  #directoryOf(sha256: string): string {
    return join(this.#directory, sha256);
  }

  #unpack(sha256: string): Promise<string> {
    let unpacked = this.#unpacked.get(sha256);
    if (unpacked === undefined) {
      unpacked = this.#fetch(sha256);
      this.#unpacked.set(sha256, unpacked);
      unpacked.catch(() => this.#unpacked.delete(sha256));
    }
    return unpacked;
  }

  async #fetch(sha256: string): Promise<string> {
    const directory = this.#directoryOf(sha256);
    if (existsSync(directory)) return directory;
    const partial = `${directory}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true, mode: 0o700 });
    await fetchCode(this.#store, sha256, partial);
    renameSync(partial, directory);
    return directory;
  }
}

function copyTree(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      mkdirSync(target, { recursive: true, mode: 0o700 });
      copyTree(source, target);
    } else copyFileSync(source, target, constants.COPYFILE_FICLONE);
  }
}
