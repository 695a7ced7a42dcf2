import { createHash } from 'node:crypto';
import { BatchctlError } from '../errors.ts';
import { readOutput } from '../jobs/output.ts';
import { bytesChecksum } from '../lib/file-checksum.ts';
import { asciiJson } from '../lib/json.ts';
import { outKey, stagedKey, stagedPrefix } from '../model/keys.ts';
import {
  DIRECT_LIMIT,
  META_KEY,
  META_LIMIT,
  OUTPUT_FORMAT,
  type OutputFile,
  type OutputManifest,
  type OutputMeta,
  type OutputTask,
} from '../model/output.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { AdmittedTask } from './admitted-task.ts';
import { type LeftFile, takeOutputFile, takeOutputFiles } from './left-output.ts';
import type { Outcome } from './outcome.ts';
import type { Retrier } from './retrier.ts';
import type { SlotDirectory } from './slot-directory.ts';

/** Facts of an output known before its bytes are. */
type MetaBase = Omit<OutputMeta, 'format' | keyof OutputTask | 'bytesOut' | 'checksum' | 'manifest'>;

interface Target {
  readonly store: ObjectStore;
  readonly retrier: Pick<Retrier, 'run'>;
  /** Ends the reading of a large output. */
  readonly signal: AbortSignal;
  /** Called for an output without a byte and without a file of its own; throws if it can't be what the command meant. */
  readonly refuseNoOutput: () => void;
}

/** `twin`: another attempt's output exists. */
export type PublishResult = Extract<Outcome, { readonly kind: 'published' | 'twin' }>;

/**
 * Publishes an attempt's output: the fence (laws 2 to 4). A small output is one create-if-absent put; a large one, or
 * several files, are staged under the attempt's id and count once their manifest is put. Consumes the files, so that a
 * put that the store refuses for a while is repeated.
 */
export async function publish(
  to: Target,
  task: AdmittedTask,
  directory: SlotDirectory,
  base: MetaBase,
): Promise<PublishResult> {
  const { output } = task.step;
  if (output === 'files') return publishFiles(to, task, directory, base);
  const isFile = output === 'file';
  const path = isFile ? directory.outputFile : directory.stdout;
  const name = isFile ? '$BATCHCTL_OUTPUT' : 'stdout';
  const left = output === 'none' ? null : await takeOutputFile(path, name, directory, to.signal);
  try {
    // An empty file that the command made itself is its output.
    if (left === null || (left.size === 0 && !isFile)) to.refuseNoOutput();
    return await publishFile(to, task, left, base);
  } finally {
    left?.release();
  }
}

async function publishFile(
  to: Target,
  task: AdmittedTask,
  left: LeftFile | null,
  base: MetaBase,
): Promise<PublishResult> {
  const { size, checksum } = left ?? EMPTY;
  const meta: OutputMeta = { ...ownerFields(task), ...base, bytesOut: size, checksum };
  const text = asciiJson(meta);
  if (size > DIRECT_LIMIT || text.length > META_LIMIT) {
    const file = await stage(to, task, base.attempt, '', left);
    return publishManifest(to, task, { format: OUTPUT_FORMAT, meta, single: true, files: [file] });
  }
  const key = outKey(task.message.job, task.message.step, task.message.task);
  const metadata = { [META_KEY]: text };
  // An empty existing file is consumed too: no need to delete it and create another.
  const options = { ifAbsent: true, metadata };
  const { created } = await to.retrier.run((signal) =>
    left === null
      ? to.store.put(key, new Uint8Array(), options)
      : to.store.uploadFile(left.path, key, { ...options, ...left.upload, ...(signal && { signal }) }),
  );
  return created ? { kind: 'published', meta } : readBack(to, task, meta);
}

async function publishFiles(
  to: Target,
  task: AdmittedTask,
  directory: SlotDirectory,
  base: MetaBase,
): Promise<PublishResult> {
  const files: OutputFile[] = [];
  const lines = createHash('sha256');
  const left = takeOutputFiles(directory);
  if (left.length === 0) to.refuseNoOutput();
  for (const { name, take } of left) {
    const file = await take(to.signal);
    try {
      lines.update(`${file.checksum} ${file.size} ${name}\n`);
      files.push(await stage(to, task, base.attempt, name, file));
    } finally {
      file.release();
    }
  }
  const bytesOut = files.reduce((sum, file) => sum + file.size, 0);
  const meta: OutputMeta = { ...ownerFields(task), ...base, bytesOut, checksum: `sha256:${lines.digest('hex')}` };
  return publishManifest(to, task, { format: OUTPUT_FORMAT, meta, single: false, files });
}

/** The fields that both forms of an output begin with: its owner. */
function ownerFields({
  message: { job, step, task },
}: AdmittedTask): OutputTask & { readonly format: typeof OUTPUT_FORMAT } {
  return { format: OUTPUT_FORMAT, job, step, task };
}

async function stage(
  { store, retrier }: Target,
  task: AdmittedTask,
  attempt: string,
  name: string,
  left: LeftFile | null,
): Promise<OutputFile> {
  const { job, step, task: number } = task.message;
  const key = stagedKey(job, step, number, attempt, name);
  await retrier.run((signal) =>
    left === null
      ? store.put(key, new Uint8Array())
      : store.uploadFile(left.path, key, { ...left.upload, ...(signal && { signal }) }),
  );
  const { size, checksum } = left ?? EMPTY;
  return { name, key, size, checksum };
}

async function publishManifest(to: Target, task: AdmittedTask, manifest: OutputManifest): Promise<PublishResult> {
  const key = outKey(task.message.job, task.message.step, task.message.task);
  const metadata = { [META_KEY]: asciiJson({ ...ownerFields(task), attempt: manifest.meta.attempt, manifest: true }) };
  const { created } = await to.retrier.run(() =>
    to.store.put(key, JSON.stringify(manifest), { ifAbsent: true, metadata }),
  );
  return created ? { kind: 'published', meta: manifest.meta } : readBack(to, task, manifest.meta);
}

/** If the key exists, it may be from our own first try with a lost answer (law 2). */
async function readBack({ store, retrier }: Target, task: AdmittedTask, mine: OutputMeta): Promise<PublishResult> {
  const { job, step, task: number } = task.message;
  const existing = await retrier.run(() => readOutput(store, job, step, number));
  if (existing === null) throw new BatchctlError('corrupt', `${outKey(job, step, number)} existed, but is gone`);
  if (existing.meta.attempt === mine.attempt) return { kind: 'published', meta: mine };
  await retrier.run(() => deleteStaged(store, task, mine.attempt));
  return { kind: 'twin', meta: existing.meta };
}

/** Deletes what a losing attempt staged: allowed, as `out/` exists with another attempt (law 4). */
async function deleteStaged(store: ObjectStore, task: AdmittedTask, attempt: string): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of store.list(stagedPrefix(task.message.job, task.message.step, task.message.task, attempt)))
    keys.push(key);
  if (keys.length > 0) await store.delete(keys);
}

/** A command that wrote no file has an empty output. */
const EMPTY = { size: 0, checksum: bytesChecksum(new Uint8Array()) };
