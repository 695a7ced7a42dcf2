import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { createS3Store, type S3Store, type S3StoreOptions } from '../../../src/adapters/aws/s3-store.ts';
import { signWithAnyKeys } from '../../support/aws-keys.ts';

export const REGION = 'eu-west-1';

let buckets = 0;

/** Clients of an emulator, with keys that it does not check. */
export function clientsOf(url: string, env: Readonly<Record<string, string>> = {}): AwsClients {
  signWithAnyKeys();
  return new AwsClients({ region: REGION, profile: null, account: null, endpoints: { s3: url, sts: url }, env });
}

/** A new bucket, created by the emulator's own means. */
export async function makeBucket(url: string): Promise<string> {
  buckets += 1;
  const bucket = `bucket-${process.pid}-${buckets}`;
  const clients = clientsOf(url);
  const { CreateBucketCommand } = await import('@aws-sdk/client-s3');
  const client = await clients.s3();
  await client.send(
    new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: { LocationConstraint: REGION } }),
  );
  await clients.close();
  return bucket;
}

export interface S3Bench {
  readonly store: S3Store;
  readonly clients: AwsClients;
  readonly bucket: string;
}

/** A store in a new bucket of the server at `url`. Its requests go to `via` if that is given. */
export async function openBench(
  url: string,
  via: string = url,
  options: Partial<S3StoreOptions> = {},
): Promise<S3Bench> {
  const bucket = await makeBucket(url);
  const clients = clientsOf(via);
  const store = await createS3Store({ clients, bucket, prefix: 'batchctl/stack/', kmsKey: null, ...options });
  return { store, clients, bucket };
}
