// Protects: a delivery to a bucket replaces no file of another, and stops once it is shut out, also after a sleep.
import { mkdirSync, readdirSync } from 'node:fs';
import { expect } from 'chai';
import { S3Buckets } from '../../../src/adapters/aws/s3-buckets.ts';
import { dataMetadata } from '../../../src/jobs/data-key.ts';
import { BucketPlace } from '../../../src/jobs/fetch/bucket-place.ts';
import { joinIntoObject } from '../../../src/jobs/fetch/join.ts';
import { manifestBytes, ShutOutError } from '../../../src/jobs/fetch/place.ts';
import { outputSource, Tally } from '../../../src/jobs/fetch/verified.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { outKey } from '../../../src/model/keys.ts';
import type { Bucket } from '../../../src/ports/bucket.ts';
import { clientsOptions } from '../../support/aws-clients.ts';
import { KEYS } from '../../support/aws-keys.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { rejection } from '../../support/rejection.ts';
import { RawBucket } from '../../support/s3-bucket.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { openFetchingPlace } from './fetching-place.ts';

describe('a place in a bucket, filled from a store that is not in S3', () => {
  const moto = forSuite(() => sharedMoto());
  const buckets = forSuite(() => {
    Object.assign(process.env, KEYS);
    return new S3Buckets({ clients: clientsOptions({ s3: moto.url }), own: null });
  });
  const local = forEachTest(openFetchingPlace);
  const cleanup = forEachTest(() => new Cleanup());
  const signal = new AbortController().signal;
  let bucket: Bucket;
  let place: BucketPlace;

  /** Publishes an output, and opens a claimed place for it. */
  async function open(text: string) {
    const view = await local.publish({ 'a.csv': text });
    const source = outputSource(local.platform.store, view, 'price');
    bucket = await buckets.open((await RawBucket.make(moto.url)).name);
    place = new BucketPlace('s3://there/out/', bucket, 'out/', source);
    const bytes = Buffer.from(text);
    const { job, createdAt } = view.record;
    const of = { format: 1, job, name: 'claims', step: 'price', round: 0, close: 1, createdAt, generation: 1 } as const;
    const manifest = { ...of, id: 'mine', marker: '_SUCCESS', outputs: 0, bytes: 0, files: [] };
    expect(await place.claim(1, manifestBytes(manifest))).to.equal(true);
    const file = { key: outKey(job, 'price', 0), size: bytes.length, checksum: bytesChecksum(bytes) };
    return { source, file };
  }

  for (const [what, text] of [
    ['small', 'mine\n'],
    ['large', 'mine\n'.repeat(2 ** 21)],
  ] as const) {
    it(`replaces no ${what} file that another process put meanwhile, and does not call it its own from before`, async () => {
      const { file } = await open(text);
      const metadata = { ...dataMetadata(file.checksum), by: 'another' };
      // The place was empty, so the first try doesn't look.
      const before = async () => void (await bucket.put('out/a.csv', text, { metadata }));
      expect(await place.ensure('a.csv', 0, file, { fresh: true, before, signal })).to.equal(false);
      expect((await bucket.head('out/a.csv'))?.metadata).to.deep.equal(metadata);
    });
  }

  it('puts nothing more once it is shut out, even if the machine slept, whose monotonic clock then stood still', async () => {
    const { file } = await open('mine\n');
    const how = { fresh: true, before: async () => undefined, signal };
    const still = performance.now();
    cleanup.replace(performance, 'now', () => still);
    await place.ensure('a.csv', 0, file, how);
    await bucket.delete(['out/_delivery/000000001/marker', 'out/_delivery/000000001/manifest']);
    const { now } = Date;
    cleanup.replace(Date, 'now', () => now() + 5_000);
    expect(await rejection(place.ensure('b.csv', 0, file, how))).to.be.instanceOf(ShutOutError);
    expect(await bucket.head('out/b.csv')).to.equal(null);
  });

  it('leaves no file behind in the directory in which outputs are joined without their headers', async () => {
    const { source } = await open('id\n1\n');
    mkdirSync(local.path('tmp'));
    const { TMPDIR } = process.env;
    cleanup.defer(() => (TMPDIR === undefined ? delete process.env.TMPDIR : Object.assign(process.env, { TMPDIR })));
    // Of a copy of the environment, as `setEnv` makes it, `tmpdir` learns nothing.
    process.env.TMPDIR = local.path('tmp');
    const joining = { source, tasks: [0], header: 'once', quote: null, join: 'lines', tally: new Tally(1) } as const;
    await joinIntoObject({ ...joining, signal }, bucket, 'all.csv');
    expect(await readText(bucket, 'all.csv')).to.equal('id\n1\n');
    expect(readdirSync(local.path('tmp'))).to.deep.equal([]);
  });
});
