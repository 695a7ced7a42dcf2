import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import type { Metadata, ObjectInfo, PutResult } from '../../ports/object-store.ts';
import { base64Crc } from './crc32.ts';
import { translateErrors } from './errors.ts';
import {
  abortOptions,
  encryption,
  fullKey,
  inQuotes,
  isNoSuchKey,
  isPrecondition,
  objectParams,
  retryConflicts,
  type S3Bucket,
  s3Operation,
  withoutQuotes,
} from './s3-bucket.ts';
import { changedError, checksumOf, openBody } from './s3-read.ts';

export interface CopySource {
  readonly bucket: S3Bucket;
  /** The answer of `head`: only this version is copied. */
  readonly info: ObjectInfo;
}

export interface CopyOptions {
  readonly ifAbsent: boolean;
  /**
   * Bytes; larger objects are copied in slices of `slice`. S3 copies at most 5 GiB in one request
   * (S3API/API_CopyObject).
   */
  readonly largest?: number;
  readonly slice?: number;
  /** The SHA-256 of the bytes, `sha256:<hex>`: the copy is compared with it, by S3 or by reading (ADR 66). */
  readonly checksum?: string;
  /** Replaces the source's metadata; its tags aren't copied then either. */
  readonly metadata?: Metadata;
  readonly signal?: AbortSignal;
}

const GIB = 1024 ** 3;
const AT_ONCE = 8;
/** Buckets whose server answered a copy without the requested SHA-256. Sources of later copies are read first. */
const bucketsWithoutChecksum = new WeakSet<S3Bucket>();

/**
 * Copies an object within S3, metadata included. Throws `changed` when the source is no longer the one of `info`, or has
 * another checksum; no copy is left then.
 */
export async function copyObject(
  source: CopySource,
  bucket: S3Bucket,
  key: string,
  options: CopyOptions,
): Promise<PutResult> {
  const { largest = 5 * GIB, ifAbsent } = options;
  const about = s3Operation(bucket, 's3:PutObject', key, `copy ${source.info.key} to ${key}`);
  return translateErrors(about, async () => {
    try {
      const copy = source.info.size > largest ? copyInSlices : copyWhole;
      return await retryConflicts(() => copy(source, bucket, key, options), options.signal);
    } catch (error) {
      // S3 gives the same answer if the condition on the source or the one on the target fails.
      if (isPrecondition(error) && ifAbsent && (await isTaken(bucket, key))) return { created: false, etag: '' };
      if (isPrecondition(error)) throw changedError(source.info.key, source.info.etag, 'another');
      if (isNoSuchKey(error)) throw missingSourceError(source.info.key);
      throw error;
    }
  });
}

export const missingSourceError = (key: string): BatchctlError =>
  new BatchctlError('notFound', `Expected the object ${key} to copy, found none`);

async function isTaken(bucket: S3Bucket, key: string): Promise<boolean> {
  try {
    await bucket.client.send(new bucket.sdk.HeadObjectCommand(objectParams(bucket, key)));
    return true;
  } catch {
    // Unknown. The caller then takes the source for changed.
    return false;
  }
}

const sourceParams = ({ bucket, info }: CopySource) => ({
  CopySource: [bucket.name, ...fullKey(bucket, info.key).split('/')].map(encodeURIComponent).join('/'),
  CopySourceIfMatch: inQuotes(info.etag),
  ...(bucket.owner !== null && { ExpectedSourceBucketOwner: bucket.owner }),
});

async function copyWhole(source: CopySource, bucket: S3Bucket, key: string, options: CopyOptions): Promise<PutResult> {
  const { ifAbsent, metadata, checksum, signal } = options;
  const { sdk, client, checksums } = bucket;
  const isCompared = checksum !== undefined;
  const isRead = isCompared && (!checksums || bucketsWithoutChecksum.has(bucket));
  if (isRead) await readSource(source, checksum, signal);
  const { CopyObjectResult = {} } = await client.send(
    new sdk.CopyObjectCommand({
      ...objectParams(bucket, key),
      ...encryption(bucket),
      ...sourceParams(source),
      ...(isCompared && !isRead && { ChecksumAlgorithm: 'SHA256' }),
      ...(ifAbsent && { IfNoneMatch: '*' }),
      ...(metadata !== undefined && {
        Metadata: { ...metadata },
        MetadataDirective: 'REPLACE' as const,
        TaggingDirective: 'REPLACE' as const,
      }),
    }),
    abortOptions(signal),
  );
  const etag = withoutQuotes(CopyObjectResult.ETag);
  if (!isCompared || isRead) return { created: true, etag };
  const answered = checksumOf(CopyObjectResult);
  if (answered === null) bucketsWithoutChecksum.add(bucket);
  const found = answered ?? (await readSums(bucket, key, etag, signal)).checksum;
  if (found === checksum) return { created: true, etag };
  await removeCopy(bucket, key, etag);
  throw changedError(source.info.key, checksum, found);
}

/** The condition spares an object that another process has stored there since. */
async function removeCopy(bucket: S3Bucket, key: string, etag: string): Promise<void> {
  const { sdk, client } = bucket;
  try {
    await client.send(new sdk.DeleteObjectCommand({ ...objectParams(bucket, key), IfMatch: inQuotes(etag) }));
  } catch (error) {
    if (!isPrecondition(error)) throw error;
  }
}

/** Reads the object that is to be copied. Throws `changed` if its checksum differs. Returns its CRC-32. */
async function readSource(
  { bucket, info }: CopySource,
  expected: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { checksum, crc } = await readSums(bucket, info.key, info.etag, signal);
  if (checksum !== expected) throw changedError(info.key, expected, checksum);
  return crc;
}

async function readSums(bucket: S3Bucket, key: string, etag: string, signal: AbortSignal | undefined) {
  const open = await openBody(bucket, key, { etag, ...(signal && { signal }) });
  if (open === null || open === 'beyond') throw changedError(key, etag, 'none');
  const hash = createHash('sha256');
  let crc = 0;
  for await (const chunk of open.bytes()) {
    hash.update(chunk);
    crc = crc32(chunk, crc);
  }
  return { checksum: `sha256:${hash.digest('hex')}`, crc };
}

/**
 * S3 gives such a copy a SHA-256 of its slices only. So the source is read first, and S3 compares the whole copy with
 * the CRC-32 of what was read before the copy appears.
 */
async function copyInSlices(
  source: CopySource,
  bucket: S3Bucket,
  key: string,
  options: CopyOptions,
): Promise<PutResult> {
  const { ifAbsent, checksum, slice = GIB, signal } = options;
  const { sdk, client } = bucket;
  const crc = checksum === undefined ? null : await readSource(source, checksum, signal);
  const hasCrc = crc !== null && bucket.checksums;
  const at = objectParams(bucket, key);
  const { size } = source.info;
  const metadata = options.metadata ?? source.info.metadata;
  // At most 10,000 parts (userguide/qfacts).
  const length = Math.max(slice, Math.ceil(size / 10_000));
  const { UploadId } = await client.send(
    new sdk.CreateMultipartUploadCommand({
      ...at,
      ...encryption(bucket),
      Metadata: { ...metadata },
      ...(hasCrc && { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
    }),
  );
  try {
    const Parts: CompletedPart[] = [];
    const numbers = Array.from({ length: Math.ceil(size / length) }, (_, index) => index);
    const copySlice = async (index: number, signal: AbortSignal): Promise<void> => {
      const last = Math.min(size, (index + 1) * length) - 1;
      const { CopyPartResult } = await client.send(
        new sdk.UploadPartCopyCommand({
          ...at,
          ...sourceParams(source),
          UploadId,
          PartNumber: index + 1,
          CopySourceRange: `bytes=${index * length}-${last}`,
        }),
        { abortSignal: signal },
      );
      const { ETag = '', ChecksumCRC32 } = CopyPartResult ?? {};
      Parts[index] = { ETag, PartNumber: index + 1, ...(hasCrc && { ChecksumCRC32 }) };
    };
    await eachParallel(numbers, AT_ONCE, copySlice, signal);
    const { ETag } = await client.send(
      new sdk.CompleteMultipartUploadCommand({
        ...at,
        UploadId,
        MpuObjectSize: size,
        MultipartUpload: { Parts },
        ...(hasCrc && { ChecksumCRC32: base64Crc(crc), ChecksumType: 'FULL_OBJECT' }),
        ...(ifAbsent && { IfNoneMatch: '*' }),
      }),
    );
    return { created: true, etag: withoutQuotes(ETag) };
  } catch (error) {
    // The bucket's lifecycle rule removes uploads that this can't.
    await client.send(new sdk.AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
    throw error;
  }
}
