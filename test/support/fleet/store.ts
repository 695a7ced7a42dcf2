import { Readable } from 'node:stream';
import { PatientRetries } from '../../../src/adapters/aws/rate-limits.ts';
import { BatchctlError } from '../../../src/errors.ts';
import { wait } from '../../../src/lib/wait.ts';
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
} from '../../../src/ports/object-store.ts';
import type { Requests } from './requests.ts';

interface Held {
  readonly bytes: Uint8Array;
  readonly metadata: Metadata;
  readonly etag: string;
  readonly modified: number;
}

/** Keys in an answer of S3 (ListObjectsV2). */
const PAGE = 1_000;
/** Milliseconds that S3 takes to answer, about. */
const TAKES = { GetObject: 20, HeadObject: 20, PutObject: 40, ListObjectsV2: 60, DeleteObjects: 40 } as const;
/** Attempts of a client (src/adapters/aws/clients.ts). */
const ATTEMPTS = 8;

/** A bucket that all of a simulation share. */
export class FleetBucket {
  readonly requests: Requests;
  /** The part of requests that are answered `503 SlowDown` now. */
  slowDown: () => number = () => 0;
  readonly #now: () => number;
  readonly #folders = new Map<string, { readonly objects: Map<string, Held>; sorted: string[] | null }>();
  #writes = 0;

  constructor(requests: Requests, now: () => number) {
    this.requests = requests;
    this.#now = now;
  }

  held(key: string): Held | undefined {
    return this.#folders.get(folderOf(key))?.objects.get(key);
  }

  put(key: string, body: Uint8Array | string, { ifAbsent = false, metadata = {} }: PutOptions): PutResult {
    const folder = this.#folders.get(folderOf(key)) ?? { objects: new Map<string, Held>(), sorted: null };
    this.#folders.set(folderOf(key), folder);
    const there = folder.objects.get(key);
    if (ifAbsent && there !== undefined) return { created: false, etag: there.etag };
    if (there === undefined) folder.sorted = null;
    this.#writes += 1;
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    const etag = String(this.#writes);
    folder.objects.set(key, { bytes, metadata, etag, modified: this.#now() });
    return { created: true, etag };
  }

  delete(keys: readonly string[]): void {
    for (const key of keys) {
      const folder = this.#folders.get(folderOf(key));
      if (folder?.objects.delete(key)) folder.sorted = null;
      if (folder?.objects.size === 0) this.#folders.delete(folderOf(key));
    }
  }

  keys(prefix: string): readonly string[] {
    const found: string[][] = [];
    for (const [name, folder] of this.#folders) {
      if (!name.startsWith(prefix) && !prefix.startsWith(name)) continue;
      folder.sorted ??= [...folder.objects.keys()].sort();
      found.push(folder.sorted);
    }
    const all = found.length === 1 ? (found[0] ?? []) : found.flat().sort();
    return all.length > 0 && all[0]?.startsWith(prefix) && all.at(-1)?.startsWith(prefix)
      ? all
      : all.filter((key) => key.startsWith(prefix));
  }
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1);

/** The bucket as one process sees it: each request is counted, takes its time, and is tried again as our clients do. */
export class FleetStore implements ObjectStore {
  readonly location = 'a simulated bucket';
  readonly #bucket: FleetBucket;
  readonly #alive: () => Promise<void>;

  /** `alive` never resolves once the process is dead. */
  constructor(bucket: FleetBucket, alive: () => Promise<void>) {
    this.#bucket = bucket;
    this.#alive = alive;
  }

  async put(key: string, body: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    await this.#ask('PutObject', key);
    return this.#bucket.put(key, body, options);
  }

  async read(key: string, { range, etag, signal }: ReadOptions = {}): Promise<Uint8Array | null> {
    signal?.throwIfAborted();
    await this.#ask('GetObject', key);
    const held = this.#bucket.held(key);
    if (held === undefined) return null;
    if (etag !== undefined && etag !== held.etag) throw new BatchctlError('changed', `${key} is no longer what it was`);
    return range === undefined ? held.bytes : held.bytes.slice(range.offset, range.offset + range.length);
  }

  async get(key: string, options: ReadOptions = {}): Promise<ObjectStream | null> {
    const bytes = await this.read(key, options);
    const held = this.#bucket.held(key);
    if (bytes === null || held === undefined) return null;
    return { info: infoOf(key, held), body: Readable.from([Buffer.from(bytes)], { objectMode: false }) };
  }

  async head(key: string): Promise<ObjectInfo | null> {
    await this.#ask('HeadObject', key);
    const held = this.#bucket.held(key);
    return held === undefined ? null : infoOf(key, held);
  }

  async *list(prefix: string, { from, to, signal }: ListOptions = {}): AsyncIterable<ObjectEntry> {
    await this.#ask('ListObjectsV2', prefix);
    let listed = 0;
    for (const key of this.#bucket.keys(prefix)) {
      if ((from !== undefined && key < from) || (to !== undefined && key >= to)) continue;
      if (listed > 0 && listed % PAGE === 0) await this.#ask('ListObjectsV2', prefix);
      signal?.throwIfAborted();
      listed += 1;
      const held = this.#bucket.held(key);
      if (held !== undefined) yield infoOf(key, held);
    }
  }

  async *keys(prefix: string, options: ListOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key;
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#ask('DeleteObjects', keys[0] ?? '');
    this.#bucket.delete(keys);
  }

  async copy(from: string, to: string, options: PutOptions = {}): Promise<PutResult> {
    const held = this.#bucket.held(from);
    if (held === undefined) throw new BatchctlError('notFound', `there is no object ${from} to copy`);
    return await this.put(to, held.bytes, options);
  }

  async presign(): Promise<null> {
    return null;
  }

  async uploadFile(): Promise<PutResult> {
    throw new Error('a simulated task writes no file');
  }

  async #ask(action: keyof typeof TAKES, key: string): Promise<void> {
    await this.#alive();
    const retries = new PatientRetries(ATTEMPTS);
    for (let token = await retries.acquireInitialRetryToken(); ; ) {
      this.#bucket.requests.count(`s3:${action} ${placeOf(key)}`);
      await wait(TAKES[action]);
      await this.#alive();
      if (Math.random() >= this.#bucket.slowDown()) return;
      try {
        token = await retries.refreshRetryTokenForRetry(token, { errorType: 'THROTTLING' });
      } catch {
        throw new BatchctlError('unavailable', `could not ${action} ${key}: SlowDown`);
      }
      await wait(token.getRetryDelay());
    }
  }
}

/** What a key is about: the ledger's, a job's outputs ... */
function placeOf(key: string): string {
  const [first = '', second = '', ...rest] = key.split('/');
  if (first === 'ledger')
    return second === 'tasks' ? 'ledger of tasks' : second === 'workers' ? 'signs of life' : 'ledger of jobs';
  if (first !== 'jobs') return first;
  return rest[0] === 'steps' ? `${rest[2]} of tasks` : 'journal and parts';
}

const infoOf = (key: string, { bytes, metadata, etag, modified }: Held): ObjectInfo => ({
  ...{ key, size: bytes.length, etag, modified, metadata },
});
