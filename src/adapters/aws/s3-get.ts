import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { BatchctlError } from '../../errors.ts';
import type { BucketReadOptions } from '../../ports/bucket.ts';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { backOff } from './backoff.ts';
import { base64Crc } from './crc32.ts';
import { type Doing, isAbort, isTransient, statusOf, translateAwsError } from './errors.ts';
import {
  doing,
  fullKey,
  inQuotes,
  isNoSuchKey,
  isPrecondition,
  type S3Bucket,
  target,
  withoutQuotes,
} from './s3-bucket.ts';

/** An object that is being read: what it is, and the bytes that were asked for, from first to last. */
export interface OpenBody {
  readonly info: ObjectInfo;
  /** Bytes that will come. */
  readonly length: number;
  bytes(): AsyncGenerator<Uint8Array>;
}

/** Times in a row that a body may break off without a single byte in between. */
const FRUITLESS = 6;

/**
 * Opens an object. Null: it provably isn't there. 'beyond': the range begins at or behind its end. The body must be
 * read, or its generator returned, or `options.signal` aborted. One that breaks off is taken up where it stopped, pinned
 * to the same object; the checksum that S3 holds of a whole object is compared at the end.
 */
export async function openBody(
  bucket: S3Bucket,
  key: string,
  options: BucketReadOptions,
): Promise<OpenBody | null | 'beyond'> {
  const about = aboutRead(bucket, key, options);
  options.signal?.throwIfAborted();
  try {
    const first = await request(bucket, key, options);
    const info = infoOf(key, first);
    const body = bodyOf(first);
    if (options.etag !== undefined && info.etag !== options.etag) {
      // An endpoint that heeds no If-Match.
      body.destroy();
      throw changed(key, options.etag, info.etag);
    }
    const length = Number(first.ContentLength ?? 0);
    return { info, length, bytes: () => resumed(bucket, key, { first, body, info, length, options }) };
  } catch (error) {
    if (isNoSuchKey(error)) return null;
    if (isPrecondition(error)) throw changed(key, options.etag ?? '', 'another');
    if (statusOf(error) === 416) return 'beyond';
    throw asAbort(error, options.signal) ?? translateAwsError(error, about);
  }
}

/** A stream of those bytes. Destroying it aborts the request, which `abort` must be able to, and waits for nothing. */
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
      abort.abort();
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

async function* resumed(bucket: S3Bucket, key: string, reading: Reading): AsyncGenerator<Uint8Array> {
  const { first, info, length, options } = reading;
  const { signal, range } = options;
  const about = aboutRead(bucket, key, options);
  const expected = wholeChecksum(first, options);
  let body = reading.body;
  let crc = 0;
  let fruitless = 0;
  for (let done = 0; ; ) {
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        done += chunk.length;
        fruitless = 0;
        if (expected !== null) crc = crc32(chunk, crc);
        yield chunk;
      }
      if (done >= length) break;
      throw Object.assign(new Error(`the answer ended after ${done} of ${length} bytes`), { code: 'ECONNRESET' });
    } catch (error) {
      const aborted = asAbort(error, signal);
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
      hint: 'read it again; if it happens again, the data is altered on its way from S3',
    });
  }
}

async function reopen(bucket: S3Bucket, key: string, options: BucketReadOptions): Promise<Readable> {
  try {
    const answer = await request(bucket, key, options);
    const body = bodyOf(answer);
    if (withoutQuotes(answer.ETag) === options.etag) return body;
    body.destroy();
    throw changed(key, options.etag ?? '', withoutQuotes(answer.ETag));
  } catch (error) {
    if (isPrecondition(error) || isNoSuchKey(error)) throw changed(key, options.etag ?? '', 'another, or none');
    const about = aboutRead(bucket, key, options);
    throw asAbort(error, options.signal) ?? translateAwsError(error, about);
  }
}

async function request(bucket: S3Bucket, key: string, options: BucketReadOptions): Promise<GetObjectCommandOutput> {
  const { range, etag, version = null, signal } = options;
  const command = new bucket.sdk.GetObjectCommand({
    ...target(bucket),
    Key: fullKey(bucket, key),
    ...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
    ...(etag !== undefined && { IfMatch: inQuotes(etag) }),
    ...(version !== null && { VersionId: version }),
  });
  if (range === undefined && bucket.checksums) askForChecksum(command);
  return bucket.client.send(command, signal === undefined ? {} : { abortSignal: signal });
}

/** By header, and not by the SDK's own option: that one would check each answer alone, and not what was resumed. */
function askForChecksum(command: InstanceType<S3Bucket['sdk']['GetObjectCommand']>): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const { request: sent } = args;
      if (typeof sent === 'object' && sent !== null && 'headers' in sent) {
        Object.assign(sent.headers as Record<string, string>, { 'x-amz-checksum-mode': 'ENABLED' });
      }
      return next(args);
    },
    { step: 'build', name: 'askForChecksum' },
  );
}

/** The CRC-32 over all bytes that S3 holds of this object; null where it holds none, or of the chunks alone (`...-5`). */
function wholeChecksum(answer: GetObjectCommandOutput, { range }: BucketReadOptions): string | null {
  const { ChecksumCRC32: crc } = answer;
  return range !== undefined || crc === undefined || crc.includes('-') ? null : crc;
}

function bodyOf({ Body }: GetObjectCommandOutput): Readable {
  if (!(Body instanceof Readable)) throw new TypeError('the SDK gave a body that is no stream');
  // Should it break off before anyone reads on: the reader will see it then.
  Body.on('error', () => undefined);
  return Body;
}

function infoOf(key: string, answer: GetObjectCommandOutput): ObjectInfo {
  const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
  return {
    key,
    size: Number(total ?? answer.ContentLength ?? 0),
    etag: withoutQuotes(answer.ETag),
    modified: answer.LastModified?.getTime() ?? 0,
    metadata: answer.Metadata ?? {},
  };
}

/** A version that is named takes another permission than the object as it is. */
const aboutRead = (bucket: S3Bucket, key: string, { version = null }: BucketReadOptions): Doing =>
  doing(bucket, version === null ? 's3:GetObject' : 's3:GetObjectVersion', key, `read ${key}`);

/** What to throw when it was the caller who ended it; null otherwise. */
function asAbort(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return isAbort(error) ? error : null;
}

/** The error of a pin that no longer holds. */
export function changed(key: string, expected: string, found: string): BatchctlError {
  return new BatchctlError('changed', `Expected version ${expected} of the object ${key}, found ${found}`, {
    hint: 'It was overwritten after it was pinned: submit again to use the current version.',
  });
}
