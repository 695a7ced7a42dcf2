import { BatchctlError } from '../../errors.ts';
import type { AwsClients } from './clients.ts';
import { translateAwsError } from './errors.ts';
import { bucketArn } from './s3-bucket.ts';

const HEADER = 'x-amz-bucket-region';

/**
 * The region of a bucket, whoever owns it. S3 names it in its answer to HeadBucket, also where that is a redirect or a
 * refusal (S3API/API_HeadBucket). Throws `notFound` for a bucket that doesn't exist.
 */
export async function regionOf(clients: AwsClients, name: string): Promise<string> {
  const [{ HeadBucketCommand }, client] = await Promise.all([import('@aws-sdk/client-s3'), clients.s3('control')]);
  try {
    const { BucketRegion } = await client.send(new HeadBucketCommand({ Bucket: name }));
    return BucketRegion ?? clients.region;
  } catch (error) {
    const region = headerOf(error);
    if (region !== null) return region;
    if (error instanceof Error && error.name === 'NotFound') {
      throw new BatchctlError('notFound', `there is no bucket ${name}`, { hint: 'correct s3://BUCKET', cause: error });
    }
    const resource = bucketArn(clients.region, name);
    const about = { what: `find the bucket ${name}`, action: 's3:ListBucket', resource, profile: clients.profile };
    throw translateAwsError(error, { ...about, foreign: true });
  }
}

/** What the SDK keeps of an answer that it threw for. */
function headerOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('$response' in error)) return null;
  const { $response: response } = error;
  if (typeof response !== 'object' || response === null || !('headers' in response)) return null;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null) return null;
  const entry = Object.entries(headers).find(([name]) => name.toLowerCase() === HEADER);
  return typeof entry?.[1] === 'string' ? entry[1] : null;
}
