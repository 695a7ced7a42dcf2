import { BatchctlError } from '../../errors.ts';
import { parseS3Uri } from '../../model/s3-uri.ts';
import type { OpenBucket } from '../../ports/bucket.ts';

/** An object that an input's name means. */
export interface BucketTarget {
  readonly kind: 's3';
  readonly bucket: string;
  readonly key: string;
  /** `s3://BUCKET/KEY` */
  readonly name: string;
}

/**
 * The objects that `s3://BUCKET/KEY` means: one, or all below a prefix that ends in `/` or `*`. The empty objects that
 * consoles put for directories are none. Throws `usage` for a text that names nothing, `notFound` for an empty prefix.
 */
export async function bucketTargets(name: string, open: OpenBucket): Promise<readonly BucketTarget[]> {
  const uri = parseS3Uri(name);
  if (uri === null) {
    throw new BatchctlError('usage', `expected s3://BUCKET/KEY, found ${name}`, {
      hint: 'bucket names are 3 to 63 lower-case letters, digits, dots and hyphens',
    });
  }
  const { bucket, key } = uri;
  const at = (whole: string): BucketTarget => ({ kind: 's3', bucket, key: whole, name: `s3://${bucket}/${whole}` });
  if (key !== '' && !key.endsWith('/') && !key.endsWith('*')) return [at(key)];
  const targets: BucketTarget[] = [];
  const listed = (await open(bucket)).list(key.replace(/\*$/, ''));
  for await (const entry of listed) if (!entry.key.endsWith('/') || entry.size > 0) targets.push(at(entry.key));
  if (targets.length > 0) return targets;
  throw new BatchctlError('notFound', `the input ${name} matches nothing`, { hint: `aws s3 ls ${name}` });
}

/** For whoever has no buckets. */
export const noBuckets: OpenBucket = async (name) => {
  throw new BatchctlError('config', `s3://${name} can't be reached from here`);
};
