// Protects: requests to S3 carry the expected bucket owner and KMS key, and work for any key and without checksums.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../../src/config/load-config.ts';
import { openAws } from '../../../src/platform/open-aws.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { openBench, type S3Bench } from './s3-bench.ts';

const MIB = 1024 * 1024;
const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1';
const OWNER = '123456789012';

describe('the requests of an S3 store', () => {
  const moto = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const scratch = mkdtempSync(join(tmpdir(), 'batchctl-s3-'));
  const opened: S3Bench[] = [];

  after(() => rmSync(scratch, { recursive: true, force: true }));
  afterEach(async () => {
    for (const { clients } of opened.splice(0)) await clients.close();
  });

  async function open(options: Parameters<typeof openBench>[2] = {}): Promise<S3Bench> {
    const bench = await openBench(moto.url, proxy.url, options);
    opened.push(bench);
    proxy.heal();
    return bench;
  }

  it('accept any key that S3 accepts', async () => {
    const { store } = await open({ prefix: 'ä +%/' });
    const odd = [
      'x y',
      'x+y',
      'x%41',
      'x\u0001y',
      'x&<>"\'',
      "it's(1)*!",
      'é',
      '😀',
      'a//b',
      './x',
      '../x',
      'x?y#z',
      '\uFFFEz',
    ];
    const keys = [...odd, 'k'.repeat(1_024 - Buffer.byteLength('ä +%/'))];
    for (const key of keys) {
      await store.put(key, key, { ifAbsent: true });
      expect((await store.copy(key, `${key.slice(0, 900)}.copy`)).created, key).to.equal(true);
    }
    const listed: string[] = [];
    for await (const { key } of store.list('')) listed.push(key);
    expect(listed).to.include.members(keys);
    expect(listed).to.have.length(keys.length * 2);
    for (const key of keys) expect(Buffer.from((await store.read(key)) ?? []).toString()).to.equal(key);
    await store.delete(listed);
    for await (const { key } of store.list('')) expect.fail(`left: ${key}`);
    for (const key of ['', 'k'.repeat(1_025), 'x\ud800y']) await failsWith('usage', store.put(key, 'x'));
  });

  it("name the bucket's owner always, and the KMS key, with a bucket key, in all writes", async () => {
    const { store } = await open({
      ...{ owner: OWNER, kmsKey: KEY, prefix: '' },
      copies: { largest: 6 * MIB, slice: 5 * MIB },
    });
    const path = join(scratch, 'file');
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
      expect(headers['x-amz-expected-bucket-owner'], `${method} ${url}`).to.equal(OWNER);
      const copies = headers['x-amz-copy-source'] !== undefined;
      expect(headers['x-amz-source-expected-bucket-owner'], `${method} ${url}`).to.equal(copies ? OWNER : undefined);
      const creates = method === 'PUT' ? !url.includes('partNumber') : /[?&]uploads/.test(url) && method === 'POST';
      expect(headers['x-amz-server-side-encryption-aws-kms-key-id'], `${method} ${url}`).to.equal(
        creates ? KEY : undefined,
      );
      expect(headers['x-amz-server-side-encryption-bucket-key-enabled'], `${method} ${url}`).to.equal(
        creates ? 'true' : undefined,
      );
    }
  });

  it('name the owner from the profile, even for a bucket that is addressed as a whole, and in signed URLs', async () => {
    const { bucket } = await open();
    const aws = { backend: 'aws', region: 'eu-west-1', account: '111111111111', stack: 'lab' };
    const lab = { ...aws, bucket: { name: bucket, existing: true, owner: OWNER } };
    writeFileSync(join(scratch, 'batchctl.config.json'), JSON.stringify({ profile: 'lab', profiles: { lab } }));
    const { profile } = await loadConfig({ cwd: scratch, env: { AWS_ENDPOINT_URL: proxy.url }, home: '', etc: '' });
    if (profile.backend !== 'aws') throw new Error('the profile is not of AWS');
    const platform = await openAws(profile, { role: 'cli' });
    try {
      await platform.store.read('none');
      await (await platform.bucket(bucket)).read('none');
      expect(await platform.store.presign('k', 'get', 60)).to.include(`&x-amz-expected-bucket-owner=${OWNER}&`);
    } finally {
      await platform.close();
    }
    expect(proxy.seen.length).to.be.greaterThan(1);
    for (const { headers } of proxy.seen) expect(headers['x-amz-expected-bucket-owner']).to.equal(OWNER);
  });

  it('neither send nor expect checksums if the endpoint does not support them', async () => {
    process.env.AWS_REQUEST_CHECKSUM_CALCULATION = 'WHEN_REQUIRED';
    try {
      const { store } = await open();
      const path = join(scratch, 'file');
      writeFileSync(path, Buffer.alloc(17 * MIB, 'x'));
      await store.uploadFile(path, 'big');
      await store.put('k', 'abc');
      expect((await store.read('big'))?.length).to.equal(17 * MIB);
      const checksums = proxy.seen.flatMap(({ headers }) =>
        Object.keys(headers).filter((name) => /checksum/.test(name)),
      );
      expect(checksums).to.deep.equal([]);
    } finally {
      delete process.env.AWS_REQUEST_CHECKSUM_CALCULATION;
    }
  });

  it('include signed URLs that read and write an object, whatever its key', async () => {
    const { store, bucket } = await open();
    const put = await store.presign('a b/ü+(1)', 'put', 60);
    expect((await fetch(put ?? '', { method: 'PUT', body: 'abc' })).status).to.equal(200);
    expect(Buffer.from((await store.read('a b/ü+(1)')) ?? []).toString()).to.equal('abc');
    const get = await store.presign('a b/ü+(1)', 'get', 60);
    expect(await (await fetch(get ?? '')).text()).to.equal('abc');
    expect(get)
      .to.match(new RegExp(`^${proxy.url}/${bucket}/batchctl/stack/a%20b/`))
      .and.to.match(/X-Amz-Expires=60/);
  });

  it('delete a thousand keys per request', async () => {
    const { store } = await open();
    await store.put('k/2500', 'x');
    await store.delete(Array.from({ length: 2_501 }, (_, i) => `k/${i}`));
    expect(proxy.count(({ method }) => method === 'POST')).to.equal(3);
    expect(await store.head('k/2500')).to.equal(null);
  });
});
