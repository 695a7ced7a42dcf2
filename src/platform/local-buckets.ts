import type { S3Buckets } from '../adapters/aws/s3-buckets.ts';
import type { OpenBucket } from '../ports/bucket.ts';

/**
 * Buckets for a local profile, so that a rehearsal on this machine reads the real input in place. Credentials, region
 * and endpoint come from the environment, as with the AWS CLI; the SDK is loaded only when a job uses a bucket.
 */
export function localBuckets(
  requesterPays: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): {
  readonly open: OpenBucket;
  readonly close: () => Promise<void>;
} {
  let made: Promise<S3Buckets> | null = null;
  const make = async (): Promise<S3Buckets> => {
    const { S3Buckets } = await import('../adapters/aws/s3-buckets.ts');
    const s3 = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
    // Each bucket is then accessed in its own region.
    const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1';
    const clients = { region, profile: null, account: null, endpoints: s3 === undefined ? {} : { s3 } };
    return new S3Buckets({ clients, own: null, requesterPays });
  };
  return {
    open: async (name) => {
      made ??= make();
      return (await made).open(name);
    },
    close: async () => (await made)?.close(),
  };
}
