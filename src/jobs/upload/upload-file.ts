import { readFile, stat } from 'node:fs/promises';
import { BatchctlError, hasCode } from '../../errors.ts';
import { bytesChecksum, fileChecksum } from '../../lib/file-checksum.ts';
import type { FilePin } from '../../model/job.ts';
import type { ObjectInfo, ObjectStore } from '../../ports/object-store.ts';
import { dataChecksum, dataMetadata } from '../data-key.ts';
import { filePin } from '../split/file-source.ts';
import type { FoundFile } from './find-files.ts';

/** Up to so many bytes are read once: what was checked is what is put. Larger files are read twice. */
const HELD = 8 * 2 ** 20;

export interface UploadFileOptions {
  /** Only looks whether it would be uploaded. */
  readonly dryRun: boolean;
  /** The key was just seen to hold nothing: it need not be asked for. */
  readonly isNew: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of this file that are safe so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Puts one file, with its checksum; skips it when the key holds the same bytes. Throws `changed` when the file is
 * written to meanwhile: then the key holds what it held before.
 */
export async function uploadFile(
  store: ObjectStore,
  file: FoundFile,
  { dryRun, isNew, signal, onProgress }: UploadFileOptions,
): Promise<'uploaded' | 'skipped'> {
  const pin = await pinOf(file.path);
  const there = isNew ? null : await store.head(file.key);
  const bytes = pin.size <= HELD ? await reading(file.path, () => readFile(file.path)) : null;
  const checksum = bytes === null ? await checksumOf(file.path, signal) : bytesChecksum(bytes);
  await checkUnchanged(file.path, pin);
  if (isSame(there, pin.size, checksum)) return 'skipped';
  if (dryRun) return 'uploaded';
  signal?.throwIfAborted();
  const metadata = dataMetadata(checksum);
  if (bytes !== null) {
    await store.put(file.key, bytes, { metadata });
    return 'uploaded';
  }
  await store.uploadFile(file.path, file.key, {
    metadata,
    // A file that changed while it was copied is not what its checksum says. A manager compares the checksum itself.
    check: () => checkUnchanged(file.path, pin),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  return 'uploaded';
}

/** Whether the key holds the file's bytes, as far as its checksum tells. */
export async function isUploaded(store: ObjectStore, file: FoundFile, signal?: AbortSignal): Promise<boolean> {
  const there = await store.head(file.key);
  if (there?.size !== file.size || dataChecksum(there.metadata) === null) return false;
  return isSame(there, file.size, await checksumOf(file.path, signal));
}

function isSame(there: ObjectInfo | null, size: number, checksum: string): boolean {
  return there !== null && there.size === size && dataChecksum(there.metadata) === checksum;
}

async function pinOf(path: string): Promise<FilePin> {
  return reading(path, async () => filePin(await stat(path, { bigint: true })));
}

async function checkUnchanged(path: string, pin: FilePin): Promise<void> {
  const now = await pinOf(path);
  if (now.size !== pin.size) throw changed(path, `it had ${pin.size} bytes, and now has ${now.size}`);
  if (now.inode !== pin.inode) throw changed(path, 'it was replaced by another file');
  if (now.mtimeNs !== pin.mtimeNs) throw changed(path, 'it was written to');
}

async function checksumOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  return reading(path, () => fileChecksum(path, signal === undefined ? {} : { signal }));
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR')) throw changed(path, 'it is gone', cause);
    if (!hasCode(cause, 'EACCES', 'EPERM')) throw cause;
    throw new BatchctlError('refused', `can't read ${path}: permission denied`, {
      hint: 'allow yourself to read it, or exclude it with --exclude',
      cause,
    });
  }
}

function changed(path: string, why: string, cause?: unknown): BatchctlError {
  return new BatchctlError('changed', `${path} changed during the upload: ${why}`, {
    hint: 'upload it again when nothing writes to it any more; existing files are skipped',
    cause,
  });
}
