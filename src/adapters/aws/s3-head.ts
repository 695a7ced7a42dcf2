import type { ObjectInfo } from '../../ports/object-store.ts';
import { statusOf } from './errors.ts';
import { doing, fullKey, type S3Bucket, target, translated, withoutQuotes } from './s3-bucket.ts';

/** Milliseconds that a bucket which answered is taken to exist. */
const TRUSTED = 60_000;

/**
 * Looks at objects without their bytes. A HEAD has no body, so its 404 doesn't say whether the object or the whole
 * bucket is missing: the bucket is then asked for too, unless it answered within the last minute.
 */
export class HeadObjects {
  readonly #bucket: S3Bucket;
  #existedAt = Number.NEGATIVE_INFINITY;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  /** Null: it provably isn't there. 403 is an error, as S3 answers so for what is missing too when it mayn't be listed. */
  async head(key: string): Promise<ObjectInfo | null> {
    const bucket = this.#bucket;
    const command = new bucket.sdk.HeadObjectCommand({ ...target(bucket), Key: fullKey(bucket, key) });
    return translated(doing(bucket, 's3:GetObject', key, `look at ${key}`), async () => {
      try {
        const found = await bucket.client.send(command);
        this.#existedAt = performance.now();
        return {
          key,
          size: found.ContentLength ?? 0,
          etag: withoutQuotes(found.ETag),
          modified: found.LastModified?.getTime() ?? 0,
          metadata: found.Metadata ?? {},
        };
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        await this.#proveBucket();
        return null;
      }
    });
  }

  async #proveBucket(): Promise<void> {
    if (performance.now() - this.#existedAt < TRUSTED) return;
    const bucket = this.#bucket;
    const command = new bucket.sdk.ListObjectsV2Command({ ...target(bucket), Prefix: bucket.prefix, MaxKeys: 1 });
    // Not HeadBucket: its 404 has no words either.
    await translated(doing(bucket, 's3:ListBucket', '', `find the bucket ${bucket.name}`), () =>
      bucket.client.send(command),
    );
    this.#existedAt = performance.now();
  }
}
