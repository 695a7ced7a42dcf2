import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { BatchctlError } from '../errors.ts';
import { headerQuote } from '../jobs/fetch/text-join.ts';
import { type OutputSource, verifiedBytes, verifiedChunks, verifiedOutput } from '../jobs/fetch/verified.ts';
import { readOpened, stepTotals } from '../jobs/listing.ts';
import { stagePart } from '../jobs/split/stage-part.ts';
import { joinOf, sectionStart, takesFiles } from '../model/job.ts';
import type { Runnable } from './admit.ts';
import type { WorkerContext } from './context.ts';
import type { SlotDirectory } from './directory.ts';
import { type GatherSource, joinInto, layInto, listInto } from './gather-input.ts';

/** A task's input as files of its slot. */
export interface StagedInput {
  /** Null: empty stdin. */
  readonly stdin: string | null;
  /** The value of `$BATCHCTL_INPUT`, for `input: file`, `dir` and `list`. */
  readonly path: string | null;
  readonly bytes: number;
  /** Parameters of the part: `item`, `index`, a grid's axes. */
  readonly params: Readonly<Record<string, string>>;
  /** Name of the input that a part was split from, or of its file; null if there is none. */
  readonly inputName: string | null;
}

/** What staging needs from a worker. */
export type StageContext = Pick<WorkerContext, 'platform' | 'jobs'>;

/** Reads and writes in one go below this size; streams above it. */
const IN_MEMORY = 8 * 2 ** 20;

/**
 * Stages a task's input into its slot. Throws `changed` for an input that changed since the job was accepted, `corrupt`
 * if a required object is gone, `proof` if it isn't what was published.
 */
export async function stageIn(
  ctx: StageContext,
  task: Runnable,
  directory: SlotDirectory,
  signal: AbortSignal,
): Promise<StagedInput> {
  if (task.step.gather) return stageGather(ctx, task, directory, signal);
  if (takesFiles(task.view.record.spec.steps, task.index)) return stageFile(ctx, task, directory, signal);
  if (sectionStart(task.view.record.spec.steps, task.index) === task.index)
    return stageFirst(ctx, task, directory, signal);
  return stagePrevious(ctx, task, directory, signal);
}

async function stageFirst(
  ctx: StageContext,
  task: Runnable,
  directory: SlotDirectory,
  signal: AbortSignal,
): Promise<StagedInput> {
  const part = await ctx.jobs.part(task.message.job, task.message.task);
  const input = 'input' in part ? (task.view.record.inputs[part.input] ?? null) : null;
  const { store, bucket } = ctx.platform;
  const { bytes } = await stagePart(part, { input, store, bucket, target: directory.stdin, signal });
  const params = part.kind === 'item' ? { item: part.item } : part.kind === 'params' ? part.params : {};
  return { ...asInput(task, directory.stdin, bytes, params), inputName: input?.name ?? null };
}

/** A file published by the step before: the part of a task after an `explode`. */
async function stageFile(
  ctx: StageContext,
  task: Runnable,
  directory: SlotDirectory,
  signal: AbortSignal,
): Promise<StagedInput> {
  const part = await ctx.jobs.filePart(task.view, task.index, task.message.task);
  const { bytes } = await stagePart(part, { input: null, store: ctx.platform.store, target: directory.stdin, signal });
  return { ...asInput(task, directory.stdin, bytes, {}), inputName: part.name };
}

/** The previous step's output of the same chain, compared with its published checksum. */
async function stagePrevious(
  ctx: StageContext,
  task: Runnable,
  directory: SlotDirectory,
  signal: AbortSignal,
): Promise<StagedInput> {
  const { job, task: n } = task.message;
  const step = task.view.record.spec.steps[task.index - 1]?.name ?? '';
  const bytes = await copyOutput({ store: ctx.platform.store, job, step }, n, directory.stdin, signal);
  return asInput(task, directory.stdin, bytes, {});
}

async function copyOutput(source: OutputSource, task: number, path: string, signal: AbortSignal): Promise<number> {
  const { files, meta } = await verifiedOutput(source, task);
  const [only] = files;
  if (only !== undefined && files.length === 1 && only.size <= IN_MEMORY) {
    writeFileSync(path, only.size === 0 ? '' : await verifiedBytes(source, task, only), { mode: 0o600 });
    return only.size;
  }
  const target = await open(path, 'w', 0o600);
  try {
    for (const file of files) {
      for await (const chunk of verifiedChunks(source, task, file, signal)) await target.writeFile(chunk);
    }
  } finally {
    await target.close();
  }
  return meta.bytesOut;
}

async function stageGather(
  ctx: StageContext,
  task: Runnable,
  directory: SlotDirectory,
  signal: AbortSignal,
): Promise<StagedInput> {
  const { view, step, index, message } = task;
  const opened = await readOpened(ctx.platform.store, message.job, step.name);
  if (opened === null) throw new BatchctlError('corrupt', `gather ${step.name} runs, but was never opened`);
  const source: GatherSource = {
    store: ctx.platform.store,
    job: message.job,
    step: view.record.spec.steps[index - 1]?.name ?? '',
    size: stepTotals(view)[index - 1] ?? 0,
    opened,
  };
  if (step.input === 'dir') {
    const bytes = await layInto(source, directory.inputDirectory, signal);
    return { stdin: null, path: directory.inputDirectory, bytes, params: {}, inputName: null };
  }
  if (step.input === 'list') {
    const bytes = await listInto(source, directory.stdin);
    return { stdin: directory.stdin, path: directory.stdin, bytes, params: {}, inputName: null };
  }
  const { spec } = view.record;
  const joins = { join: joinOf(spec, index - 1, step), quote: headerQuote(spec) };
  const bytes = await joinInto(source, directory.stdin, { ...step, ...joins }, signal);
  return asInput(task, directory.stdin, bytes, {});
}

function asInput(task: Runnable, path: string, bytes: number, params: Readonly<Record<string, string>>): StagedInput {
  if (task.step.input === 'file') return { stdin: null, path, bytes, params, inputName: null };
  return { stdin: bytes === 0 ? null : path, path: null, bytes, params, inputName: null };
}
