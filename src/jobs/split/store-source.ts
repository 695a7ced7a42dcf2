import { createHash } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { BatchctlError, isKind } from '../../errors.ts';
import type { JobInput } from '../../model/job.ts';
import type { Bucket, BucketReadOptions } from '../../ports/bucket.ts';
import type { ObjectInfo, ObjectStore } from '../../ports/object-store.ts';
import { dataChecksum } from '../data-key.ts';
import {
  changedInput,
  detectCompression,
  HEAD_SIZE,
  type HeadCheck,
  type RandomAccess,
  type SplitSource,
} from './split-source.ts';

interface StoreSource extends SplitSource {
  readonly size: number;
  readonly key: string;
  readonly etag: string;
  /** `sha256:<hex>` if `upload` recorded it; for an object of a bucket, if S3 has it. */
  readonly checksum: string | null;
}

/** How many prefetched ranges are kept at most, and bytes of them. */
const KEPT = { blocks: 32, bytes: 48 * 1024 * 1024 };

/** Opens an object of the store, pinned by its ETag. `known`: the result of an earlier look-up. Throws `notFound`. */
export async function openStoreSource(
  index: number,
  store: Pick<ObjectStore, 'head' | 'read' | 'get'>,
  key: string,
  name = `store:${key}`,
  known: ObjectInfo | null = null,
  look: HeadCheck | null = null,
): Promise<StoreSource> {
  const info = known ?? (await store.head(key));
  if (info === null) {
    throw new BatchctlError('notFound', `the input ${name} does not exist`, { hint: 'see `batchctl ls`' });
  }
  const { size, etag } = info;
  const random = randomAccess(store, key, name, etag, size);
  const head = Buffer.alloc(Math.min(look === null ? 4 : HEAD_SIZE, size));
  await random.readAt(0, head);
  const compression = detectCompression(head);
  await look?.({ name, compression, bytes: head });
  return {
    index,
    name,
    key,
    etag,
    checksum: dataChecksum(info.metadata),
    size,
    compression,
    random,
    stream: (signal) => lazily(() => store.get(key, { etag, ...(signal && { signal }) }), name),
    check: async () => {
      const now = await store.head(key);
      if (now?.etag !== etag) throw changedInput(name, now === null ? 'it is gone' : 'it was overwritten');
    },
    close: async () => {},
  };
}

/** An object as a listing shows it, which only workers read: they compare its entity tag. */
export function listedSource(index: number, name: string, size: number): SplitSource & { readonly size: number } {
  return { index, name, size, ...LISTED };
}

const LISTED = {
  compression: null,
  random: { remote: true, readAt: () => 0 },
  stream: () => Readable.from([]),
  check: async () => undefined,
  close: async () => undefined,
} satisfies Partial<SplitSource>;

/** The inputs whose bytes were compared, by their key, entity tag and expected checksum. */
const compared = new Map<string, Promise<boolean>>();
const MOST_COMPARED = 1_000;

/**
 * The entity tag of an object that was put again with exactly the bytes that a job was accepted with, so that its input is
 * restored; null for any other. Reads the whole object, once a process: what its metadata says of it may be old.
 */
export async function restoredEtag(
  store: Pick<ObjectStore, 'head' | 'get'>,
  { source, checksum, size }: JobInput,
): Promise<string | null> {
  if (source.kind !== 'store' || checksum === null) return null;
  const now = await store.head(source.key);
  if (now === null || now.size !== size) return null;
  const { key, etag } = now;
  const name = `${key} ${etag} ${checksum}`;
  const same = compared.get(name) ?? checksumOf(store, key, etag).then((found) => found === checksum);
  if (!compared.has(name) && compared.size >= MOST_COMPARED) compared.delete(compared.keys().next().value ?? '');
  compared.set(name, same);
  same.catch(() => compared.delete(name));
  return (await same) ? etag : null;
}

async function checksumOf(store: Pick<ObjectStore, 'get'>, key: string, etag: string): Promise<string | null> {
  const hash = createHash('sha256');
  const stream = await store.get(key, { etag });
  if (stream === null) return null;
  for await (const chunk of stream.body as AsyncIterable<Buffer>) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

interface Block {
  readonly offset: number;
  readonly length: number;
  readonly bytes: Promise<Uint8Array>;
}

function randomAccess(
  store: Pick<ObjectStore, 'read'>,
  key: string,
  name: string,
  etag: string,
  size: number,
): RandomAccess {
  const blocks: Block[] = [];
  let kept = 0;
  const holder = (offset: number, length: number): Block | undefined =>
    blocks.find((block) => block.offset <= offset && block.offset + block.length >= offset + length);
  const fetch = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = await store.read(key, { range: { offset, length }, etag });
    if (bytes === null) throw changedInput(name, 'it is gone');
    return bytes;
  };
  return {
    remote: true,
    readAt: async (offset, buffer) => {
      const length = Math.min(buffer.length, size - offset);
      if (length <= 0) return 0;
      const block = holder(offset, length);
      const bytes = block === undefined ? await fetch(offset, length) : await block.bytes;
      const skip = block === undefined ? 0 : offset - block.offset;
      buffer.set(bytes.subarray(skip, skip + length));
      return Math.min(length, bytes.length - skip);
    },
    ahead: (ranges) => {
      for (const { offset, length } of ranges) {
        if (length <= 0 || holder(offset, length) !== undefined) continue;
        const bytes = fetch(offset, length);
        // The reader of the block receives the error; for a block that is never read it doesn't matter.
        bytes.catch(() => {});
        blocks.push({ offset, length, bytes });
        kept += length;
        while (blocks.length > KEPT.blocks || kept > KEPT.bytes) kept -= blocks.shift()?.length ?? 0;
      }
    },
  };
}

/** Returns a stream immediately, for the future result of an asynchronous `get`. */
function lazily(get: () => Promise<{ readonly body: Readable } | null>, name: string): Readable {
  const through = new PassThrough({ highWaterMark: 1024 * 1024 });
  get().then(
    (found) => {
      if (found === null) return through.destroy(changedInput(name, 'it is gone'));
      found.body.on('error', (error) => through.destroy(error));
      through.on('close', () => found.body.destroy());
      return found.body.pipe(through);
    },
    (error: Error) => through.destroy(error),
  );
  return through;
}

interface BucketSource extends StoreSource {
  /** The version to read; null: the current object, pinned by its ETag. */
  readonly version: string | null;
}

/** Reads one version of each object; with null, the current objects. */
export function versionReader(bucket: Bucket, version: string | null): Pick<ObjectStore, 'head' | 'read' | 'get'> {
  const of = (options: BucketReadOptions = {}): BucketReadOptions => ({ ...options, version });
  return {
    head: (key) => bucket.head(key, version),
    read: (key, options) => bucket.read(key, of(options)),
    get: (key, options) => bucket.get(key, of(options)),
  };
}

/**
 * Opens an object as an input, pinned by its version if the bucket keeps versions, so that later writes can't affect
 * the job; otherwise by its ETag. Throws `notFound` if it doesn't exist.
 */
export async function openBucketSource(
  index: number,
  bucket: Bucket,
  key: string,
  name: string,
  look: HeadCheck | null = null,
): Promise<BucketSource> {
  const info = await bucket.head(key);
  if (info === null) {
    throw new BatchctlError('notFound', `the input ${name} does not exist`, { hint: `aws s3 ls ${name}` });
  }
  const open = async (version: string | null): Promise<BucketSource> => {
    const source = await openStoreSource(index, versionReader(bucket, version), key, name, info, look);
    return { ...source, version, checksum: info.checksum };
  };
  try {
    return await open(info.version);
  } catch (error) {
    // Reading versions needs its own permission, which a caller that may read objects need not have.
    if (info.version === null || !isKind(error, 'credentials')) throw error;
    return open(null);
  }
}

/** Compares an object with its pin: null if it still matches, otherwise the difference in words. */
export function pinDifference(now: Pick<ObjectInfo, 'etag'> | null, etag: string, name: string): string | null {
  if (now === null) return `${name} is gone`;
  return now.etag === etag ? null : `${name} was overwritten`;
}
