import { Readable } from 'node:stream';
import { isKind } from '../../errors.ts';
import { eachParallel, Permits } from '../../lib/parallel.ts';
import type { BucketObject, BucketReadOptions, StoreCopyOptions } from '../../ports/bucket.ts';
import type {
  ListOptions,
  ObjectEntry,
  ObjectInfo,
  ObjectStore,
  ObjectStream,
  PutOptions,
  PutResult,
  UploadOptions,
} from '../../ports/object-store.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { errorOf, isTransient, translateAwsError, translateErrors } from './errors.ts';
import { backOff } from './retries.ts';
import { bucketParams, fullKey, objectParams, openBucket, type S3Bucket, s3Operation } from './s3-bucket.ts';
import { copyObject, missingSourceError } from './s3-copy.ts';
import { S3DirectUploads, signedUrl } from './s3-direct.ts';
import { listObjects } from './s3-list.ts';
import type { UploadTools } from './s3-multipart.ts';
import { changedError, HeadObjects, type OpenBody, openBody, streamOf } from './s3-read.ts';
import { CHUNK_RULES, type ChunkRules, StreamSource } from './s3-source.ts';
import { putObject, upload, uploadFile } from './s3-upload.ts';

/** How often a read begins anew because the object was replaced while its body had broken off. */
const READS = 6;

export interface S3StoreOptions {
  readonly clients: AwsClients;
  readonly bucket: string;
  /** Prefix of every key: empty, or with a slash at its end. */
  readonly prefix: string;
  /** An ARN; null: the bucket's default. */
  readonly kmsKey: string | null;
  /** The account that must own the bucket; the clients' own by default. */
  readonly owner?: string | null;
  readonly use?: ClientUse;
  /** True for a bucket named with its whole URI that isn't the profile's own. */
  readonly foreign?: boolean;
  /** True if each request accepts that the requester pays. */
  readonly requesterPays?: boolean;
  /** Bytes: larger objects are copied in slices of `slice`. S3's own limit by default. */
  readonly copies?: { readonly largest: number; readonly slice: number };
  /** How files are cut into chunks; by S3's limits by default. */
  readonly chunks?: ChunkRules;
}

/** Chunks of all uploads at once. Those of a stream are held in memory. */
const CHUNKS_AT_ONCE = 8;

/** The object store in an S3 bucket. Makes no request: `doctor` and the first use report problems with the bucket. */
export async function createS3Store(options: S3StoreOptions): Promise<S3Store> {
  const { clients, bucket: name, use = 'bulk', foreign, requesterPays, owner = clients.account } = options;
  const opened = await openBucket(clients, { ...options, name, owner }, use);
  const bucket = { ...opened, ...(foreign && { foreign }), ...(requesterPays && { requesterPays }) };
  return new S3Store(bucket, options);
}

/** The store's operations, each in a module of its own. */
export class S3Store implements ObjectStore {
  readonly location: string;
  readonly #bucket: S3Bucket;
  readonly #heads: HeadObjects;
  readonly #copies: S3StoreOptions['copies'];
  readonly #tools: UploadTools;
  readonly direct: S3DirectUploads;

  constructor(bucket: S3Bucket, { copies, chunks = CHUNK_RULES }: Pick<S3StoreOptions, 'copies' | 'chunks'>) {
    this.location = `s3://${bucket.name}/${bucket.prefix}`.replace(/\/$/, '');
    this.#bucket = bucket;
    this.#heads = new HeadObjects(bucket);
    this.#copies = copies;
    this.#tools = { permits: new Permits(CHUNKS_AT_ONCE), rules: chunks, head: (key) => this.head(key) };
    this.direct = new S3DirectUploads(bucket, chunks);
  }

  put(key: string, body: Uint8Array | string, options: PutOptions = {}): Promise<PutResult> {
    return putObject(this.#bucket, key, body, options);
  }

  async read(key: string, options: BucketReadOptions = {}): Promise<Uint8Array | null> {
    for (let reads = 1; ; reads += 1) {
      try {
        return await this.#readWhole(key, options);
      } catch (error) {
        // The connection broke, and the object was replaced before the read resumed. Without a pin the new object is
        // read.
        if (options.etag !== undefined || reads === READS || !isKind(error, 'changed')) throw error;
      }
    }
  }

  async #readWhole(key: string, options: BucketReadOptions): Promise<Uint8Array | null> {
    const open = await this.#open(key, options);
    if (open === null) return null;
    const into = Buffer.allocUnsafe(open.length);
    let done = 0;
    for await (const chunk of open.bytes()) {
      into.set(chunk, done);
      done += chunk.length;
    }
    return into;
  }

  async get(key: string, options: BucketReadOptions = {}): Promise<ObjectStream | null> {
    const abort = new AbortController();
    const signal = options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
    const open = await this.#open(key, { ...options, signal });
    if (open === null) return null;
    return { info: open.info, body: open.length === 0 ? EMPTY() : streamOf(open, abort) };
  }

  head(key: string): Promise<ObjectInfo | null> {
    return this.#heads.head(key);
  }

  list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectEntry> {
    return listObjects(this.#bucket, prefix, options);
  }

  async *keys(prefix: string, options: ListOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key;
  }

  delete(keys: readonly string[]): Promise<void> {
    return deleteObjects(this.#bucket, keys);
  }

  async copy(from: string, to: string, options: { readonly ifAbsent?: boolean } = {}): Promise<PutResult> {
    const { ifAbsent = false } = options;
    // Some endpoints ignore the condition on a copy. On S3 the condition decides between racers.
    const [info, there] = await Promise.all([this.head(from), ifAbsent ? this.head(to) : null]);
    if (info === null) throw missingSourceError(from);
    if (there !== null) return { created: false, etag: there.etag };
    return copyObject({ bucket: this.#bucket, info }, this.#bucket, to, { ifAbsent, ...this.#copies });
  }

  /** The URL expires with its credentials, if they expire sooner. The bucket's default encrypts a put through it. */
  async presign(key: string, method: 'get' | 'put', seconds: number, version: string | null = null): Promise<string> {
    const bucket = this.#bucket;
    const action = method === 'get' ? 's3:GetObject' : 's3:PutObject';
    return translateErrors(s3Operation(bucket, action, key, `sign a URL of ${key}`), () =>
      signedUrl(bucket, key, {
        method: method === 'get' ? 'GET' : 'PUT',
        seconds,
        // In the query, as the SDK's own presigner does it: a browser that follows a link sends no such header.
        query: {
          ...(bucket.owner !== null && { 'x-amz-expected-bucket-owner': bucket.owner }),
          ...(bucket.requesterPays && { 'x-amz-request-payer': 'requester' }),
          ...(version !== null && { versionId: version }),
        },
      }),
    );
  }

  uploadFile(path: string, key: string, options: UploadOptions = {}): Promise<PutResult> {
    return uploadFile(this.#bucket, path, key, options, this.#tools);
  }

  /** As `head`, with all that pins an object; or for one of its versions. */
  facts(key: string, version: string | null): Promise<BucketObject | null> {
    return this.#heads.facts(key, version);
  }

  /** Copies from another bucket's store, or this one's, within S3. Null: the object doesn't exist. */
  async copyFrom(other: S3Store, from: string, to: string, as: StoreCopyOptions): Promise<PutResult | null> {
    const info = await other.head(from);
    if (info === null) return null;
    if (info.size !== as.size) throw changedError(from, `of ${as.size} bytes`, `one of ${info.size}`);
    const { metadata, checksum, signal, ifAbsent = false } = as;
    // As in `copy`: some endpoints ignore the condition.
    if (ifAbsent && (await this.head(to)) !== null) return { created: false, etag: '' };
    const how = { ifAbsent, metadata, checksum, ...(signal && { signal }), ...this.#copies };
    return copyObject({ bucket: other.#bucket, info }, this.#bucket, to, how);
  }

  /** Puts a stream of `size` bytes; `open` reopens it if the upload has to begin anew. */
  uploadStream(key: string, size: number, open: () => AsyncIterable<Uint8Array>, options: UploadOptions = {}) {
    const what = { name: `${size} bytes`, open: async () => new StreamSource(size, open()) };
    return upload(this.#bucket, key, what, options, this.#tools);
  }

  /** As `openBody`; if the range holds no bytes, a HEAD gives the object's facts. */
  async #open(key: string, options: BucketReadOptions): Promise<OpenBody | null> {
    if (options.range?.length !== 0) {
      const open = await openBody(this.#bucket, key, options);
      if (open !== 'beyond') return open;
    }
    options.signal?.throwIfAborted();
    const version = options.version ?? null;
    const info = version === null ? await this.head(key) : await this.facts(key, version);
    if (info === null) return null;
    if (options.etag !== undefined && options.etag !== info.etag) throw changedError(key, options.etag, info.etag);
    return { info, length: 0, bytes: nothing };
  }
}

const EMPTY = (): Readable => Readable.from([], { objectMode: false });

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Keys per request (S3 DeleteObjects), and concurrent requests. */
const DELETE_BATCH = 1_000;
const AT_ONCE = 4;
/** Tries for the keys of a batch that failed transiently. */
const DELETE_TRIES = 8;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML can't carry.
const NOT_IN_XML = /[\x00-\x1f\x7f-\x9f\ufffe\uffff]/;

/** Deletes keys, a thousand a request. Transient failures are retried; throws when a key can't be deleted. */
async function deleteObjects(bucket: S3Bucket, keys: readonly string[]): Promise<void> {
  const single = keys.filter((key) => NOT_IN_XML.test(key));
  const many = single.length === 0 ? keys : keys.filter((key) => !NOT_IN_XML.test(key));
  if (many.length === 1) single.push(...many);
  else await eachParallel(batchesOf(many), AT_ONCE, (batch, signal) => deleteBatch(bucket, batch, signal));
  await eachParallel(single, AT_ONCE, (key) => deleteOne(bucket, key));
}

async function deleteOne(bucket: S3Bucket, key: string): Promise<void> {
  const command = new bucket.sdk.DeleteObjectCommand(objectParams(bucket, key));
  const about = s3Operation(bucket, 's3:DeleteObject', key, `delete ${key}`);
  // Deleting a missing object succeeds, so a 404 means that the bucket is missing.
  await translateErrors(about, () => bucket.client.send(command));
}

async function deleteBatch(bucket: S3Bucket, keys: readonly string[], signal: AbortSignal): Promise<void> {
  let left = keys;
  for (let tries = 1; ; tries += 1) {
    const failed = await deleteOnce(bucket, left, signal);
    const first = failed[0];
    if (first === undefined) return;
    const lasting = failed.find(({ error }) => !isTransient(error));
    const worst = lasting ?? (tries === DELETE_TRIES ? first : null);
    if (worst !== null) {
      const rest = failed.length === 1 ? '' : ` and ${failed.length - 1} more`;
      const about = s3Operation(bucket, 's3:DeleteObject', worst.key, `delete ${worst.key}${rest}`);
      throw translateAwsError(worst.error, about);
    }
    left = failed.map(({ key }) => key);
    await backOff(tries, signal);
  }
}

interface Failed {
  readonly key: string;
  readonly error: Error;
}

/** The keys that a 200 answer lists as not deleted. */
async function deleteOnce(bucket: S3Bucket, keys: readonly string[], signal: AbortSignal): Promise<readonly Failed[]> {
  const command = new bucket.sdk.DeleteObjectsCommand({
    ...bucketParams(bucket),
    Delete: { Objects: keys.map((key) => ({ Key: fullKey(bucket, key) })), Quiet: true },
  });
  const about = s3Operation(bucket, 's3:DeleteObject', '*', `delete ${keys.length} objects`);
  const { Errors = [] } = await translateErrors(about, () => bucket.client.send(command, { abortSignal: signal }));
  return Errors.map(({ Key = '', Code = 'UnknownError', Message = '' }) => ({
    key: Key.slice(bucket.prefix.length),
    error: errorOf(Code, Message),
  }));
}

function* batchesOf(keys: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < keys.length; at += DELETE_BATCH) yield keys.slice(at, at + DELETE_BATCH);
}
