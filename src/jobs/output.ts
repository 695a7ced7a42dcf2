import type { Readable } from 'node:stream';
import { BatchctlError } from '../errors.ts';
import { parseStored, requireShape, type Shape } from '../lib/json.ts';
import { outKey, stagedKey } from '../model/keys.ts';
import {
  isSafeRelativePath,
  META_KEY,
  OUTPUT_FORMAT,
  type OutputFile,
  type OutputManifest,
  type OutputMeta,
  type OutputTask,
} from '../model/output.ts';
import type { Metadata, ObjectStore } from '../ports/object-store.ts';

/** The format that 0.2.0, the first release, writes. */
const LEAST_FORMAT = 2;

const BRIEF: Shape = { attempt: 'text', manifest: 'flag?' };
const FULL: Shape = {
  number: 'number',
  round: 'number',
  worker: 'text',
  startedAt: 'text',
  endedAt: 'text',
  seconds: 'number',
  cpuSeconds: 'number|null',
  peakMemory: 'number|null',
  bytesIn: 'number',
  bytesOut: 'number',
  checksum: 'text',
  counters: 'map',
  inputChecksum: 'text?',
  code: 'text|null',
};
const MANIFEST: Shape = {
  meta: { format: 'number', ...BRIEF, ...FULL },
  single: 'flag',
  files: [{ name: 'text', key: 'text', size: 'number', checksum: 'text' }],
};

/** A published output of either form; only this module knows both. */
export interface Output {
  readonly task: number;
  readonly meta: OutputMeta;
  /** One file named '' for a single output. */
  readonly files: readonly OutputFile[];
}

/**
 * The output of a task; null if it provably isn't published. Throws `corrupt` for an object that no attempt published,
 * and for another task's, naming both.
 */
export async function readOutput(store: ObjectStore, job: string, step: string, task: number): Promise<Output | null> {
  const of = { job, step, task };
  const key = outKey(job, step, task);
  const info = await store.head(key);
  if (info === null) return null;
  const brief = metaOf(of, info.metadata);
  if (brief.manifest !== true) {
    return { task, meta: brief, files: [{ name: '', key, size: info.size, checksum: brief.checksum }] };
  }
  const bytes = await store.read(key);
  if (bytes === null) return null;
  const { meta, files } = manifestOf(of, brief.attempt, bytes);
  return { task, meta, files };
}

/** The metadata of a task's output. Throws `corrupt` for an object that no attempt of this task published. */
export function metaOf(of: OutputTask, metadata: Metadata): OutputMeta {
  const text = metadata[META_KEY];
  const key = outKey(of.job, of.step, of.task);
  if (text === undefined) {
    throw new BatchctlError('corrupt', `${key} is not a published output: it has no batchctl metadata`, {
      hint: againHint(of, key),
    });
  }
  const meta = parseStored<OutputMeta>(key, new TextEncoder().encode(text), { known: OUTPUT_FORMAT, shape: BRIEF });
  if (meta.format < LEAST_FORMAT)
    throw notOwn(of, `one of format ${meta.format}, from before 0.2.0, which does not name its task`);
  // For a large output, the rest is in its manifest.
  if (meta.manifest !== true) requireShape(key, meta, FULL);
  return ownMeta(of, meta);
}

/**
 * The manifest of a task's output; `attempt` is from its metadata. Throws `corrupt` for another task's or attempt's
 * manifest, and for a file that this attempt didn't stage: a worker may write a manifest, and its readers, such as the
 * manager, may have more permissions.
 */
export function manifestOf(of: OutputTask, attempt: string, bytes: Uint8Array): OutputManifest {
  const key = outKey(of.job, of.step, of.task);
  const manifest = parseStored<OutputManifest>(key, bytes, { known: OUTPUT_FORMAT, shape: MANIFEST });
  const { meta, files } = manifest;
  if (meta.format !== manifest.format)
    throw notOwn(of, `a manifest and metadata of different formats, ${manifest.format} and ${meta.format}`);
  if (meta.attempt !== attempt)
    throw notOwn(of, `a manifest and metadata of different attempts, ${meta.attempt} and ${attempt}`);
  if (!/^[a-z0-9]+$/.test(attempt)) throw notOwn(of, `the attempt ${JSON.stringify(attempt)}, which is not an id`);
  for (const { name, key: found } of files) {
    if (name !== '' && !isSafeRelativePath(name))
      throw notOwn(of, `a manifest with the file name ${JSON.stringify(name)}, which is not a path below a directory`);
    const expected = stagedKey(of.job, of.step, of.task, attempt, name);
    if (found !== expected)
      throw notOwn(of, `a manifest with ${JSON.stringify(found)}, which that attempt staged at ${expected}`);
  }
  return { ...manifest, meta: ownMeta(of, meta) };
}

function ownMeta(of: OutputTask, meta: OutputMeta): OutputMeta {
  if (meta.job === of.job && meta.step === of.step && meta.task === of.task) return meta;
  throw notOwn(of, `that of ${meta.step}/${meta.task} of job ${meta.job}`);
}

function notOwn(of: OutputTask, found: string): BatchctlError {
  const key = outKey(of.job, of.step, of.task);
  const expected = `expected the output of ${of.step}/${of.task} at ${key}`;
  return new BatchctlError('corrupt', `${expected}, found ${found}`, { hint: againHint(of, key) });
}

function againHint({ job }: OutputTask, key: string): string {
  return `move the object ${key} away; batchctl verify ${job} --repair then produces it again`;
}

/** The bytes of one output file as a stream. Throws `corrupt` if it is gone. */
export async function openFile(store: ObjectStore, file: OutputFile, signal?: AbortSignal): Promise<Readable> {
  const found = await store.get(file.key, signal === undefined ? {} : { signal });
  if (found !== null) return found.body;
  throw new BatchctlError('corrupt', `${file.key} is gone, but an output refers to it`, {
    hint: 'batchctl verify --repair',
  });
}
