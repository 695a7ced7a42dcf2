import { rm } from 'node:fs/promises';
import { BatchctlError } from '../../errors.ts';
import type { Permits } from '../../lib/permits.ts';
import type { ObjectInfo, PutResult, UploadOptions } from '../../ports/object-store.ts';
import { translateAwsError } from './errors.ts';
import { checkMetadata, doing, fullKey, type S3Bucket } from './s3-bucket.ts';
import { type ChunkRules, isTooLarge } from './s3-chunks.ts';
import { MultipartUpload } from './s3-multipart.ts';
import { putObject } from './s3-put.ts';
import { type ChunkSource, UploadSource } from './s3-source.ts';

export interface UploadTools {
  /** Bounds the chunks in memory, of all uploads together. */
  readonly permits: Permits;
  readonly rules: ChunkRules;
  head(key: string): Promise<ObjectInfo | null>;
}

/** New uploads of one file: one may be aborted by a lifecycle rule, or lose a race with another write to the key. */
const UPLOADS = 4;

/**
 * Puts a file: a small one in one request, a larger one in chunks, of which those of an earlier, unfinished try are kept
 * whose size and checksum are the file's. What ends in the middle can be taken up again.
 */
export async function uploadFile(
  bucket: S3Bucket,
  path: string,
  key: string,
  options: UploadOptions,
  tools: UploadTools,
): Promise<PutResult> {
  const result = await upload(bucket, key, { name: path, open: () => UploadSource.open(path) }, options, tools);
  if (result.created && options.consume) await rm(path);
  return result;
}

/** What is uploaded: opened anew for each upload of it. */
export interface Uploadable {
  /** For people. */
  readonly name: string;
  open(): Promise<ChunkSource>;
}

/** The same of anything. */
export async function upload(
  bucket: S3Bucket,
  key: string,
  what: Uploadable,
  given: UploadOptions,
  tools: UploadTools,
): Promise<PutResult> {
  const options = { ...given, onProgress: growing(given.onProgress) };
  const { metadata = {}, signal } = options;
  signal?.throwIfAborted();
  checkMetadata(key, metadata);
  fullKey(bucket, key);
  const about = doing(bucket, 's3:PutObject', key, `upload ${what.name} as ${key}`);
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
    // Not only to spare the bytes: some endpoints heed no condition when an upload is completed.
    if (options.ifAbsent && (await tools.head(key)) !== null) return { created: false, etag: '' };
    return new MultipartUpload(bucket, key, source, options, tools).run(mayResume);
  }
}

/** Progress that never falls, though what was sent may have to be sent again. */
function growing(onProgress: UploadOptions['onProgress']): (bytes: number) => void {
  let most = 0;
  return (bytes) => {
    if (bytes < most) return;
    most = bytes;
    onProgress?.(bytes);
  };
}
