import { BatchctlError } from '../../errors.ts';
import { OnceMap } from '../../lib/once.ts';
import { isRawDataKey, isSecretKey } from '../../model/keys.ts';
import type { Bucket } from '../../ports/bucket.ts';
import { AwsClients, type AwsClientsOptions } from './clients.ts';
import { errorHeaders, hasName, translateAwsError } from './errors.ts';
import type { RateLimits } from './rate-limits.ts';
import { bucketArn } from './s3-bucket.ts';
import { missingSourceError } from './s3-copy.ts';
import { createS3Store, type S3Store } from './s3-store.ts';

export interface S3BucketsOptions {
  readonly clients: AwsClientsOptions;
  /** Shared with the process's other S3 clients. */
  readonly rates?: RateLimits;
  /** The bucket of the profile's own store, and the account that must own it. Null: the store isn't in S3. */
  readonly own: { readonly name: string; readonly owner: string | null; readonly store: S3Store } | null;
  /** Buckets whose requests accept that the requester pays (S3: Requester Pays). */
  readonly requesterPays?: readonly string[];
  /** Called before the first write; throws if writing isn't allowed. */
  readonly allowed?: () => Promise<void>;
  /** Bytes: larger objects are copied in slices of `slice`. S3's own limit by default. */
  readonly copies?: { readonly largest: number; readonly slice: number };
}

/** Buckets by name, each asked in its own region. If an endpoint replaces S3, all are asked there. */
export class S3Buckets {
  readonly #options: S3BucketsOptions;
  readonly #clients = new Map<string, AwsClients>();
  readonly #known = new OnceMap<Bucket>();

  constructor(options: S3BucketsOptions) {
    this.#options = options;
  }

  /** Throws `notFound`, `credentials` and `unavailable` as `findBucketRegion` does. */
  open(name: string): Promise<Bucket> {
    return this.#known.get(name, () => this.#open(name));
  }

  async close(): Promise<void> {
    this.#known.takeAll();
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    await Promise.all(clients.map((each) => each.close()));
  }

  async #open(name: string): Promise<Bucket> {
    const { clients, own, allowed = async () => undefined, copies, requesterPays = [] } = this.#options;
    const isOwn = own?.name === name;
    const here = this.#clientsFor(clients.region);
    const region = isOwn || clients.endpoints.s3 !== undefined ? clients.region : await findBucketRegion(here, name);
    const store = await createS3Store({
      clients: this.#clientsFor(region),
      bucket: name,
      prefix: '',
      kmsKey: null,
      // Only the profile says who owns a bucket, and only for its own.
      owner: isOwn ? own.owner : null,
      foreign: !isOwn,
      requesterPays: requesterPays.includes(name),
      ...(copies && { copies }),
    });
    return bucketOf(store, own?.store ?? null, allowed);
  }

  #clientsFor(region: string): AwsClients {
    const known = this.#clients.get(region);
    if (known !== undefined) return known;
    const made = new AwsClients({ ...this.#options.clients, region }, this.#options.rates);
    this.#clients.set(region, made);
    return made;
  }
}

/** One bucket, with whole keys. Waits for `allowed` before each write. */
function bucketOf(store: S3Store, own: S3Store | null, allowed: () => Promise<void>): Bucket {
  return {
    location: store.location,
    head: (key, version = null) => store.facts(key, version),
    read: (key, options) => store.read(key, options),
    get: (key, options) => store.get(key, options),
    presign: (key, seconds, version = null) => store.presign(key, 'get', seconds, version),
    list: (prefix, options) => store.list(prefix, options),
    put: (...args) => allowed().then(() => store.put(...args)),
    delete: (keys) => allowed().then(() => store.delete(keys)),
    uploadFile: (...args) => allowed().then(() => store.uploadFile(...args)),
    uploadStream: (...args) => allowed().then(() => store.uploadStream(...args)),
    copy: (from, to) => allowed().then(() => store.copy(from, to)),
    copyFromStore: async (from, to, as) => {
      if (own === null) return null;
      if (isSecretKey(from)) {
        throw new BatchctlError(
          'refused',
          `${from} is reserved for the manager, and can't be copied to ${store.location}/${to}`,
          { hint: 'only outputs of tasks below jobs/ can be copied' },
        );
      }
      await allowed();
      const copied = await store.copyFrom(own, from, to, as);
      if (copied === null) throw missingSourceError(from);
      return copied;
    },
  };
}

/**
 * The region of any account's bucket. S3 names it in its answer to HeadBucket, even if that is a redirect or a refusal
 * (S3API/API_HeadBucket). Throws `notFound` for a bucket that doesn't exist.
 */
export async function findBucketRegion(clients: AwsClients, name: string): Promise<string> {
  const [{ HeadBucketCommand }, client] = await Promise.all([import('@aws-sdk/client-s3'), clients.s3('control')]);
  try {
    const { BucketRegion } = await client.send(new HeadBucketCommand({ Bucket: name }));
    return BucketRegion ?? clients.region;
  } catch (error) {
    const region = errorHeaders(error)['x-amz-bucket-region'];
    if (region !== undefined) return region;
    if (hasName(error, 'NotFound')) {
      throw new BatchctlError('notFound', `there is no bucket ${name}`, { hint: 'correct s3://BUCKET', cause: error });
    }
    const resource = bucketArn(clients.region, name);
    const about = { what: `find the bucket ${name}`, action: 's3:ListBucket', resource, profile: clients.profile };
    throw translateAwsError(error, { ...about, foreign: true });
  }
}

/**
 * The profile's own bucket as jobs may use it. Inputs may be read from anywhere except the manager's own keys, such as
 * its access tokens; outputs may go below `data/` or outside the prefix, and nowhere else. Otherwise anyone who may submit a
 * job could read the manager's key or create a token.
 */
export function restrictBucket(bucket: Bucket, prefix: string): Bucket {
  const inner = (key: string): string | null => (key.startsWith(prefix) ? key.slice(prefix.length) : null);
  const isReadable = (key: string): boolean => !isSecretKey(inner(key) ?? '');
  const readable = (key: string): string => {
    if (isReadable(key)) return key;
    throw refusedError(`${bucket.location}/${key} is reserved for the manager, and can't be read by jobs`);
  };
  const writable = (key: string): string => {
    const own = inner(key);
    if (own === null || isRawDataKey(own)) return key;
    throw refusedError(`${bucket.location}/${key} is among the objects of jobs, so nothing can be delivered there`);
  };
  return {
    location: bucket.location,
    head: async (key, version) => bucket.head(readable(key), version),
    read: async (key, options) => bucket.read(readable(key), options),
    get: async (key, options) => bucket.get(readable(key), options),
    presign: async (key, seconds, version) => bucket.presign(readable(key), seconds, version),
    list: async function* (below, options) {
      for await (const entry of bucket.list(below, options)) if (isReadable(entry.key)) yield entry;
    },
    put: async (key, body, options) => bucket.put(writable(key), body, options),
    delete: async (keys) => bucket.delete(keys.map(writable)),
    uploadFile: async (path, key, options) => bucket.uploadFile(path, writable(key), options),
    uploadStream: async (key, size, open, options) => bucket.uploadStream(writable(key), size, open, options),
    copyFromStore: async (from, to, as) => bucket.copyFromStore(from, writable(to), as),
    copy: async (from, to) => bucket.copy(writable(from), writable(to)),
  };
}

const refusedError = (message: string): BatchctlError =>
  new BatchctlError('refused', message, { hint: 'choose another target: raw data and outputs may be below data/' });
