import type { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { createS3Store, type S3Store, type S3StoreOptions } from '../../../src/adapters/aws/s3-store.ts';
import { openClients } from '../../support/aws-clients.ts';
import type { Fault } from '../../support/servers/fault-proxy.ts';

export const REGION = 'eu-west-1';
/** The prefix of the stores of `openBench`. */
export const PREFIX = 'batchctl/stack/';

let buckets = 0;

/** Clients of an emulator, with keys that it does not check. */
export function clientsOf(url: string, env: Readonly<Record<string, string>> = {}): AwsClients {
  return openClients({ s3: url, sts: url }, { region: REGION, env });
}

/** The store of a whole bucket, unless the options name a prefix. */
export function storeOf(clients: AwsClients, bucket: string, options: Partial<S3StoreOptions> = {}): Promise<S3Store> {
  return createS3Store({ clients, bucket, prefix: '', kmsKey: null, ...options });
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
  readonly close: () => Promise<void>;
}

/** A store in a new bucket of the server at `url`. Its requests go to `via`. */
export async function openBench(
  url: string,
  via: string = url,
  options: Partial<S3StoreOptions> = {},
): Promise<S3Bench> {
  const bucket = await makeBucket(url);
  const clients = clientsOf(via);
  const store = await storeOf(clients, bucket, { prefix: PREFIX, ...options });
  return { store, clients, bucket, close: () => clients.close() };
}

/** Bytes in which no two pages or chunks are equal. */
export function distinctBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 1_021) bytes.writeUInt32LE(at, at);
  return bytes;
}

/** An error as S3 writes it. */
export const s3Fault = (status: number, code: string): Fault => ({ kind: 'answer', status, code });

/** The methods of the SDK's signer that its type lacks. */
interface SdkSigner {
  sign(request: object, options: object): Promise<{ readonly headers: Readonly<Record<string, string>> }>;
  presign(request: object, options: object): Promise<{ readonly query: Readonly<Record<string, string>> }>;
}

export async function sdkSigner(clients: AwsClients, service: 's3' | 'sqs'): Promise<SdkSigner> {
  const { config } = await clients.s3();
  const scheme = { name: 'sigv4', signingName: service, signingRegion: REGION, properties: {} };
  return (await config.signer(scheme)) as unknown as SdkSigner;
}
