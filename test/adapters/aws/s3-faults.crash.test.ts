// Protects: S3 network faults never lose, mix or corrupt an object, and never make an existing one look absent.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { base64Crc } from '../../../src/adapters/aws/crc32.ts';
import type { S3Store } from '../../../src/adapters/aws/s3-store.ts';
import { seededRandom } from '../../../src/model/forecast/section.ts';
import type { ObjectStream } from '../../../src/ports/object-store.ts';
import { forEachTest, forSuite } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { FaultProxy, type SeenRequest } from '../../support/servers/fault-proxy.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { keysBelow } from '../../support/stored.ts';
import { until } from '../../support/until.ts';
import { distinctBytes, openBench, s3Fault } from './s3-bench.ts';

const MIB = 1024 * 1024;
const isPut = ({ method }: SeenRequest): boolean => method === 'PUT';
const isGet = ({ method }: SeenRequest): boolean => method === 'GET';
const isHead = ({ method }: SeenRequest): boolean => method === 'HEAD';

const SLOW_DOWN = s3Fault(503, 'SlowDown');

describe('S3 over an unreliable network', () => {
  const moto = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  const bench = forEachTest(() => openBench(moto.url, proxy.url, { use: 'control' }));
  let store: S3Store;
  beforeEach(() => {
    ({ store } = bench);
    proxy.heal();
  });

  const bodyOf = (stream: ObjectStream | null) => (stream === null ? expect.fail('no object') : buffer(stream.body));
  const text = (key: string): Promise<string | null> => readText(store, key);

  describe('putting', () => {
    it('puts again if another write is in progress (409)', async () => {
      proxy.fail(3, s3Fault(409, 'ConditionalRequestConflict'), isPut);
      expect((await store.put('k', 'abc', { ifAbsent: true })).created).to.equal(true);
      expect(proxy.count(isPut)).to.equal(4);
      expect(proxy.seen[0]?.headers).to.include({ 'if-none-match': '*' });
    });

    it('puts again if throttled, and after a reset', async () => {
      proxy.fail(1, SLOW_DOWN, isPut);
      proxy.fail(1, { kind: 'reset' }, isPut);
      expect((await store.put('k', 'abc', { ifAbsent: true })).created).to.equal(true);
      expect(await text('k')).to.equal('abc');
    });

    it('reports "exists" for its own put whose answer was lost, so that the caller reads back', async () => {
      proxy.fail(1, { kind: 'lost' }, isPut);
      const metadata = { attempt: 'mine' };
      expect((await store.put('k', 'abc', { ifAbsent: true, metadata })).created).to.equal(false);
      expect((await store.head('k'))?.metadata).to.deep.equal(metadata);
      proxy.fail(1, { kind: 'lost' }, isPut);
      expect((await store.put('k', 'def')).created, 'without the condition it is the same put').to.equal(true);
    });

    it('gives up with the kind `unavailable` when all attempts fail', async () => {
      proxy.fail(99, s3Fault(500, 'InternalError'), isPut);
      const error = await failsWith('unavailable', store.put('k', 'abc'));
      expect(error.message).to.contain('could not put k').and.to.contain('after 6 attempts');
    });
  });

  describe('reading', () => {
    it('resumes a broken body where it stopped, pinned to the same object', async () => {
      const bytes = distinctBytes(3 * MIB);
      const { etag } = await store.put('k', bytes);
      proxy.fail(1, { kind: 'cut', after: MIB }, isGet);
      proxy.fail(1, { kind: 'cut', after: MIB / 2 }, isGet);
      expect(Buffer.compare((await store.read('k')) ?? Buffer.of(), bytes)).to.equal(0);
      const gets = proxy.seen.filter(isGet);
      expect(gets).to.have.length(3);
      for (const { headers } of gets.slice(1)) {
        expect(headers['if-match']).to.equal(`"${etag}"`);
        expect(headers.range).to.match(/^bytes=\d+-3145727$/);
      }
    });

    it('resumes inside a range', async () => {
      const bytes = distinctBytes(3 * MIB);
      await store.put('k', bytes);
      proxy.fail(1, { kind: 'cut', after: 1_000 }, isGet);
      const stream = await store.get('k', { range: { offset: MIB, length: MIB } });
      expect((await bodyOf(stream)).equals(bytes.subarray(MIB, 2 * MIB))).to.equal(true);
      expect(stream?.info.size).to.equal(3 * MIB);
    });

    it('never mixes two versions: a body interrupted after the object changed is an error', async () => {
      await store.put('k', Buffer.alloc(3 * MIB, 'a'));
      proxy.fail(1, { kind: 'cut', after: 2 * MIB }, isGet);
      const stream = await store.get('k');
      await store.put('k', Buffer.alloc(3 * MIB, 'b'));
      await failsWith('changed', bodyOf(stream));
    });

    it('reads the new object completely if a body was interrupted and the unpinned object was replaced', async () => {
      await store.put('k', distinctBytes(2 * MIB));
      proxy.fail(1, { kind: 'cut', after: MIB }, isGet);
      const url = (await store.presign('k', 'put', 60))?.replace(proxy.url, moto.url);
      const script = `const { ok } = await fetch('${url}', { method: 'PUT', body: 'new' }); process.exit(ok ? 0 : 1)`;
      const replace = () => spawnSync(process.execPath, ['--input-type=module', '-e', script]).status === 0;
      // The object is replaced when the read is resumed.
      proxy.fail(1, SLOW_DOWN, (seen) => isGet(seen) && proxy.count(isGet) === 2 && replace());
      expect(await text('k')).to.equal('new');
      expect(proxy.count(isGet)).to.be.at.least(4);
    });

    it("names an object whose bytes do not match S3's checksum", async () => {
      const bytes = distinctBytes(2 * MIB);
      await store.put('k', bytes);
      const headers = { 'x-amz-checksum-crc32': base64Crc(crc32(bytes)) };
      proxy.fail(1, { kind: 'alter', at: -1, headers }, isGet);
      expect((await store.read('k'))?.length, 'without an alteration').to.equal(bytes.length);
      expect(proxy.seen.find(isGet)?.headers).to.include({ 'x-amz-checksum-mode': 'ENABLED' });
      proxy.fail(1, { kind: 'alter', at: MIB, headers }, isGet);
      await failsWith('corrupt', store.read('k'));
    });

    it('ends at once when the reader leaves or the signal aborts, and frees the connection', async () => {
      await store.put('k', distinctBytes(8 * MIB));
      proxy.fail(2, { kind: 'cut', after: 64 * 1024 }, isGet);
      proxy.fail(20, { kind: 'hang' }, isGet);
      const abort = new AbortController();
      const one = await store.get('k');
      const other = await store.get('k', { signal: abort.signal });
      const ended = rejection(bodyOf(other));
      one?.body.resume();
      await until('both are resumed', () => proxy.count(isGet) === 4);
      abort.abort();
      expect(await ended).to.have.property('name', 'AbortError');
      one?.body.destroy();
      if (one !== null && !one.body.closed) await once(one.body, 'close');
    });

    it('still works after a hundred streams were dropped unread', async () => {
      await store.put('k', distinctBytes(MIB));
      for (let i = 0; i < 100; i += 1) (await store.get('k'))?.body.destroy();
      expect((await store.read('k'))?.length).to.equal(MIB);
    });
  });

  describe('proving absence', () => {
    it('does not take a 403 for absence, and names the action and the object', async () => {
      proxy.fail(1, { kind: 'answer', status: 403 }, isHead);
      const error = await failsWith('credentials', store.head('k'));
      expect(error.message).to.contain('s3:GetObject').and.to.contain(`arn:aws:s3:::${bench.bucket}/batchctl/stack/k`);
      proxy.fail(1, s3Fault(403, 'AccessDenied'), isGet);
      await failsWith('credentials', store.read('k'));
    });

    it('does not take a missing bucket for a missing object', async () => {
      const bulk = await openBench(moto.url, proxy.url);
      proxy.fail(99, s3Fault(404, 'NoSuchBucket'));
      await failsWith('notFound', bulk.store.head('k'));
      await failsWith('notFound', bulk.store.read('k'));
      await failsWith('notFound', bulk.store.get('k'));
      await failsWith('notFound', bulk.store.delete(['k']));
      await bulk.close();
    });

    it("does not take a proxy's error page for a missing object", async () => {
      proxy.fail(1, { kind: 'answer', status: 404, body: '<html><title>not here</title></html>' }, isGet);
      await failsWith('unexpected', store.read('k'));
    });
  });

  describe('deleting', () => {
    const isDelete = ({ method, url }: SeenRequest): boolean => method === 'POST' && url.includes('delete');
    const failing = (key: string, code: string): string =>
      `<DeleteResult><Error><Key>batchctl/stack/${key}</Key><Code>${code}</Code><Message>m</Message></Error></DeleteResult>`;

    it('retries the keys of a batch that failed transiently', async () => {
      for (const key of ['a', 'b']) await store.put(key, 'x');
      proxy.fail(1, { kind: 'answer', status: 200, body: failing('b', 'InternalError') }, isDelete);
      await store.delete(['a', 'b']);
      expect(proxy.count(isDelete)).to.equal(2);
      expect(await store.head('b')).to.equal(null);
    });

    it('gives up on a key that fails transiently at each of eight tries', async () => {
      proxy.fail(99, { kind: 'answer', status: 200, body: failing('b', 'InternalError') }, isDelete);
      await failsWith('unavailable', store.delete(['a', 'b']));
      expect(proxy.count(isDelete)).to.equal(8);
    });

    it('names the key that may not be deleted', async () => {
      proxy.fail(1, { kind: 'answer', status: 200, body: failing('b', 'AccessDenied') }, isDelete);
      const error = await failsWith('credentials', store.delete(['a', 'b']));
      expect(error.message).to.contain('s3:DeleteObject').and.to.contain('stack/b');
    });
  });

  it('loses nothing when one request in ten fails, in any way', async () => {
    proxy.failShare(0.1, seededRandom(7), [
      { kind: 'reset' },
      { kind: 'lost' },
      SLOW_DOWN,
      s3Fault(500, 'InternalError'),
      { kind: 'cut', after: 40 },
    ]);
    const keys = Array.from({ length: 150 }, (_, i) => `many/${String(i).padStart(3, '0')}`);
    const put = async (key: string): Promise<void> => {
      const { created } = await store.put(key, `${key} `.repeat(40), { ifAbsent: true, metadata: { key } });
      if (!created) expect((await store.head(key))?.metadata).to.deep.equal({ key });
    };
    for (let i = 0; i < keys.length; i += 30) await Promise.all(keys.slice(i, i + 30).map(put));
    for (const key of keys) expect(await text(key)).to.equal(`${key} `.repeat(40));
    expect(await keysBelow(store, 'many/')).to.deep.equal(keys);
    await store.delete(keys);
    expect(await store.head('many/000')).to.equal(null);
  });
});
