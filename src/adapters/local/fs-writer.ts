import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  promises, // loads fs/promises when it is first used
  renameSync,
  statSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { randomId } from '../../lib/id.ts';
import { readBuffer } from '../../lib/read-file.ts';
import type { Metadata, PutOptions, PutResult, UploadOptions } from '../../ports/object-store.ts';
import { makeTail, openObject, type Tail } from './fs-object.ts';
import { type PublishOptions, publishFile, removeFile, writeFully } from './fs-publish.ts';

const CHUNK = 4 * 1024 * 1024;

interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Copies the first `length` bytes of a file (if undefined, its length by then) to a new one, sharing blocks if the
 * file system can; returns how many there were. A failed copy is removed.
 * @throws the signal's reason when it aborts; the file system's errors.
 */
async function copyBytes(
  from: string,
  to: string,
  length: number | undefined,
  options: CopyOptions = {},
): Promise<number> {
  options.signal?.throwIfAborted();
  try {
    return (await cloneBytes(from, to, length)) ?? (await copyChunks(from, to, length, options));
  } catch (error) {
    await promises.rm(to, { force: true });
    throw error;
  }
}

/** Copy-on-write if the file system supports it, instant for any size; null if not. */
async function cloneBytes(from: string, to: string, length: number | undefined): Promise<number | null> {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch {
    // Most file systems can't. If something else was wrong, copying meets it again.
    await promises.rm(to, { force: true });
    return null;
  }
  await promises.chmod(to, 0o600);
  return withFile(to, 'r+', async (file) => {
    if (length !== undefined) ftruncateSync(file.fd, length);
    return (await file.stat()).size;
  });
}

async function copyChunks(
  from: string,
  to: string,
  length: number | undefined,
  { signal, onProgress }: CopyOptions,
): Promise<number> {
  return withFile(from, 'r', (source) =>
    withFile(to, 'wx', async (target) => {
      const limit = length ?? Number.POSITIVE_INFINITY;
      const size = length ?? (await source.stat()).size;
      const buffer = readBuffer(Math.max(1, Math.min(CHUNK, size + 1)));
      let done = 0;
      while (done < limit) {
        signal?.throwIfAborted();
        const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, limit - done), done);
        if (bytesRead === 0) break;
        for (let written = 0; written < bytesRead; ) {
          written += (await target.write(buffer, written, bytesRead - written, done + written)).bytesWritten;
        }
        done += bytesRead;
        onProgress?.(done);
      }
      return done;
    }),
  );
}

async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await promises.open(path, flags, 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Up to this size, joining bytes and tail costs less than a second write. */
const JOINED = 256 * 1024;

/** Set with the first file: a process that only reads needs no random bytes. */
let nonce = '';
let temporaryCount = 0;

/** The target of a write: its key, and the path of its file. */
interface Target {
  readonly key: string;
  readonly path: string;
}

interface Unfinished {
  readonly temporary: string;
  /** The object's bytes, if they aren't in the file yet. */
  readonly body?: Uint8Array;
  readonly size: number;
}

/** Writes complete files in `tmp/`, then gives them their names in `store/`. */
export class FsWriter {
  readonly directory: string;
  readonly #temporaries: string;
  readonly #sync: boolean;
  readonly #clock: Clock;

  constructor(root: string, sync: boolean, clock: Clock) {
    this.directory = join(root, 'store');
    this.#temporaries = join(root, 'tmp');
    this.#sync = sync;
    this.#clock = clock;
  }

  put(target: Target, body: Uint8Array, options: PutOptions): PutResult {
    return this.#finish({ temporary: this.#temporary(), body, size: body.length }, target, options);
  }

  /** Copies an object's file, of which `size` bytes are the object's own. */
  async copy(source: { path: string; size: number }, target: Target, options: PutOptions): Promise<PutResult> {
    const temporary = this.#temporary();
    const size = await copyBytes(source.path, temporary, source.size);
    if (size < source.size) {
      removeFile(temporary);
      throw new BatchctlError('corrupt', `Expected ${source.size} bytes to copy to ${target.key}, found ${size}`);
    }
    return this.#finish({ temporary, size }, target, options);
  }

  async upload(path: string, target: Target, options: UploadOptions): Promise<PutResult> {
    const moved = options.consume === true ? this.#move(path, target, options) : null;
    if (moved !== null) return moved;
    checkSource(path);
    return (options.ifAbsent === true ? readExisting(target) : null) ?? this.#copyIn(path, target, options);
  }

  /** Turns the file itself into the object. Null if it is on another disk, read-only, or has other hard links. */
  #move(path: string, target: Target, options: UploadOptions): PutResult | null {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    // A file with other hard links, or a symbolic link, would change for its other users too.
    if (stats?.isFile() !== true || stats.nlink !== 1) return null;
    const temporary = this.#temporary();
    try {
      // Moves the file away first: if this process is killed while the object is at `path` too, a program that
      // truncates `path` cuts the object.
      renameSync(path, temporary);
    } catch (error) {
      if (hasCode(error, 'EXDEV')) return null;
      throw error;
    }
    let result: PutResult | null = null;
    try {
      result = this.#appendAndPublish({ temporary, size: stats.size }, target, options);
    } finally {
      if (result?.created !== true && isUnpublished(temporary)) renameSync(temporary, path);
    }
    return result;
  }

  /** Appends the tail and publishes; unless the result is `created`, the file is unchanged. */
  #appendAndPublish({ temporary, size }: Unfinished, target: Target, options: UploadOptions): PutResult | null {
    const fd = openForAppend(temporary);
    if (fd === null) return null;
    let result: PutResult | null = null;
    try {
      const tail = this.#tail(size, options.metadata);
      writeFully(fd, tail.bytes);
      checkUntouched(fd, size + tail.bytes.length, target);
      const created = publishFile(temporary, target.path, this.#publishOptions(options)) === 'created';
      result = created ? { created, etag: tail.etag } : (readExisting(target) ?? { created, etag: '' });
      if (created) options.onProgress?.(size);
      return result;
    } finally {
      if (result?.created !== true && isUnpublished(temporary)) ftruncateSync(fd, size);
      closeSync(fd);
    }
  }

  async #copyIn(path: string, target: Target, options: UploadOptions): Promise<PutResult> {
    const temporary = this.#temporary();
    const size = await copyBytes(path, temporary, undefined, options);
    await options.check?.().catch((error: unknown) => {
      removeFile(temporary);
      throw error;
    });
    const result = this.#finish({ temporary, size }, target, options);
    if (options.consume === true && result.created) removeFile(path);
    options.onProgress?.(size);
    return result;
  }

  /** Writes the tail behind an object's bytes, which are in the file already or are `body`, and publishes the file. */
  #finish({ temporary, body, size }: Unfinished, target: Target, options: PutOptions): PutResult {
    try {
      const tail = this.#tail(size, options.metadata);
      const fd = openSync(temporary, body === undefined ? 'a' : 'wx', 0o600);
      try {
        if (body === undefined) writeFully(fd, tail.bytes);
        else writeObject(fd, body, tail.bytes);
      } finally {
        closeSync(fd);
      }
      return this.#publish(temporary, target, tail, options);
    } catch (error) {
      removeFile(temporary);
      throw error;
    }
  }

  #publish(temporary: string, target: Target, tail: Tail, options: PutOptions): PutResult {
    if (publishFile(temporary, target.path, this.#publishOptions(options)) === 'created')
      return { created: true, etag: tail.etag };
    removeFile(temporary);
    return readExisting(target) ?? { created: false, etag: '' };
  }

  #publishOptions(options: PutOptions): PublishOptions {
    return { ifAbsent: options.ifAbsent === true, sync: this.#sync };
  }

  #tail(size: number, metadata: Metadata = {}): Tail {
    return makeTail(size, metadata, this.#clock.now());
  }

  #temporary(): string {
    temporaryCount += 1;
    nonce ||= randomId(10);
    return `${this.#temporaries}/${process.pid}-${nonce}-${temporaryCount}`;
  }
}

function writeObject(fd: number, body: Uint8Array, tail: Uint8Array): void {
  if (body.length <= JOINED) {
    writeFully(fd, Buffer.concat([body, tail]));
  } else {
    writeFully(fd, body);
    writeFully(fd, tail);
  }
}

/** Whether the file has no other hard link: if publishing failed halfway, it may be the object already. */
function isUnpublished(temporary: string): boolean {
  return statSync(temporary, { throwIfNoEntry: false })?.nlink === 1;
}

/** The result for a key that another object has; null if none does (any longer). */
function readExisting(target: Target): PutResult | null {
  const object = openObject(target.path, target.key);
  if (object === null) return null;
  closeSync(object.fd);
  return { created: false, etag: object.etag };
}

function checkSource(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile()) return;
  if (stats === undefined) throw new BatchctlError('notFound', `Expected a file to upload at ${path}, found none`);
  throw new BatchctlError('usage', `Expected a file to upload at ${path}, found something else`);
}

/** Opens a file that a command made with its own umask, and closes it to others. Null if this user may not do that. */
function openForAppend(path: string): number | null {
  let fd: number | null = null;
  try {
    fd = openSync(path, 'a');
    fchmodSync(fd, 0o600);
    return fd;
  } catch (error) {
    if (fd !== null) closeSync(fd);
    if (hasCode(error, 'EACCES', 'EPERM')) return null;
    throw error;
  }
}

function checkUntouched(fd: number, expected: number, target: Target): void {
  const found = fstatSync(fd).size;
  if (found === expected) return;
  const message = `Expected no other program to write to the file that becomes ${target.key}: found ${found - expected} bytes more`;
  throw new BatchctlError('changed', message, { hint: 'End the program that still has it open.' });
}
