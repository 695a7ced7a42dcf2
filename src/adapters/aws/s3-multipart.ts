import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { BatchctlError } from '../../errors.ts';
import type { Permits } from '../../lib/parallel.ts';
import { eachParallel } from '../../lib/parallel.ts';
import type { Metadata, ObjectInfo, PutResult, UploadOptions } from '../../ports/object-store.ts';
import { base64Crc, combineCrcs } from './crc32.ts';
import { hasName, isTransient, statusOf } from './errors.ts';
import { addHeader } from './hot-calls.ts';
import { backOff } from './retries.ts';
import {
  abortOptions,
  bucketParams,
  encryption,
  fullKey,
  inQuotes,
  isConflict,
  isPrecondition,
  objectParams,
  type S3Bucket,
  withoutQuotes,
} from './s3-bucket.ts';
import type { ChunkRules } from './s3-source.ts';
import {
  type Chunk,
  type ChunkBody,
  type ChunkSource,
  chunkLength,
  chunksOf,
  MARK_NUMBER,
  type Sums,
} from './s3-source.ts';

/** Shared by all uploads of a store. */
export interface UploadTools {
  /** Limits the chunks in flight, of all uploads together. */
  readonly permits: Permits;
  readonly rules: ChunkRules;
  head(key: string): Promise<ObjectInfo | null>;
}

/** Concurrent chunks of one upload; the permits limit all uploads together. */
const AT_ONCE = 8;
/** Tries of a streamed chunk, which the client doesn't retry. */
const STREAM_TRIES = 8;
/**
 * Buckets whose server answered a completion with InvalidPart: it may require every part listed, as Ceph's gateway does
 * (ADR 11). Later uploads of this process put no mark there, and so can't be resumed.
 */
const bucketsWithoutMark = new WeakSet<S3Bucket>();

interface Sent {
  readonly etag: string;
  readonly crc: number;
  readonly length: number;
}

/** One multipart upload of a file, new or resumed. If it is interrupted, it is left for a later try. */
export class MultipartUpload {
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #source: ChunkSource;
  readonly #options: UploadOptions;
  readonly #tools: UploadTools;
  readonly #sent: Sent[] = [];
  readonly #at: { readonly Bucket: string; readonly Key: string };
  #storedBytes = 0;

  constructor(bucket: S3Bucket, key: string, source: ChunkSource, options: UploadOptions, tools: UploadTools) {
    this.#bucket = bucket;
    this.#key = key;
    this.#source = source;
    this.#options = options;
    this.#tools = tools;
    this.#at = objectParams(bucket, key);
  }

  /** `again`: this upload is no longer usable, and a new one is needed. */
  async run(mayResume: boolean): Promise<PutResult | 'again'> {
    const { signal, metadata = {} } = this.#options;
    const { size } = this.#source;
    const { rules } = this.#tools;
    const mark = bucketsWithoutMark.has(this.#bucket)
      ? null
      : markOf(size, chunkLength(size, rules), metadata, this.#bucket.kmsKey);
    const found = mayResume && mark !== null ? await findUnfinishedUpload(this.#bucket, this.#key, mark, signal) : null;
    const begun = found ?? (await this.#begin(mark));
    try {
      const chunks = chunksOf(size, rules);
      await eachParallel(
        chunks,
        AT_ONCE,
        (chunk, ends) => this.#tools.permits.with(() => this.#send(begun, chunk, ends)),
        signal,
      );
      await this.#source.requireUnchanged();
      await this.#options.check?.();
      return await this.#complete(begun.uploadId);
    } catch (error) {
      if (hasName(error, 'NoSuchUpload')) return this.#resolveLostUpload();
      if (error instanceof BatchctlError && error.kind === 'changed') await this.#abort(begun.uploadId);
      throw error;
    }
  }

  async #begin(mark: Buffer | null): Promise<UnfinishedUpload> {
    const { sdk, client, checksums } = this.#bucket;
    const { UploadId: uploadId = '' } = await client.send(
      new sdk.CreateMultipartUploadCommand({
        ...this.#at,
        ...encryption(this.#bucket),
        Metadata: { ...this.#options.metadata },
        // A checksum of the whole object: S3 compares it when the upload is completed, and gives it to readers.
        ...(checksums && { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
      }),
      abortOptions(this.#options.signal),
    );
    if (mark !== null) {
      await client.send(
        new sdk.UploadPartCommand({ ...this.#at, UploadId: uploadId, PartNumber: MARK_NUMBER, Body: mark }),
        abortOptions(this.#options.signal),
      );
    }
    return { uploadId, parts: new Map() };
  }

  async #send({ uploadId, parts }: UnfinishedUpload, chunk: Chunk, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const left = parts.get(chunk.number);
    const body = await this.#source.chunk(chunk, left?.crc === null);
    const { length, number } = chunk;
    const trusted = left !== undefined && isTrusted(left, length, body);
    const etag = trusted ? left.etag : await this.#put(uploadId, chunk, body, signal);
    // Not after an error: a failed request may still hold the bytes.
    body.done();
    this.#sent[number - 1] = { etag, crc: body.crc, length };
    this.#storedBytes += length;
    // The caller makes the last call, once the object exists.
    if (this.#storedBytes < this.#source.size) this.#options.onProgress?.(this.#storedBytes);
  }

  async #put(
    UploadId: string,
    { number, length }: Chunk,
    { crc, sha256, body }: ChunkBody,
    signal: AbortSignal,
  ): Promise<string> {
    const { sdk, client, checksums } = this.#bucket;
    for (let tries = 1; ; tries += 1) {
      const bytes = body();
      const command = new sdk.UploadPartCommand({
        ...this.#at,
        UploadId,
        PartNumber: number,
        Body: bytes as Buffer,
        ContentLength: length,
        ...(checksums && { ChecksumCRC32: base64Crc(crc) }),
      });
      if (sha256 !== null) addHeader(command, 'x-amz-content-sha256', sha256);
      // A stream that can't be read ends its request, which would wait for the rest.
      const broken = new AbortController();
      if (bytes instanceof Readable) bytes.on('error', (error) => broken.abort(error));
      try {
        const { ETag } = await client.send(command, abortOptions(AbortSignal.any([signal, broken.signal])));
        return withoutQuotes(ETag);
      } catch (error) {
        broken.signal.throwIfAborted();
        // The client has already retried bytes in memory.
        if (!(bytes instanceof Readable)) throw error;
        if (!isTransient(error) || tries === STREAM_TRIES) {
          // S3 refuses bytes that changed after their checksum was computed.
          await this.#source.requireUnchanged();
          throw error;
        }
        await backOff(tries, signal);
      }
    }
  }

  async #complete(UploadId: string): Promise<PutResult | 'again'> {
    const { sdk, client, checksums } = this.#bucket;
    const { ifAbsent = false, signal } = this.#options;
    const whole = this.#sent.reduce((crc, chunk) => combineCrcs(crc, chunk.crc, chunk.length), 0);
    const Parts = this.#sent.map(({ etag, crc }, index) => ({
      PartNumber: index + 1,
      ETag: inQuotes(etag),
      ...(checksums && { ChecksumCRC32: base64Crc(crc) }),
    }));
    try {
      const { ETag } = await client.send(
        new sdk.CompleteMultipartUploadCommand({
          ...this.#at,
          UploadId,
          MultipartUpload: { Parts },
          MpuObjectSize: this.#source.size,
          ...(checksums && { ChecksumCRC32: base64Crc(whole), ChecksumType: 'FULL_OBJECT' }),
          ...(ifAbsent && { IfNoneMatch: '*' }),
        }),
        abortOptions(signal),
      );
      return { created: true, etag: withoutQuotes(ETag) };
    } catch (error) {
      if (isPrecondition(error)) {
        await this.#abort(UploadId);
        return { created: false, etag: '' };
      }
      // S3 then wants a new upload with every chunk sent again (S3API/API_CompleteMultipartUpload). InvalidPart:
      // another process resumed the same upload with other bytes, or the server wants the mark listed too.
      const isInvalidPart = hasName(error, 'InvalidPart');
      if (isInvalidPart) bucketsWithoutMark.add(this.#bucket);
      if (isConflict(error) || isInvalidPart) {
        await this.#abort(UploadId);
        return 'again';
      }
      if (hasName(error, 'BadDigest')) {
        await this.#abort(UploadId);
        throw new BatchctlError('corrupt', `The uploaded bytes of ${this.#key} differ from the file`, {
          hint: 'upload it again',
          cause: error,
        });
      }
      throw error;
    }
  }

  /**
   * The upload is gone. If the answer to a completion was lost, or a twin completed the same upload, the object exists.
   * Otherwise (a lifecycle rule) there is nothing, or another object. If in doubt, send it again.
   */
  async #resolveLostUpload(): Promise<PutResult | 'again'> {
    const { metadata = {}, ifAbsent = false } = this.#options;
    const there = await this.#tools.head(this.#key);
    if (there === null) return 'again';
    if (ifAbsent) return { created: false, etag: there.etag };
    const entries = Object.entries(metadata);
    const same = entries.length > 0 && entries.every(([name, value]) => there.metadata[name] === value);
    const isOurs = there.size === this.#source.size && (there.etag === this.#expectedEtag() || same);
    return isOurs ? { created: true, etag: there.etag } : 'again';
  }

  /** The ETag of an object with these chunks: the MD5 of their MD5s, and their number. Null if a chunk is missing. */
  #expectedEtag(): string | null {
    const etags = Array.from(this.#sent, (sent) => sent?.etag ?? '');
    if (etags.length === 0 || !etags.every((etag) => MD5.test(etag))) return null;
    const hash = createHash('md5');
    for (const etag of etags) hash.update(Buffer.from(etag, 'hex'));
    return `${hash.digest('hex')}-${etags.length}`;
  }

  async #abort(UploadId: string): Promise<void> {
    // The bucket's lifecycle rule removes the rest.
    const { sdk, client } = this.#bucket;
    await client.send(new sdk.AbortMultipartUploadCommand({ ...this.#at, UploadId })).catch(() => undefined);
  }
}

interface StoredPart {
  readonly size: number;
  readonly etag: string;
  /** Base64; null if S3 gives none. */
  readonly crc: string | null;
}

interface UnfinishedUpload {
  readonly uploadId: string;
  readonly parts: ReadonlyMap<number, StoredPart>;
}

/** Unfinished uploads of one key to look at; more than one is rare. */
const LOOKED_AT = 3;
const MD5 = /^[0-9a-f]{32}$/;

/**
 * Identifies the content of an upload. S3 lists only an unfinished upload's key; its metadata, fixed when it began,
 * can't be read. So the first part of an upload is this text, with a part number that no chunk has and that the
 * completion doesn't list. Only an upload with the same mark is resumed.
 */
function markOf(size: number, chunk: number, metadata: Metadata, kmsKey: string | null): Buffer {
  const sorted = Object.entries(metadata).sort(([one], [other]) => (one < other ? -1 : 1));
  const text = JSON.stringify({ format: 1, size, chunk, kmsKey, metadata: sorted });
  return Buffer.from(`batchctl ${createHash('sha256').update(text).digest('hex')}`);
}

/** The newest unfinished upload of this key with this mark; null if there is none, or looking is denied. */
async function findUnfinishedUpload(
  bucket: S3Bucket,
  key: string,
  mark: Buffer,
  signal?: AbortSignal,
): Promise<UnfinishedUpload | null> {
  const { sdk, client } = bucket;
  const Key = fullKey(bucket, key);
  try {
    const { Uploads = [] } = await client.send(
      new sdk.ListMultipartUploadsCommand({ ...bucketParams(bucket), Prefix: Key }),
      abortOptions(signal),
    );
    const mine = Uploads.filter((upload) => upload.Key === Key)
      .sort((one, other) => (other.Initiated?.getTime() ?? 0) - (one.Initiated?.getTime() ?? 0))
      .slice(0, LOOKED_AT);
    for (const { UploadId } of mine) {
      if (UploadId === undefined) continue;
      const parts = await partsOf(bucket, Key, UploadId, signal);
      const found = parts?.get(MARK_NUMBER);
      if (parts != null && found !== undefined && isTrusted(found, mark.length, sumsOf(mark))) {
        return { uploadId: UploadId, parts };
      }
    }
    return null;
  } catch (error) {
    // Without the right to list, every upload begins anew.
    if (statusOf(error) === 403) return null;
    throw error;
  }
}

/** True if the chunk in S3 holds the file's bytes, by S3's checksum or else by an entity tag that is an MD5. */
function isTrusted(part: StoredPart, length: number, sums: Sums): boolean {
  if (part.size !== length) return false;
  if (part.crc !== null && part.crc !== base64Crc(sums.crc)) return false;
  // With a KMS key an entity tag may look like an MD5 without being one: then only the checksum decides.
  return part.crc !== null || (MD5.test(part.etag) && part.etag === sums.md5);
}

const sumsOf = (bytes: Buffer): Sums => ({ crc: crc32(bytes), md5: createHash('md5').update(bytes).digest('hex') });

async function partsOf(
  bucket: S3Bucket,
  Key: string,
  UploadId: string,
  signal: AbortSignal | undefined,
): Promise<Map<number, StoredPart> | null> {
  const parts = new Map<number, StoredPart>();
  let marker: string | undefined;
  try {
    do {
      const answer = await bucket.client.send(
        new bucket.sdk.ListPartsCommand({ ...bucketParams(bucket), Key, UploadId, PartNumberMarker: marker }),
        abortOptions(signal),
      );
      for (const { PartNumber = 0, Size = 0, ETag, ChecksumCRC32 = null } of answer.Parts ?? []) {
        parts.set(PartNumber, { size: Size, etag: withoutQuotes(ETag), crc: ChecksumCRC32 });
      }
      marker = answer.IsTruncated === true ? answer.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  } catch (error) {
    // Completed or aborted since it was listed.
    if (statusOf(error) === 404) return null;
    throw error;
  }
}
