import { BatchctlError, isKind } from '../../errors.ts';
import type { Bucket, BucketObject, BucketReadOptions } from '../../ports/bucket.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { openStoreSource, type StoreSource } from './store-source.ts';
import type { LookAtHead } from './text-head.ts';

/** An object of a bucket that is cut in place. */
export interface BucketSource extends StoreSource {
  /** The version that is read; null: the object as it is, pinned by its entity tag. */
  readonly version: string | null;
  /** `sha256:<hex>` where S3 holds it. */
  readonly checksum: string | null;
}

/** Reads one version of each object; with null, objects as they are. */
export function versionReader(bucket: Bucket, version: string | null): Pick<ObjectStore, 'head' | 'read' | 'get'> {
  const of = (options: BucketReadOptions = {}): BucketReadOptions => ({ ...options, version });
  return {
    head: (key) => bucket.head(key, version),
    read: (key, options) => bucket.read(key, of(options)),
    get: (key, options) => bucket.get(key, of(options)),
  };
}

/**
 * Opens an object as an input: pinned by its version where the bucket keeps versions, so that a later write can't touch
 * the job, else by its entity tag. Throws `notFound` if there is none.
 */
export async function openBucketSource(
  index: number,
  bucket: Bucket,
  key: string,
  name: string,
  look: LookAtHead | null = null,
): Promise<BucketSource> {
  const info = await bucket.head(key);
  if (info === null) {
    throw new BatchctlError('notFound', `the input ${name} does not exist`, { hint: `aws s3 ls ${name}` });
  }
  const open = async (version: string | null): Promise<BucketSource> => {
    const source = await openStoreSource(index, versionReader(bucket, version), key, name, info, look);
    return { ...source, version, checksum: info.checksum };
  };
  try {
    return await open(info.version);
  } catch (error) {
    // Versions have a permission of their own, which who may read objects need not have.
    if (info.version === null || !isKind(error, 'credentials')) throw error;
    return open(null);
  }
}

/** What an object's pin says it is now: null while it holds, else how it differs, in words. */
export function pinBroken(now: BucketObject | null, etag: string, name: string): string | null {
  if (now === null) return `${name} is gone`;
  return now.etag === etag ? null : `${name} was written again`;
}
