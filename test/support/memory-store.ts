import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { BatchctlError } from '../../src/errors.ts';
import type {
  ListOptions,
  Metadata,
  ObjectEntry,
  ObjectInfo,
  ObjectStore,
  ObjectStream,
  PutOptions,
  PutResult,
  ReadOptions,
  UploadOptions,
} from '../../src/ports/object-store.ts';

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly metadata: Metadata;
  readonly etag: string;
  readonly modified: number;
}

interface Folder {
  readonly objects: Map<string, StoredObject>;
  /** Its keys in order; null if they changed since the last listing. */
  sorted: string[] | null;
}

/** An object store in memory, for tests of other things. */
export class MemoryStore implements ObjectStore {
  readonly location = 'memory';
  /** By the part of the key before the last slash, so that frequent listings of many objects are fast. */
  readonly #folders = new Map<string, Folder>();
  readonly #now: () => number;
  #writes = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  sorted(prefix: string): readonly string[] {
    const found: string[] = [];
    let folders = 0;
    for (const [name, folder] of this.#folders) {
      if (!name.startsWith(prefix) && !prefix.startsWith(name)) continue;
      folder.sorted ??= [...folder.objects.keys()].sort(compare);
      for (const key of folder.sorted) if (key.startsWith(prefix)) found.push(key);
      folders += 1;
    }
    return folders > 1 ? found.sort(compare) : found;
  }

  async put(key: string, body: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    const metadata = JSON.stringify(options.metadata ?? {});
    if (
      /[^\x20-\x7e]/.test(metadata) ||
      Object.entries(options.metadata ?? {})
        .flat()
        .join('').length > 2048
    ) {
      throw new BatchctlError('usage', `${key}: metadata is ASCII, at most 2,048 bytes; found ${metadata}`);
    }
    const folder = this.#folders.get(folderOf(key)) ?? { objects: new Map<string, StoredObject>(), sorted: null };
    this.#folders.set(folderOf(key), folder);
    const there = folder.objects.get(key);
    if (options.ifAbsent && there !== undefined) return { created: false, etag: there.etag };
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);
    this.#writes += 1;
    const etag = createHash('sha256').update(bytes).update(`#${this.#writes}`).digest('hex').slice(0, 32);
    if (there === undefined) folder.sorted = null;
    folder.objects.set(key, { bytes, metadata: { ...options.metadata }, etag, modified: this.#now() });
    return { created: true, etag };
  }

  async read(key: string, options: ReadOptions = {}): Promise<Uint8Array | null> {
    options.signal?.throwIfAborted();
    const held = this.#held(key);
    if (held === undefined) return null;
    if (options.etag !== undefined && options.etag !== held.etag) {
      throw new BatchctlError(
        'changed',
        `${key} is no longer what it was: expected ${options.etag}, found ${held.etag}`,
      );
    }
    const { offset, length } = options.range ?? { offset: 0, length: held.bytes.length };
    return held.bytes.slice(offset, offset + length);
  }

  async get(key: string, options: ReadOptions = {}): Promise<ObjectStream | null> {
    const info = await this.head(key);
    const bytes = await this.read(key, options);
    if (info === null || bytes === null) return null;
    return { info, body: Readable.from(bytes.length === 0 ? [] : [Buffer.from(bytes)], { objectMode: false }) };
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const held = this.#held(key);
    return held === undefined ? null : { ...entry(key, held), metadata: held.metadata };
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectEntry> {
    const keys = this.sorted(prefix)
      .filter((key) => options.from === undefined || compare(key, options.from) >= 0)
      .filter((key) => options.to === undefined || compare(key, options.to) < 0);
    for (const key of keys) {
      options.signal?.throwIfAborted();
      const held = this.#held(key);
      if (held !== undefined) yield entry(key, held);
    }
  }

  async *keys(prefix: string, options: ListOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key;
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const folder = this.#folders.get(folderOf(key));
      if (folder?.objects.delete(key)) folder.sorted = null;
      if (folder?.objects.size === 0) this.#folders.delete(folderOf(key));
    }
  }

  async copy(from: string, to: string, options: { readonly ifAbsent?: boolean } = {}): Promise<PutResult> {
    const held = this.#held(from);
    if (held === undefined) throw new BatchctlError('notFound', `there is no object ${from} to copy`);
    return await this.put(to, held.bytes, { ...options, metadata: held.metadata });
  }

  async presign(): Promise<null> {
    return null;
  }

  async uploadFile(path: string, key: string, options: UploadOptions = {}): Promise<PutResult> {
    options.signal?.throwIfAborted();
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw new BatchctlError('notFound', `there is no file ${path} to put`, { cause });
    });
    await options.check?.();
    const result = await this.put(key, bytes, options);
    if (options.consume && result.created) await rm(path);
    options.onProgress?.(bytes.length);
    return result;
  }

  #held(key: string): StoredObject | undefined {
    return this.#folders.get(folderOf(key))?.objects.get(key);
  }
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1);

function entry(key: string, held: StoredObject): ObjectEntry {
  return { key, size: held.bytes.length, etag: held.etag, modified: held.modified };
}

/** In the order of UTF-8 bytes, which is that of UTF-16 units unless a character has two. */
function compare(a: string, b: string): number {
  if (/[\ud800-\udfff]/.test(a) || /[\ud800-\udfff]/.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : Number(a > b);
}
