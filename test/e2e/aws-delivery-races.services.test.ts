// Protects: a bucket prefix never holds a mixture of two deliveries under a marker, whichever process stops where.
import { S3Buckets } from '../../src/adapters/aws/s3-buckets.ts';
import { KEYS } from '../support/aws-keys.ts';
import { deliveryRaces } from '../support/delivery-races.ts';
import { RawBucket } from '../support/s3-bucket.ts';
import { sharedMoto } from '../support/servers/moto.ts';

/** Dummy credentials: an emulator only checks that there are some. */
let buckets: S3Buckets | null = null;
before(() => {
  Object.assign(process.env, KEYS);
});
after(() => buckets?.close());

deliveryRaces('deliveries to one prefix of a bucket at once', true, async () => {
  const { url } = await sharedMoto();
  const bucket = await RawBucket.make(url);
  const clients = { region: 'us-east-1', profile: null, account: null, endpoints: { s3: url } };
  const opened = buckets ?? new S3Buckets({ clients, own: null });
  buckets = opened;
  return {
    to: bucket.uri('results/'),
    host: null,
    platform: (platform) => ({ ...platform, bucket: (name) => opened.open(name) }),
    files: async () => {
      const keys = await bucket.keys('results/');
      const texts = keys.map(async (key) => [key.slice('results/'.length), (await bucket.read(key)) ?? ''] as const);
      return new Map(await Promise.all(texts));
    },
    write: (name, text) => bucket.put(`results/${name}`, text),
  };
});
