import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { BatchctlError } from '../../errors.ts';
import type { BucketObject } from '../../ports/bucket.ts';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { statusOf } from './errors.ts';
import { doing, fullKey, type S3Bucket, target, translated, withoutQuotes } from './s3-bucket.ts';

/** Milliseconds that a bucket which answered is taken to exist. */
const TRUSTED = 60_000;

/**
 * Looks at objects without their bytes. A HEAD's answer has no body. So its 404 doesn't say whether the object or the whole
 * bucket is missing: the bucket is then asked for too, unless it answered within the last minute. Nor do its 400 and 403 say why, as
 * when a session token has expired, or a key of KMS is denied: the object's first byte is then asked for, to be told.
 */
export class HeadObjects {
  readonly #bucket: S3Bucket;
  #existedAt = Number.NEGATIVE_INFINITY;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  /** Null: it provably isn't there. 403 is an error, as S3 answers so for what is missing too when it mayn't be listed. */
  async head(key: string): Promise<ObjectInfo | null> {
    const found = await this.#ask(key, {});
    return found === null ? null : infoOf(key, found);
  }

  /** The same of one version, or of the object as it is, with all that pins it. Throws `refused` for an archived one. */
  async facts(key: string, version: string | null): Promise<BucketObject | null> {
    const found = await this.#ask(key, {
      ...(version !== null && { VersionId: version }),
      ...(this.#bucket.checksums && { ChecksumMode: 'ENABLED' }),
    });
    if (found === null) return null;
    if (isArchived(found)) throw archived(this.#bucket.name, key, found);
    return { ...infoOf(key, found), version: versionOf(found), checksum: checksumOf(found) };
  }

  async #ask(
    key: string,
    more: { readonly VersionId?: string; readonly ChecksumMode?: 'ENABLED' },
  ): Promise<HeadObjectCommandOutput | null> {
    const bucket = this.#bucket;
    const command = new bucket.sdk.HeadObjectCommand({ ...target(bucket), Key: fullKey(bucket, key), ...more });
    const action = more.VersionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion';
    return translated(doing(bucket, action, key, `look at ${key}`), async () => {
      try {
        const found = await bucket.client.send(command);
        this.#existedAt = performance.now();
        return found;
      } catch (error) {
        const status = statusOf(error);
        if (status === 400 || status === 403) await this.#complain(key, more);
        if (status !== 404) throw error;
        await this.#proveBucket(key);
        return null;
      }
    });
  }

  /** Throws what S3 says of the same object in words, if it does; that it is missing does not explain a refusal. */
  async #complain(key: string, { VersionId }: { readonly VersionId?: string }): Promise<void> {
    const bucket = this.#bucket;
    const at = { ...target(bucket), Key: fullKey(bucket, key), ...(VersionId !== undefined && { VersionId }) };
    try {
      const { Body } = await bucket.client.send(new bucket.sdk.GetObjectCommand({ ...at, Range: 'bytes=0-0' }));
      await Body?.transformToByteArray();
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
    }
  }

  async #proveBucket(key: string): Promise<void> {
    if (performance.now() - this.#existedAt < TRUSTED) return;
    const bucket = this.#bucket;
    // Of another's bucket one may be allowed to list but a part.
    const Prefix = bucket.prefix + (bucket.foreign ? key : '');
    const command = new bucket.sdk.ListObjectsV2Command({ ...target(bucket), Prefix, MaxKeys: 1 });
    // Not HeadBucket: its 404 has no words either.
    await translated(doing(bucket, 's3:ListBucket', '', `find the bucket ${bucket.name}`), () =>
      bucket.client.send(command),
    );
    this.#existedAt = performance.now();
  }
}

const infoOf = (key: string, found: HeadObjectCommandOutput): ObjectInfo => ({
  key,
  size: found.ContentLength ?? 0,
  etag: withoutQuotes(found.ETag),
  modified: found.LastModified?.getTime() ?? 0,
  metadata: found.Metadata ?? {},
});

/** Where versions were suspended it is `null`, in so many letters: the next write takes that one's place. */
const versionOf = ({ VersionId }: HeadObjectCommandOutput): string | null =>
  VersionId === undefined || VersionId === 'null' ? null : VersionId;

/** Of chunks alone (`...-5`) it says nothing of the whole. */
const checksumOf = ({ ChecksumSHA256: sha256 }: HeadObjectCommandOutput): string | null =>
  sha256 === undefined || sha256.includes('-') ? null : `sha256:${Buffer.from(sha256, 'base64').toString('hex')}`;

/**
 * `Restore: ongoing-request="false", expiry-date=...`: a copy can be read for a while. `ArchiveStatus`: Intelligent-Tiering
 * has moved it to an archive tier (S3API/API_HeadObject).
 */
const isArchived = ({ StorageClass, ArchiveStatus, Restore }: HeadObjectCommandOutput): boolean =>
  ArchiveStatus !== undefined ||
  ((StorageClass === 'GLACIER' || StorageClass === 'DEEP_ARCHIVE') &&
    !(Restore ?? '').includes('ongoing-request="false"'));

/** Of Intelligent-Tiering the object itself comes back, for no number of days (S3UG/restoring-objects). */
function archived(
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
