import type { S3Bucket } from './s3-bucket.ts';
import { placeOf } from './s3-place.ts';
import { type Presigning, presignedUrl } from './s3-presign.ts';

/** A URL of a key, signed with the bucket's credentials. */
export async function signedUrl(
  bucket: S3Bucket,
  key: string,
  what: Pick<Presigning, 'method' | 'seconds' | 'headers' | 'query'>,
): Promise<string> {
  const [url, region, credentials] = await Promise.all([
    placeOf(bucket, key),
    bucket.client.config.region(),
    bucket.client.config.credentials(),
  ]);
  return presignedUrl({ ...what, url, region, now: Date.now(), credentials });
}
