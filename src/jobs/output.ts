import type { Readable } from 'node:stream';
import { BatchctlError } from '../errors.ts';
import { parseStored } from '../lib/json.ts';
import { outKey, stagedKey } from '../model/keys.ts';
import { isInside, META, type OutputFile, type OutputManifest, type OutputMeta } from '../model/output.ts';
import type { Metadata, ObjectStore } from '../ports/object-store.ts';

/** A published output, whichever form it has: the one function that knows both. */
export interface Output {
  readonly task: number;
  readonly meta: OutputMeta;
  /** One file named '' for a single output. */
  readonly files: readonly OutputFile[];
}

/** The output of a task; null if it provably isn't published. */
export async function readOutput(store: ObjectStore, job: string, step: string, task: number): Promise<Output | null> {
  const key = outKey(job, step, task);
  const info = await store.head(key);
  if (info === null) return null;
  const brief = metaOf(key, info.metadata);
  if (brief.manifest !== true) {
    return { task, meta: brief, files: [{ name: '', key, size: info.size, checksum: brief.checksum }] };
  }
  const bytes = await store.read(key);
  if (bytes === null) return null;
  const manifest = parseManifest(key, bytes, { job, step, task, attempt: brief.attempt });
  return { task, meta: manifest.meta, files: manifest.files };
}

/**
 * A task's published manifest. A worker's role may write one, and its readers may have more rights, as the manager has: so each
 * file must lie where this attempt stages a file of that name. Throws `corrupt` for a manifest that names any other object.
 */
function parseManifest(
  key: string,
  bytes: Uint8Array,
  by: { readonly job: string; readonly step: string; readonly task: number; readonly attempt: string },
): OutputManifest {
  const manifest = parseStored<OutputManifest>(key, bytes);
  const wrong = (found: string): BatchctlError =>
    new BatchctlError('corrupt', `the manifest ${key} ${found}`, {
      hint: `batchctl wrote no such manifest: find out who did, delete ${key}, and send its task again: batchctl verify ${by.job} --repair`,
    });
  if (!/^[a-z0-9]+$/.test(by.attempt)) throw wrong(`is of the attempt ${JSON.stringify(by.attempt)}: expected an id`);
  if (!Array.isArray(manifest.files)) throw wrong('has no list of files');
  for (const { name, key: found } of manifest.files) {
    if (typeof name !== 'string' || (name !== '' && !isInside(name))) {
      throw wrong(`names a file ${JSON.stringify(name)}: expected a path below a directory`);
    }
    const expected = stagedKey(by.job, by.step, by.task, by.attempt, name);
    if (found !== expected) {
      throw wrong(`has its file ${JSON.stringify(name)} at ${JSON.stringify(found)}: expected ${expected}`);
    }
  }
  return manifest;
}

/** What an output's metadata says. Throws `corrupt` for an object that no attempt published. */
export function metaOf(key: string, metadata: Metadata): OutputMeta {
  const text = metadata[META];
  if (text === undefined) {
    throw new BatchctlError('corrupt', `${key} is no published output: it has no batchctl metadata`, {
      hint: 'delete it; batchctl verify --repair then sends its task again',
    });
  }
  return parseStored<OutputMeta>(key, new TextEncoder().encode(text));
}

/** The bytes of one output file as a stream. Throws `corrupt` if it is gone. */
export async function openFile(store: ObjectStore, file: OutputFile, signal?: AbortSignal): Promise<Readable> {
  const found = await store.get(file.key, signal === undefined ? {} : { signal });
  if (found !== null) return found.body;
  throw new BatchctlError('corrupt', `${file.key} is gone, though an output names it`, {
    hint: 'batchctl verify --repair',
  });
}
