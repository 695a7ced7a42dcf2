import { createHash } from 'node:crypto';
import { type Dirent, lchownSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { isInvalidUtf8 } from '../jobs/data/path-errors.ts';
import { readOutput } from '../jobs/output.ts';
import { bytesChecksum, fileChecksum } from '../lib/file-checksum.ts';
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
import type { AdmittedTask } from './admit.ts';
import type { Outcome } from './outcome.ts';
import type { Retrier } from './retrier.ts';
import type { SlotDirectory } from './slot-directory.ts';

/** Facts of an output known before its bytes are. */
type MetaBase = Omit<OutputMeta, 'format' | keyof OutputTask | 'bytesOut' | 'checksum' | 'manifest'>;

interface Target {
  readonly store: ObjectStore;
  readonly retrier: Pick<Retrier, 'run'>;
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
  const path = output === 'file' ? directory.outputFile : directory.stdout;
  const found = output === 'none' ? null : sizeOf(path, '$BATCHCTL_OUTPUT', directory);
  const size = found ?? 0;
  // An empty file that the command made itself is its output.
  if (size === 0 && (output !== 'file' || found === null)) to.refuseNoOutput();
  const checksum = size === 0 ? EMPTY_CHECKSUM : await checksumOf(path, size);
  const meta: OutputMeta = { ...ownerFields(task), ...base, bytesOut: size, checksum };
  const text = asciiJson(meta);
  if (size > DIRECT_LIMIT || text.length > META_LIMIT) {
    const file = await stage(to, task, base.attempt, { name: '', path, size, checksum });
    return publishManifest(to, task, { format: OUTPUT_FORMAT, meta, single: true, files: [file] });
  }
  const key = outKey(task.message.job, task.message.step, task.message.task);
  const metadata = { [META_KEY]: text };
  // An empty existing file is consumed too: no need to delete it and create another.
  const options = { ifAbsent: true, metadata };
  const { created } = await to.retrier.run((signal) =>
    found === null
      ? to.store.put(key, new Uint8Array(), options)
      : to.store.uploadFile(path, key, { ...options, consume: true, ...(signal && { signal }) }),
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
  const names = outputNames(directory.outputDirectory);
  if (names.length === 0) to.refuseNoOutput();
  for (const name of names) {
    const path = join(directory.outputDirectory, name);
    const size = sizeOf(path, `${name} in $BATCHCTL_OUTPUT_DIR`, directory) ?? 0;
    const checksum = size === 0 ? EMPTY_CHECKSUM : await checksumOf(path, size);
    lines.update(`${checksum} ${size} ${name}\n`);
    files.push(await stage(to, task, base.attempt, { name, path, size, checksum }));
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

/** The files below a directory, sorted. Throws `jobFailed` for a link or a device, and for a name that isn't UTF-8. */
function outputNames(directory: string): readonly string[] {
  const names: string[] = [];
  const walk = (at: string): void => {
    for (const entry of entriesOf(at)) {
      const path = join(at, entry.name);
      if (isInvalidUtf8(path)) throw invalidNameError(relative(directory, path));
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) names.push(relative(directory, path).split(sep).join('/'));
      else
        throw new BatchctlError(
          'jobFailed',
          `${relative(directory, path)} in $BATCHCTL_OUTPUT_DIR is not a regular file`,
        );
    }
  };
  walk(directory);
  return names.sort();
}

/** It can't be part of a key, and a retry would not help. */
function invalidNameError(name: string): BatchctlError {
  return new BatchctlError(
    'jobFailed',
    `the name of ${JSON.stringify(name)} in $BATCHCTL_OUTPUT_DIR is not valid UTF-8`,
  );
}

/** Throws `jobFailed` if the command removed its output directory. */
function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw new BatchctlError('jobFailed', '$BATCHCTL_OUTPUT_DIR is gone: the command removed it', { cause });
  }
}

async function stage(
  { store, retrier }: Target,
  task: AdmittedTask,
  attempt: string,
  file: { readonly name: string; readonly path: string; readonly size: number; readonly checksum: string },
): Promise<OutputFile> {
  const { job, step, task: number } = task.message;
  const key = stagedKey(job, step, number, attempt, file.name);
  await retrier.run((signal) => store.uploadFile(file.path, key, { consume: true, ...(signal && { signal }) }));
  return { name: file.name, key, size: file.size, checksum: file.checksum };
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

const EMPTY_CHECKSUM = `sha256:${createHash('sha256').digest('hex')}`;

/**
 * Null if there is no file. Throws `jobFailed` for other file types, and, if commands run as another user, for someone
 * else's hard-linked file: this process may read what the command may not. The command can't write its own file any
 * more.
 */
function sizeOf(path: string, name: string, { own }: SlotDirectory): number | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (!stat.isFile()) throw new BatchctlError('jobFailed', `${name} is not a regular file`);
  if (own === undefined) return stat.size;
  if (stat.uid !== own.owner.uid) throw new BatchctlError('jobFailed', `${name} is not the command's own file`);
  lchownSync(path, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  return stat.size;
}

async function checksumOf(path: string, size: number): Promise<string> {
  return size <= DIRECT_LIMIT ? bytesChecksum(readFileSync(path)) : fileChecksum(path);
}
