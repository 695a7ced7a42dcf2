// Protects: requests to S3 carry the expected bucket owner and KMS key, and work for any key and without checksums.

import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { S3StoreOptions } from '../../../src/adapters/aws/s3-store.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { openAws } from '../../../src/platform/open-aws.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { keysBelow } from '../../support/stored.ts';
import { openBench, type S3Bench } from './s3-bench.ts';

const MIB = 1024 * 1024;
const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1';
const OWNER = '123456789012';

describe('the requests of an S3 store', () => {
  const moto = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const scratch = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());

  async function open(options: Partial<S3StoreOptions> = {}): Promise<S3Bench> {
    const bench = cleanup.use(await openBench(moto.url, proxy.url, options));
    proxy.heal();
    return bench;
  }

  it('accept any key that S3 accepts', async () => {
    const { store } = await open({ prefix: 'ä +%/' });
    const unusual = ['x y', 'x+y', 'x%41', 'x\u0001y', 'x&<>"\'', "it's(1)*!", 'é', '😀', 'x?y#z', '\uFFFEz'];
    const keys = [...unusual, 'a//b', './x', '../x', 'k'.repeat(1_024 - Buffer.byteLength('ä +%/'))];
    for (const key of keys) {
      await store.put(key, key, { ifAbsent: true });
      expect((await store.copy(key, `${key.slice(0, 900)}.copy`)).created, key).to.equal(true);
    }
    const listed = await keysBelow(store, '');
    expect(listed).to.include.members(keys);
    expect(listed).to.have.length(keys.length * 2);
    for (const key of keys) expect(await readText(store, key)).to.equal(key);
    await store.delete(listed);
    expect(await keysBelow(store, '')).to.deep.equal([]);
    for (const key of ['', 'k'.repeat(1_025), 'x\ud800y']) await failsWith('usage', store.put(key, 'x'));
  });

  it("name the bucket's owner always, and the KMS key, with a bucket key, in all writes", async () => {
    const copies = { largest: 6 * MIB, slice: 5 * MIB };
    const { store } = await open({ owner: OWNER, kmsKey: KEY, prefix: '', copies });
    const path = scratch.path('file');
    writeFileSync(path, Buffer.alloc(17 * MIB));
    await store.put('k', 'abc');
    await store.read('k');
    await store.head('k');
    await store.copy('k', 'c', { ifAbsent: true });
    await store.uploadFile(path, 'big');
    (await store.get('k'))?.body.resume();
    await store.copy('big', 'sliced');
    const direct = await store.direct.begin('direct', { metadata: {} });
    await store.direct.abort('direct', direct);
    for await (const _ of store.list('')) break;
    await store.delete(['c', 'big']);
    await store.delete(['k']);
    for (const { method, url, headers } of proxy.seen) {
      const isCopy = headers['x-amz-copy-source'] !== undefined;
      const creates = method === 'PUT' ? !url.includes('partNumber') : /[?&]uploads/.test(url) && method === 'POST';
      for (const [header, expected] of [
        ['expected-bucket-owner', OWNER],
        ['source-expected-bucket-owner', isCopy ? OWNER : undefined],
        ['server-side-encryption-aws-kms-key-id', creates ? KEY : undefined],
        ['server-side-encryption-bucket-key-enabled', creates ? 'true' : undefined],
      ])
        expect(headers[`x-amz-${header}`], `${header} of ${method} ${url}`).to.equal(expected);
    }
  });

  it('name the owner from the profile, even if a job addresses the bucket, and in signed URLs', async () => {
    const { bucket } = await open();
    const aws = { backend: 'aws', region: 'eu-west-1', account: '111111111111', stack: 'lab' };
    const lab = { ...aws, bucket: { name: bucket, existing: true, owner: OWNER } };
    writeFileSync(scratch.path('batchctl.config.json'), JSON.stringify({ profile: 'lab', profiles: { lab } }));
    const { profile } = await loadConfig({
      cwd: scratch.directory,
      env: { AWS_ENDPOINT_URL: proxy.url },
      home: '',
      etc: '',
    });
    if (profile.backend !== 'aws') throw new Error('expected a profile for AWS');
    const platform = cleanup.use(await openAws(profile, { role: 'cli' }));
    await platform.store.read('none');
    await (await platform.bucket(bucket)).read('none');
    expect(await platform.store.presign('k', 'get', 60)).to.include(`&x-amz-expected-bucket-owner=${OWNER}&`);
    expect(proxy.seen.length).to.be.greaterThan(1);
    for (const { headers } of proxy.seen) expect(headers['x-amz-expected-bucket-owner']).to.equal(OWNER);
  });

  it('neither send nor expect checksums if the endpoint does not support them', async () => {
    cleanup.setEnv({ AWS_REQUEST_CHECKSUM_CALCULATION: 'WHEN_REQUIRED' });
    const { store } = await open();
    const path = scratch.path('file');
    writeFileSync(path, Buffer.alloc(17 * MIB, 'x'));
    await store.uploadFile(path, 'big');
    await store.put('k', 'abc');
    expect((await store.read('big'))?.length).to.equal(17 * MIB);
    const names = proxy.seen.flatMap(({ headers }) => Object.keys(headers));
    expect(names.filter((name) => /checksum/.test(name))).to.deep.equal([]);
  });

  it('include signed URLs that read and write an object, whatever its key', async () => {
    const { store, bucket } = await open();
    const put = await store.presign('a b/ü+(1)', 'put', 60);
    expect((await fetch(put ?? '', { method: 'PUT', body: 'abc' })).status).to.equal(200);
    expect(await readText(store, 'a b/ü+(1)')).to.equal('abc');
    const get = await store.presign('a b/ü+(1)', 'get', 60);
    expect(await (await fetch(get ?? '')).text()).to.equal('abc');
    expect(get)
      .to.match(new RegExp(`^${proxy.url}/${bucket}/batchctl/stack/a%20b/`))
      .and.to.match(/X-Amz-Expires=60/);
  });

  it('delete a thousand keys per request', async () => {
    const { store } = await open();
    for (const n of [0, 999, 1_000, 1_999, 2_500]) await store.put(`k/${n}`, 'x');
    await store.delete(Array.from({ length: 2_501 }, (_, i) => `k/${i}`));
    expect(proxy.count(({ method }) => method === 'POST')).to.equal(3);
    expect(await keysBelow(store, 'k/')).to.deep.equal([]);
  });
});
