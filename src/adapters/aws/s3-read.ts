import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { BatchctlError } from '../../errors.ts';
import type { BucketObject, BucketReadOptions } from '../../ports/bucket.ts';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { base64Crc } from './crc32.ts';
import { type AwsOperation, isAbort, isTransient, statusOf, translateAwsError, translateErrors } from './errors.ts';
import { addHeader } from './hot-calls.ts';
import { backOff } from './retries.ts';
import {
  abortOptions,
  bucketParams,
  inQuotes,
  isNoSuchKey,
  isPrecondition,
  objectParams,
  type S3Bucket,
  s3Operation,
  withoutQuotes,
} from './s3-bucket.ts';

/** An object being read: its facts, and the requested bytes in order. */
export interface OpenBody {
  readonly info: ObjectInfo;
  /** Number of bytes to come. */
  readonly length: number;
  bytes(): AsyncGenerator<Uint8Array>;
}

/** How often in a row a body may break off without a new byte. */
const FRUITLESS = 6;

/**
 * Opens an object. Null: it provably doesn't exist. 'beyond': the range begins at or after its end. The caller must
 * read the body, return its generator, or abort `options.signal`. A broken body is resumed where it stopped, pinned to
 * the same object. At the end, the checksum that S3 has of the whole object is compared.
 */
export async function openBody(
  bucket: S3Bucket,
  key: string,
  options: BucketReadOptions,
): Promise<OpenBody | null | 'beyond'> {
  const about = readOperation(bucket, key, options.version);
  options.signal?.throwIfAborted();
  try {
    const first = await request(bucket, key, options);
    const etag = withoutQuotes(first.ETag);
    const body = bodyOf(first);
    try {
      // The endpoint ignores If-Match.
      if (options.etag !== undefined && etag !== options.etag) throw changedError(key, options.etag, etag);
      const size = statedSize(first) ?? (await askSize(bucket, key, { ...options, etag }));
      const info = infoOf(key, first, size);
      const length = lengthOf(first, size, options);
      return { info, length, bytes: () => readWithResume(bucket, key, { first, body, info, length, options }) };
    } catch (error) {
      body.destroy();
      throw error;
    }
  } catch (error) {
    if (isNoSuchKey(error)) return null;
    if (isPrecondition(error)) throw changedError(key, options.etag ?? '', 'another');
    if (statusOf(error) === 416) return 'beyond';
    throw abortErrorOf(error, options.signal) ?? translateAwsError(error, about);
  }
}

/** A stream of those bytes. Destroying it before its end aborts the request through `abort`, and waits for nothing. */
export function streamOf(open: OpenBody, abort: AbortController): Readable {
  const bytes = open.bytes();
  return new Readable({
    highWaterMark: 256 * 1024,
    read() {
      bytes.next().then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      // A whole body has ended its request. An abort makes an error with its stack, a twentieth of the CPU of a small read.
      if (!this.readableEnded) abort.abort();
      bytes.return(undefined).catch(() => undefined);
      done(error);
    },
  });
}

interface Reading {
  readonly first: GetObjectCommandOutput;
  readonly body: Readable;
  readonly info: ObjectInfo;
  readonly length: number;
  readonly options: BucketReadOptions;
}

async function* readWithResume(bucket: S3Bucket, key: string, reading: Reading): AsyncGenerator<Uint8Array> {
  const { first, info, length, options } = reading;
  const { signal, range } = options;
  const about = readOperation(bucket, key, options.version);
  const expected = wholeChecksum(first, options);
  let body = reading.body;
  let crc = 0;
  let fruitless = 0;
  for (let done = 0; ; ) {
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        done += chunk.length;
        fruitless = 0;
        if (done > length) throw tooLongError(key, length, done);
        if (expected !== null) crc = crc32(chunk, crc);
        yield chunk;
      }
      if (done >= length) break;
      throw Object.assign(new Error(`the answer ended after ${done} of ${length} bytes`), { code: 'ECONNRESET' });
    } catch (error) {
      const aborted = abortErrorOf(error, signal);
      if (aborted !== null) throw aborted;
      fruitless += 1;
      if (!isTransient(error) || fruitless > FRUITLESS) throw translateAwsError(error, about);
      await backOff(fruitless, signal);
      if (done >= length) break;
      const rest = { offset: (range?.offset ?? 0) + done, length: length - done };
      body = await reopen(bucket, key, { ...options, range: rest, etag: info.etag });
    }
  }
  if (expected !== null && expected !== base64Crc(crc)) {
    throw new BatchctlError('corrupt', `Expected ${key} with the checksum ${expected}, read ${base64Crc(crc)}`, {
      hint: 'read it again; if this repeats, the data is altered on its way from S3',
    });
  }
}

async function reopen(bucket: S3Bucket, key: string, options: BucketReadOptions): Promise<Readable> {
  try {
    const answer = await request(bucket, key, options);
    const body = bodyOf(answer);
    if (withoutQuotes(answer.ETag) === options.etag) return body;
    body.destroy();
    throw changedError(key, options.etag ?? '', withoutQuotes(answer.ETag));
  } catch (error) {
    if (isPrecondition(error) || isNoSuchKey(error)) throw changedError(key, options.etag ?? '', 'another, or none');
    const about = readOperation(bucket, key, options.version);
    throw abortErrorOf(error, options.signal) ?? translateAwsError(error, about);
  }
}

async function request(bucket: S3Bucket, key: string, options: BucketReadOptions): Promise<GetObjectCommandOutput> {
  const { range, etag, version = null, signal } = options;
  const command = new bucket.sdk.GetObjectCommand({
    ...objectParams(bucket, key),
    ...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
    ...(etag !== undefined && { IfMatch: inQuotes(etag) }),
    ...(version !== null && { VersionId: version }),
  });
  // Not the SDK's option, which would check each answer alone, and not across resumed reads.
  if (range === undefined && bucket.checksums) addHeader(command, 'x-amz-checksum-mode', 'ENABLED');
  const answer = await bucket.client.send(command, abortOptions(signal));
  if (range !== undefined && !isOfRange(answer, range)) {
    bodyOf(answer).destroy();
    throw new BatchctlError(
      'config',
      `Expected a range of ${key} from byte ${range.offset}, found ${foundIn(answer)}`,
      {
        hint: `the S3 service must support requests for a range; ${USE_SERVICE}`,
        isRefusal: true,
      },
    );
  }
  return answer;
}

/** Whether an answer holds that range, or all of an object that is no longer. */
function isOfRange({ ContentRange, ContentLength }: GetObjectCommandOutput, { offset, length }: Range): boolean {
  const from = /^bytes (\d+)-/.exec(ContentRange ?? '')?.[1];
  if (from !== undefined) return Number(from) === offset;
  return offset === 0 && ContentLength !== undefined && ContentLength <= length;
}

type Range = NonNullable<BucketReadOptions['range']>;

const foundIn = ({ ContentRange, ContentLength }: GetObjectCommandOutput): string =>
  ContentRange ?? (ContentLength === undefined ? 'an answer without Content-Range' : `all ${ContentLength} bytes`);

const USE_SERVICE = 'if a proxy is in front of it, set `endpoints.s3` to the service itself';

/** Bytes that an answer holds of an object of that size. */
function lengthOf({ ContentLength }: GetObjectCommandOutput, size: number, { range }: BucketReadOptions): number {
  if (ContentLength !== undefined) return Number(ContentLength);
  return range === undefined ? size : Math.min(range.length, size - range.offset);
}

/**
 * The size of an object, or of its pinned version, from a service or proxy that sends objects in chunks without stating
 * their length. An answer to a range states the size of the whole, and no range begins within an empty object.
 */
async function askSize(
  bucket: S3Bucket,
  key: string,
  options: Pick<BucketReadOptions, 'etag' | 'version' | 'signal'>,
): Promise<number> {
  try {
    const answer = await request(bucket, key, { ...options, range: { offset: 0, length: 1 } });
    bodyOf(answer).resume();
    const found = withoutQuotes(answer.ETag);
    if (options.etag !== undefined && found !== options.etag) throw changedError(key, options.etag, found);
    const size = statedSize(answer);
    if (size !== null) return size;
  } catch (error) {
    if (statusOf(error) === 416) return 0;
    throw error;
  }
  throw new BatchctlError('config', `Expected the size of ${key}, found neither Content-Length nor Content-Range`, {
    hint: `the S3 service must state the size of objects; ${USE_SERVICE}`,
    isRefusal: true,
  });
}

const tooLongError = (key: string, expected: number, found: number): BatchctlError =>
  new BatchctlError('corrupt', `Expected ${expected} bytes of ${key}, read ${found}`, {
    hint: 'read it again; if this repeats, the data is altered on its way from S3',
  });

/** S3's CRC-32 over all bytes of this object; null if it has none, or only one of the chunks (`...-5`). */
function wholeChecksum(answer: GetObjectCommandOutput, { range }: BucketReadOptions): string | null {
  const { ChecksumCRC32: crc } = answer;
  return range !== undefined || crc === undefined || crc.includes('-') ? null : crc;
}

function bodyOf({ Body }: GetObjectCommandOutput): Readable {
  if (!(Body instanceof Readable)) throw new TypeError('Expected a stream as the body, found something else');
  // If it breaks off before it is read on, the reader will see it then.
  Body.on('error', () => undefined);
  return Body;
}

type Answer = Omit<GetObjectCommandOutput, 'Body'>;

/** The size of an object, by the answer to a GET of a range, or of all, or to a HEAD; null if it isn't stated. */
function statedSize({ ContentRange, ContentLength }: Answer): number | null {
  if (ContentRange === undefined) return ContentLength === undefined ? null : Number(ContentLength);
  const total = /\/(\d+)$/.exec(ContentRange)?.[1];
  return total === undefined ? null : Number(total);
}

/** The facts of an object, by the answer to a GET of a range, or of all, or to a HEAD. */
function infoOf(key: string, answer: Answer, size: number): ObjectInfo {
  return {
    key,
    size,
    etag: withoutQuotes(answer.ETag),
    modified: answer.LastModified?.getTime() ?? 0,
    metadata: answer.Metadata ?? {},
  };
}

/** A named version needs another permission than the current object. */
const readOperation = (bucket: S3Bucket, key: string, version: string | null = null): AwsOperation =>
  s3Operation(bucket, version === null ? 's3:GetObject' : 's3:GetObjectVersion', key, `read ${key}`);

/** The error to throw when the caller aborted; null otherwise. */
function abortErrorOf(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return isAbort(error) ? error : null;
}

export function changedError(key: string, expected: string, found: string): BatchctlError {
  return new BatchctlError('changed', `Expected version ${expected} of the object ${key}, found ${found}`, {
    hint: 'It was overwritten after it was pinned: submit again to use the current version.',
  });
}

/** How long a bucket that answered is assumed to exist, milliseconds. */
const TRUSTED_MS = 60_000;

/**
 * Reads objects' metadata without their bytes. The answer to a HEAD has no body, so a 404 doesn't say whether the
 * object or the whole bucket is missing: then the bucket is asked for too, unless it answered within the last minute.
 * Nor do its 400 and 403 say why (an expired session token, a denied KMS key): then the object's first byte is
 * requested for its error.
 */
export class HeadObjects {
  readonly #bucket: S3Bucket;
  #existedAt = Number.NEGATIVE_INFINITY;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  /** Null if provably missing. 403 is an error: without the right to list, S3 also answers 403 for a missing object. */
  async head(key: string): Promise<ObjectInfo | null> {
    const found = await this.#ask(key, {});
    return found === null ? null : infoOf(key, found, await this.#sizeOf(key, found, null));
  }

  /** As `head`, for one version or the current object, with all that pins it. Throws `refused` for an archived one. */
  async facts(key: string, version: string | null): Promise<BucketObject | null> {
    const found = await this.#ask(key, {
      ...(version !== null && { VersionId: version }),
      ...(this.#bucket.checksums && { ChecksumMode: 'ENABLED' }),
    });
    if (found === null) return null;
    if (isArchived(found)) throw archivedError(this.#bucket.name, key, found);
    const size = await this.#sizeOf(key, found, version);
    return { ...infoOf(key, found, size), version: versionOf(found), checksum: checksumOf(found) };
  }

  async #sizeOf(key: string, found: HeadObjectCommandOutput, version: string | null): Promise<number> {
    const stated = statedSize(found);
    if (stated !== null) return stated;
    const of = { etag: withoutQuotes(found.ETag), version };
    return translateErrors(readOperation(this.#bucket, key, version), () => askSize(this.#bucket, key, of));
  }

  async #ask(
    key: string,
    more: { readonly VersionId?: string; readonly ChecksumMode?: 'ENABLED' },
  ): Promise<HeadObjectCommandOutput | null> {
    const bucket = this.#bucket;
    const command = new bucket.sdk.HeadObjectCommand({ ...objectParams(bucket, key), ...more });
    return translateErrors(readOperation(bucket, key, more.VersionId), async () => {
      try {
        const found = await bucket.client.send(command);
        this.#existedAt = performance.now();
        return found;
      } catch (error) {
        const status = statusOf(error);
        if (status === 400 || status === 403) await this.#throwDetailedError(key, more);
        if (status !== 404) throw error;
        await this.#requireBucket(key);
        return null;
      }
    });
  }

  /** Throws the error that S3 explains in a body, if it does. A missing object doesn't explain a refusal. */
  async #throwDetailedError(key: string, { VersionId }: { readonly VersionId?: string }): Promise<void> {
    const bucket = this.#bucket;
    const at = { ...objectParams(bucket, key), ...(VersionId !== undefined && { VersionId }) };
    try {
      bodyOf(await bucket.client.send(new bucket.sdk.GetObjectCommand({ ...at, Range: 'bytes=0-0' }))).resume();
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }

  async #requireBucket(key: string): Promise<void> {
    if (performance.now() - this.#existedAt < TRUSTED_MS) return;
    const bucket = this.#bucket;
    // In another account's bucket, one may be allowed to list only a part.
    const Prefix = bucket.prefix + (bucket.foreign ? key : '');
    const command = new bucket.sdk.ListObjectsV2Command({ ...bucketParams(bucket), Prefix, MaxKeys: 1 });
    // Not HeadBucket: its 404 has no body either.
    await translateErrors(s3Operation(bucket, 's3:ListBucket', '', `find the bucket ${bucket.name}`), () =>
      bucket.client.send(command),
    );
    this.#existedAt = performance.now();
  }
}

/** If versioning was suspended, the version is the text `null`: the next write replaces it. */
const versionOf = ({ VersionId }: HeadObjectCommandOutput): string | null =>
  VersionId === undefined || VersionId === 'null' ? null : VersionId;

/** A checksum of chunks (`...-5`) doesn't cover the whole. */
export const checksumOf = ({
  ChecksumSHA256: sha256,
}: {
  readonly ChecksumSHA256?: string | undefined;
}): string | null =>
  sha256 === undefined || sha256.includes('-') ? null : `sha256:${Buffer.from(sha256, 'base64').toString('hex')}`;

/**
 * `Restore: ongoing-request="false", expiry-date=...`: a restored copy can be read until then. `ArchiveStatus`:
 * Intelligent-Tiering has moved it to an archive tier (S3API/API_HeadObject).
 */
const isArchived = ({ StorageClass, ArchiveStatus, Restore }: HeadObjectCommandOutput): boolean =>
  ArchiveStatus !== undefined ||
  ((StorageClass === 'GLACIER' || StorageClass === 'DEEP_ARCHIVE') &&
    !(Restore ?? '').includes('ongoing-request="false"'));

/** Intelligent-Tiering restores the object itself, so without a number of days (S3UG/restoring-objects). */
function archivedError(
  bucket: string,
  key: string,
  { StorageClass, ArchiveStatus }: HeadObjectCommandOutput,
): BatchctlError {
  const request = ArchiveStatus === undefined ? 'Days=7' : '{}';
  const where = `s3://${bucket}/${key}`;
  return new BatchctlError(
    'refused',
    `${where} is archived (${ArchiveStatus ?? StorageClass}) and can't be read until it is restored`,
    {
      hint: `aws s3api restore-object --bucket ${bucket} --key '${key}' --restore-request ${request}, and wait until it is restored`,
    },
  );
}
