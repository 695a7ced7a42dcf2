import { BatchctlError } from '../../errors.ts';
import { eachParallel } from '../../lib/parallel.ts';
import type { Metadata, ObjectInfo, PutResult } from '../../ports/object-store.ts';
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
import { changedError } from './s3-read.ts';

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
  /** Replaces the source's metadata; its tags aren't copied then either. */
  readonly metadata?: Metadata;
  readonly signal?: AbortSignal;
}

const GIB = 1024 ** 3;
const AT_ONCE = 8;

/** Copies an object within S3, metadata included. Throws `changed` when the source is no longer the one of `info`. */
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
  const { ifAbsent, metadata } = options;
  const { CopyObjectResult } = await bucket.client.send(
    new bucket.sdk.CopyObjectCommand({
      ...objectParams(bucket, key),
      ...encryption(bucket),
      ...sourceParams(source),
      ...(ifAbsent && { IfNoneMatch: '*' }),
      ...(metadata !== undefined && {
        Metadata: { ...metadata },
        MetadataDirective: 'REPLACE' as const,
        TaggingDirective: 'REPLACE' as const,
      }),
    }),
    abortOptions(options.signal),
  );
  return { created: true, etag: withoutQuotes(CopyObjectResult?.ETag) };
}

async function copyInSlices(
  source: CopySource,
  bucket: S3Bucket,
  key: string,
  options: CopyOptions,
): Promise<PutResult> {
  const { ifAbsent, slice = GIB } = options;
  const { sdk, client } = bucket;
  const at = objectParams(bucket, key);
  const { size } = source.info;
  const metadata = options.metadata ?? source.info.metadata;
  // At most 10,000 parts (userguide/qfacts).
  const length = Math.max(slice, Math.ceil(size / 10_000));
  const { UploadId } = await client.send(
    new sdk.CreateMultipartUploadCommand({ ...at, ...encryption(bucket), Metadata: { ...metadata } }),
  );
  try {
    const etags: string[] = [];
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
      etags[index] = CopyPartResult?.ETag ?? '';
    };
    await eachParallel(numbers, AT_ONCE, copySlice, options.signal);
    const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
    const { ETag } = await client.send(
      new sdk.CompleteMultipartUploadCommand({
        ...at,
        UploadId,
        MpuObjectSize: size,
        MultipartUpload: { Parts },
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
