import type { S3Client } from '@aws-sdk/client-s3';
import { BatchctlError } from '../../errors.ts';
import { partitionOf } from '../../lib/stack-names.ts';
import type { Metadata } from '../../ports/object-store.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { type AwsOperation, hasName, statusOf } from './errors.ts';
import { backOff } from './retries.ts';

/** The SDK's S3 module, loaded with the first store. */
export type S3Sdk = typeof import('@aws-sdk/client-s3');

/** One bucket as a profile uses it: what every request to it has in common. */
export interface S3Bucket {
  readonly sdk: S3Sdk;
  readonly client: S3Client;
  readonly name: string;
  readonly arn: string;
  /** Prefix of every key: empty, or with a slash at its end. */
  readonly prefix: string;
  /** The account that must own the bucket; null: any. */
  readonly owner: string | null;
  /** The key that encrypts new objects; null: the bucket's default. */
  readonly kmsKey: string | null;
  readonly profile: string | null;
  /** False where the endpoint refuses checksums (AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED). */
  readonly checksums: boolean;
  /** A bucket named by a job or on the command line, with its whole URI: another account may own it. */
  readonly foreign?: true;
  /** Requester pays: S3 refuses requests that don't accept the charge (userguide/RequesterPaysBuckets). */
  readonly requesterPays?: true;
}

/** Makes no request. */
export async function openBucket(
  clients: AwsClients,
  { name, owner, prefix, kmsKey }: Pick<S3Bucket, 'name' | 'owner' | 'prefix' | 'kmsKey'>,
  use: ClientUse,
): Promise<S3Bucket> {
  const [sdk, client] = await Promise.all([import('@aws-sdk/client-s3'), clients.s3(use)]);
  const checksums = (await client.config.requestChecksumCalculation()) !== 'WHEN_REQUIRED';
  const arn = bucketArn(clients.region, name);
  return { sdk, client, name, arn, prefix, owner, kmsKey, profile: clients.profile, checksums };
}

/** S3's limit on a key, bytes of UTF-8 (userguide/object-keys). */
const LONGEST_KEY = 1_024;
/** S3's limit on an object's metadata, bytes of all keys and values (userguide/UsingMetadata). */
const MOST_METADATA = 2_048;
const PRINTABLE = /^[\x20-\x7e]*$/;
const METADATA_KEY = /^[a-z0-9._-]+$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A bucket's ARN. The partition follows from the region: `aws`, `aws-cn` (China) or `aws-us-gov` (GovCloud). */
export const bucketArn = (region: string, name: string): string => `arn:${partitionOf(region)}:s3:::${name}`;

/** The full key in the bucket. Throws `usage` if it is empty, too long or not valid Unicode. */
export function fullKey(bucket: S3Bucket, key: string): string {
  const full = bucket.prefix + key;
  const bytes = Buffer.byteLength(full);
  if (key !== '' && bytes <= LONGEST_KEY && !LONE_SURROGATE.test(key)) return full;
  const found = key === '' ? 'an empty one' : `${bytes} bytes: ${JSON.stringify(key.slice(0, 60))}...`;
  throw new BatchctlError('usage', `A key must be 1 to ${LONGEST_KEY} bytes of valid Unicode; found ${found}`, {
    hint: 'Use a shorter or another name.',
  });
}

/** The bucket, its owner and who pays, as every request names them. */
export function bucketParams({ name, owner, requesterPays }: S3Bucket): {
  readonly Bucket: string;
  readonly ExpectedBucketOwner?: string;
  readonly RequestPayer?: 'requester';
} {
  return {
    Bucket: name,
    ...(owner !== null && { ExpectedBucketOwner: owner }),
    ...(requesterPays && { RequestPayer: 'requester' }),
  };
}

/** An object, as every request to it names it. Throws `usage` as `fullKey`. */
export const objectParams = (bucket: S3Bucket, key: string) => ({
  ...bucketParams(bucket),
  Key: fullKey(bucket, key),
});

/**
 * Encryption of new objects; empty if the bucket's default applies. Without a bucket key each object costs a request to
 * KMS, with its price and rate limit (userguide/bucket-key).
 */
export function encryption({ kmsKey }: S3Bucket): {
  readonly ServerSideEncryption?: 'aws:kms';
  readonly SSEKMSKeyId?: string;
  readonly BucketKeyEnabled?: true;
} {
  return kmsKey === null ? {} : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKey, BucketKeyEnabled: true };
}

/** Throws `usage` for metadata that is too large, or that a header can't carry unchanged. */
export function checkMetadata(key: string, metadata: Metadata): void {
  const entries = Object.entries(metadata);
  const size = entries.flat().reduce((sum, text) => sum + text.length, 0);
  const wrong = entries.find(
    ([name, value]) => !METADATA_KEY.test(name) || !PRINTABLE.test(value) || value.trim() !== value,
  );
  if (wrong === undefined && size <= MOST_METADATA) return;
  const found = wrong === undefined ? `${size} bytes` : JSON.stringify(Object.fromEntries([wrong])).slice(0, 200);
  throw new BatchctlError(
    'usage',
    `${key}: metadata must be printable ASCII, at most ${MOST_METADATA} bytes; found ${found}`,
    { hint: 'put longer values into the object itself' },
  );
}

/** The options of a request that ends when the signal aborts. */
export const abortOptions = (signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } =>
  signal === undefined ? {} : { abortSignal: signal };

/** S3 puts entity tags in quotes; the port's have none. */
export const withoutQuotes = (etag: string | undefined): string => (etag ?? '').replace(/^"|"$/g, '');
export const inQuotes = (etag: string): string => `"${etag}"`;

/** For `translateAwsError`: an operation on one key, or on the bucket itself (key ''). */
export function s3Operation(bucket: S3Bucket, action: string, key: string, what: string): AwsOperation {
  const path = key === '' ? '' : `/${bucket.prefix}${key}`;
  const resource = `${bucket.arn}${path}`;
  return { what, action, resource, profile: bucket.profile, ...(bucket.foreign && { foreign: true }) };
}

/** 412: another object has the key, or the object is no longer the pinned one. */
export const isPrecondition = (error: unknown): boolean => statusOf(error) === 412;

/** 409: another write to this key was in progress, and this one wasn't done. */
export const isConflict = (error: unknown): boolean => statusOf(error) === 409;

/** Answers of 409 in a row. Each only says that someone else was writing at that moment. */
const CONFLICTS = 12;

/** Repeats a write while another one to the same key is in progress. */
export async function retryConflicts<T>(write: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return await write();
    } catch (error) {
      if (!isConflict(error) || conflicts === CONFLICTS) throw error;
      await backOff(conflicts, signal);
    }
  }
}

/** The service named the error NoSuchKey. A bare 404 is no proof: the bucket may be gone. */
export const isNoSuchKey = (error: unknown): boolean => hasName(error, 'NoSuchKey', 'NoSuchVersion');
