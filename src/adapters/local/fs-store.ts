import { closeSync, createReadStream, read as readAt, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BatchctlError, hasCode } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { passRange } from '../../lib/read-file.ts';
import {
  LARGEST_PUT,
  type ListOptions,
  type ObjectEntry,
  type ObjectInfo,
  type ObjectStore,
  type ObjectStream,
  type PutOptions,
  type PutResult,
  type ReadOptions,
  type UploadOptions,
} from '../../ports/object-store.ts';
import { translateFsError, withFsErrors } from './fs-errors.ts';
import { type ListedFile, pathOfKey, walkObjects } from './fs-keys.ts';
import { infoOf, type OpenObject, openObject, readBytes } from './fs-object.ts';
import { removeFile } from './fs-publish.ts';
import { openRoot, removeStaleFiles } from './fs-root.ts';
import { FsWriter } from './fs-writer.ts';

export interface FsStoreOptions {
  /** The directory, created if needed; the store keeps `format`, `store/` and `tmp/` in it. */
  readonly root: string;
  /** A published object survives the death of every process, or also a power loss (synced, about 1 ms more). */
  readonly durability: 'process' | 'power';
  readonly clock?: Clock;
}

/** An object's bytes as a file: the first `size` bytes at `path`, which must not be written to. */
export interface LocalFile {
  readonly path: string;
  readonly size: number;
  readonly etag: string;
}

/** Opens the store in `root`, creating it if needed. Throws as `openRoot` does. */
export async function createFsStore(options: FsStoreOptions): Promise<FsStore> {
  const root = resolve(options.root);
  const clock = options.clock ?? systemClock;
  const sync = options.durability === 'power';
  const open = (): void => {
    openRoot(root, sync);
    removeStaleFiles(root, clock.now());
  };
  withFsErrors(`open ${options.root}`, open, root);
  return new FsStore(options.root, new FsWriter(root, sync, clock));
}

/** Reads up to this size block the event loop, because that is faster. */
const MAX_SYNC_READ = 1024 * 1024;
const YIELD_EVERY = 500;
const STREAM_CHUNK = 256 * 1024;
const readAsync = promisify(readAt);
/** Undefined for a file that provably isn't there (ENOENT); throws for anything else. */
const ONLY_IF_THERE = { throwIfNoEntry: false } as const;

/**
 * The object store on a local disk. Its file system calls are short and synchronous: an object costs some ten
 * microseconds. Large files go through the thread pool.
 */
export class FsStore implements ObjectStore {
  readonly location: string;
  readonly #writer: FsWriter;
  readonly #directory: string;
  /**
   * Whether the last lookup found nothing. The next one then calls `stat` before it opens the file: a failed open costs
   * seven times as much, and a worker's lookups before each task find nothing.
   */
  #missed = false;

  constructor(location: string, writer: FsWriter) {
    this.location = location;
    this.#writer = writer;
    this.#directory = writer.directory;
  }

  async put(key: string, body: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
    if (bytes.length > LARGEST_PUT) {
      const expected = `Expected at most ${LARGEST_PUT} bytes to put as ${key}, found ${bytes.length}`;
      throw new BatchctlError('usage', expected, { hint: 'Upload it as a file.' });
    }
    return withFsErrors(`put ${key}`, () => this.#writer.put({ key, path: this.#pathOf(key) }, bytes, options));
  }

  async read(key: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
    options.signal?.throwIfAborted();
    const object = this.#open(key, options.etag);
    if (object === null) return null;
    try {
      const { start, length } = clampRange(object, options.range);
      const into = Buffer.allocUnsafe(length);
      if (length <= MAX_SYNC_READ) readBytes(object, into, start);
      else await readInChunks(object.fd, into, start, options.signal);
      return into;
    } catch (error) {
      throw translateFsError(error, `read ${key}`);
    } finally {
      closeSync(object.fd);
    }
  }

  async get(key: string, options: ReadOptions = {}): Promise<ObjectStream | null> {
    options.signal?.throwIfAborted();
    const object = this.#open(key, options.etag);
    if (object === null) return null;
    let streaming = false;
    try {
      const info = this.#info(object, key);
      const { start, length } = clampRange(object, options.range);
      if (length === 0) return { info, body: Readable.from([], { objectMode: false }) };
      const { fd } = object;
      const range = { fd, start, end: start + length - 1, highWaterMark: STREAM_CHUNK };
      const body = createReadStream('', { ...range, ...(options.signal && { signal: options.signal }) });
      streaming = true;
      return { info, body };
    } finally {
      if (!streaming) closeSync(object.fd);
    }
  }

  async scan(key: string, options: ReadOptions, use: (bytes: Uint8Array) => void): Promise<number | null> {
    options.signal?.throwIfAborted();
    const object = this.#open(key, options.etag);
    if (object === null) return null;
    try {
      const { start: offset, length } = clampRange(object, options.range);
      return await passRange(object.fd, { offset, length }, use, options.signal);
    } finally {
      closeSync(object.fd);
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const object = this.#open(key, undefined);
    if (object === null) return null;
    try {
      return this.#info(object, key);
    } finally {
      closeSync(object.fd);
    }
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectEntry> {
    return this.#walk(prefix, options, entryOf);
  }

  keys(prefix: string, options: ListOptions = {}): AsyncIterable<string> {
    return this.#walk(prefix, options, ({ key }) => key);
  }

  async *#walk<T>(prefix: string, options: ListOptions, convert: (file: ListedFile) => T | null): AsyncGenerator<T> {
    let count = 0;
    try {
      for (const file of walkObjects(this.#directory, { prefix, from: options.from, to: options.to })) {
        options.signal?.throwIfAborted();
        const found = convert(file);
        // An object that vanished in the meantime is skipped.
        if (found !== null) yield found;
        count += 1;
        if (count % YIELD_EVERY === 0) await nextTurn();
      }
    } catch (error) {
      throw translateFsError(error, `list ${prefix}`);
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    const directories = new Set<string>();
    for (const [index, key] of keys.entries()) {
      const path = this.#pathOf(key);
      withFsErrors(`delete ${key}`, () => removeFile(path));
      directories.add(dirname(path));
      if (index % YIELD_EVERY === YIELD_EVERY - 1) await nextTurn();
    }
    for (const directory of directories) this.#removeEmpty(directory);
  }

  async copy(from: string, to: string, options: { readonly ifAbsent?: boolean } = {}): Promise<PutResult> {
    const object = this.#open(from, undefined);
    if (object === null) {
      throw new BatchctlError('notFound', `Expected the object ${from} to copy, found none`);
    }
    try {
      const { metadata } = this.#info(object, from);
      // By descriptor: if the key is overwritten now, these are still the bytes that belong to the metadata.
      const source = { path: `/dev/fd/${object.fd}`, size: object.size };
      return await this.#writer.copy(source, { key: to, path: this.#pathOf(to) }, { ...options, metadata });
    } catch (error) {
      throw translateFsError(error, `copy ${from} to ${to}`);
    } finally {
      closeSync(object.fd);
    }
  }

  /** No URL: callers that may read the directory need none. */
  async presign(): Promise<null> {
    return null;
  }

  /**
   * With `consume`, a plain file on the store's file system becomes the object itself, whatever its size; nothing may
   * have it open for writing. If the result isn't `created`, or nothing was published, `path` is unchanged.
   */
  async uploadFile(path: string, key: string, options: UploadOptions = {}): Promise<PutResult> {
    options.signal?.throwIfAborted();
    try {
      return await this.#writer.upload(path, { key, path: this.#pathOf(key) }, options);
    } catch (error) {
      throw translateFsError(error, `upload ${path} as ${key}`);
    }
  }

  /** Where an object's bytes are on this machine, for callers that prefer to open a file; null if it doesn't exist. */
  localFile(key: string): LocalFile | null {
    const object = this.#open(key, undefined);
    if (object === null) return null;
    closeSync(object.fd);
    return { path: this.#pathOf(key), size: object.size, etag: object.etag };
  }

  #pathOf(key: string): string {
    return join(this.#directory, pathOfKey(key));
  }

  #open(key: string, etag: string | undefined): OpenObject | null {
    const path = this.#pathOf(key);
    const object = withFsErrors(`read ${key}`, () =>
      this.#missed && statSync(path, ONLY_IF_THERE) === undefined ? null : openObject(path, key),
    );
    this.#missed = object === null;
    if (object === null || etag === undefined || object.etag === etag) return object;
    closeSync(object.fd);
    throw new BatchctlError('changed', `Expected version ${etag} of the object ${key}, found ${object.etag}`, {
      hint: 'It was written after it was pinned: submit again to use it as it is now.',
    });
  }

  #info(object: OpenObject, key: string): ObjectInfo {
    return withFsErrors(`read ${key}`, () => infoOf(object, this.#pathOf(key), key));
  }

  /** Removes directories that a delete left empty; publishing creates them again. */
  #removeEmpty(directory: string): void {
    for (let path = directory; path !== this.#directory; path = dirname(path)) {
      try {
        rmdirSync(path);
      } catch (error) {
        // Another process has already removed it: its parents may still be empty.
        if (!hasCode(error, 'ENOENT')) return;
      }
    }
  }
}

function entryOf({ path, key }: ListedFile): ObjectEntry | null {
  const object = openObject(path, key);
  if (object === null) return null;
  closeSync(object.fd);
  return { key, size: object.size, etag: object.etag, modified: object.modified };
}

function clampRange(object: OpenObject, range: ReadOptions['range']): { start: number; length: number } {
  if (range === undefined) return { start: 0, length: object.size };
  const { offset, length } = range;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new BatchctlError('usage', `Expected a range from 0 on, found offset ${offset}, length ${length}`);
  }
  return { start: offset, length: Math.max(0, Math.min(length, object.size - offset)) };
}

async function readInChunks(fd: number, into: Buffer, start: number, signal: AbortSignal | undefined): Promise<void> {
  for (let done = 0; done < into.length; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await readAsync(
      fd,
      into,
      done,
      Math.min(into.length - done, 16 * MAX_SYNC_READ),
      start + done,
    );
    if (bytesRead === 0) break;
    done += bytesRead;
  }
}
