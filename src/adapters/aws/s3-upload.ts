import { rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { BatchctlError } from '../../errors.ts';
import { LARGEST_PUT, type PutOptions, type PutResult, type UploadOptions } from '../../ports/object-store.ts';
import { base64Crc } from './crc32.ts';
import { translateAwsError, translateErrors } from './errors.ts';
import {
  abortOptions,
  checkMetadata,
  encryption,
  fullKey,
  isPrecondition,
  objectParams,
  retryConflicts,
  type S3Bucket,
  s3Operation,
  withoutQuotes,
} from './s3-bucket.ts';
import type { UploadTools } from './s3-multipart.ts';
import { MultipartUpload } from './s3-multipart.ts';
import { type ChunkSource, FileSource, isTooLarge } from './s3-source.ts';

/** New uploads per file: a lifecycle rule may abort one, or another write to the key may win. */
const UPLOADS = 4;

/**
 * Uploads a file: a small one in one request, a larger one in chunks. Chunks of an earlier, unfinished try are kept if
 * their size and checksum match. An interrupted upload can be resumed.
 */
export async function uploadFile(
  bucket: S3Bucket,
  path: string,
  key: string,
  options: UploadOptions,
  tools: UploadTools,
): Promise<PutResult> {
  const result = await upload(bucket, key, { name: path, open: () => FileSource.open(path) }, options, tools);
  if (result.created && options.consume) await rm(path);
  return result;
}

/** A source that is reopened for each upload. */
interface Uploadable {
  readonly name: string;
  open(): Promise<ChunkSource>;
}

/** As `uploadFile`, for any source. */
export async function upload(
  bucket: S3Bucket,
  key: string,
  what: Uploadable,
  given: UploadOptions,
  tools: UploadTools,
): Promise<PutResult> {
  const options = { ...given, onProgress: monotonicProgress(given.onProgress) };
  const { metadata = {}, signal } = options;
  signal?.throwIfAborted();
  checkMetadata(key, metadata);
  fullKey(bucket, key);
  const about = s3Operation(bucket, 's3:PutObject', key, `upload ${what.name} as ${key}`);
  try {
    for (let uploads = 1; ; uploads += 1) {
      const outcome = await once(uploads === 1);
      if (outcome !== 'again') return outcome;
      if (uploads === UPLOADS) {
        throw new BatchctlError(
          'unavailable',
          `could not upload ${what.name} as ${key}: its uploads keep being aborted`,
          {
            hint: 'check whether another process writes the same key, or a lifecycle rule aborts uploads; then upload again',
          },
        );
      }
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw translateAwsError(error, about);
  }

  async function once(mayResume: boolean): Promise<PutResult | 'again'> {
    const source = await what.open();
    try {
      const result = source.size < tools.rules.from ? await small(source) : await large(source, mayResume);
      if (result !== 'again' && result.created) options.onProgress(source.size);
      return result;
    } finally {
      await source.close();
    }
  }

  async function small(source: ChunkSource): Promise<PutResult> {
    const bytes = await source.whole();
    await source.requireUnchanged();
    await options.check?.();
    return putObject(bucket, key, bytes, options);
  }

  async function large(source: ChunkSource, mayResume: boolean): Promise<PutResult | 'again'> {
    if (isTooLarge(source.size)) {
      throw new BatchctlError('usage', `${what.name} has ${source.size} bytes, more than an object may have`, {
        hint: 'split it into several files',
      });
    }
    // Not only to save bytes: some endpoints ignore the condition when an upload is completed.
    if (options.ifAbsent && (await tools.head(key)) !== null) return { created: false, etag: '' };
    return new MultipartUpload(bucket, key, source, options, tools).run(mayResume);
  }
}

/** Makes progress monotonic, even if bytes have to be sent again. */
function monotonicProgress(onProgress: UploadOptions['onProgress']): (bytes: number) => void {
  let most = 0;
  return (bytes) => {
    if (bytes < most) return;
    most = bytes;
    onProgress?.(bytes);
  };
}

/**
 * One put with its checksum. The client retries after a lost answer, so `created: false` may refer to its own first
 * try: the caller reads back, as the port says. After a 409 it puts again.
 */
export async function putObject(
  bucket: S3Bucket,
  key: string,
  body: Uint8Array | string,
  options: PutOptions & { readonly signal?: AbortSignal } = {},
): Promise<PutResult> {
  const { ifAbsent = false, metadata = {}, signal } = options;
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  if (bytes.length > LARGEST_PUT) {
    const expected = `Expected at most ${LARGEST_PUT} bytes to put as ${key}, found ${bytes.length}`;
    throw new BatchctlError('usage', expected, { hint: 'Upload it as a file.' });
  }
  checkMetadata(key, metadata);
  const command = new bucket.sdk.PutObjectCommand({
    ...objectParams(bucket, key),
    ...encryption(bucket),
    Body: bytes,
    ContentLength: bytes.length,
    Metadata: { ...metadata },
    ...(ifAbsent && { IfNoneMatch: '*' }),
    ...(bucket.checksums && { ChecksumCRC32: base64Crc(crc32(bytes)) }),
  });
  return translateErrors(s3Operation(bucket, 's3:PutObject', key, `put ${key}`), async () => {
    try {
      const { ETag } = await retryConflicts(() => bucket.client.send(command, abortOptions(signal)), signal);
      return { created: true, etag: withoutQuotes(ETag) };
    } catch (error) {
      if (ifAbsent && isPrecondition(error)) return { created: false, etag: '' };
      throw error;
    }
  });
}
