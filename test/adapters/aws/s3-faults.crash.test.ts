// Protects: S3 network faults never lose, mix or corrupt an object, and never make an existing one look absent.

import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { base64Crc } from '../../../src/adapters/aws/crc32.ts';
import { isKind } from '../../../src/errors.ts';
import { forSuite } from '../../support/fixture.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { FaultProxy, type Seen } from '../../support/servers/fault-proxy.ts';
import { sharedMoto } from '../../support/servers/moto.ts';
import { until } from '../../support/until.ts';
import { openBench, type S3Bench } from './s3-bench.ts';

const MIB = 1024 * 1024;
const isPut = ({ method }: Seen): boolean => method === 'PUT';
const isGet = ({ method }: Seen): boolean => method === 'GET';
const isHead = ({ method }: Seen): boolean => method === 'HEAD';

/** Bytes in which no two pages are equal. */
function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 1_021) bytes.writeUInt32LE(at, at);
  return bytes;
}

/** Numbers between 0 and 1, the same in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('S3 over an unreliable network', () => {
  const moto = forSuite(() => sharedMoto());
  const proxy = forSuite(() => FaultProxy.start(moto.url));
  let at: S3Bench;
  beforeEach(async () => {
    at = await openBench(moto.url, proxy.url, { use: 'control' });
    proxy.heal();
  });
  afterEach(() => at.clients.close());

  const text = async (key: string): Promise<string> => Buffer.from((await at.store.read(key)) ?? []).toString();

  describe('putting', () => {
    it('puts again if another write was in progress (409)', async () => {
      proxy.fail(3, { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }, isPut);
      expect((await at.store.put('k', 'abc', { ifAbsent: true })).created).to.equal(true);
      expect(proxy.count(isPut)).to.equal(4);
      expect(proxy.seen[0]?.headers).to.include({ 'if-none-match': '*' });
    });

    it('puts again if throttled, and after a reset', async () => {
      proxy.fail(1, { kind: 'answer', status: 503, code: 'SlowDown' }, isPut);
      proxy.fail(1, { kind: 'reset' }, isPut);
      expect((await at.store.put('k', 'abc', { ifAbsent: true })).created).to.equal(true);
      expect(await text('k')).to.equal('abc');
    });

    it('reports "exists" for its own put whose answer was lost, so that the caller reads back', async () => {
      proxy.fail(1, { kind: 'lost' }, isPut);
      const metadata = { attempt: 'mine' };
      expect((await at.store.put('k', 'abc', { ifAbsent: true, metadata })).created).to.equal(false);
      expect((await at.store.head('k'))?.metadata).to.deep.equal(metadata);
      proxy.fail(1, { kind: 'lost' }, isPut);
      expect((await at.store.put('k', 'def')).created, 'without the condition it is the same put').to.equal(true);
    });

    it('gives up with the kind `unavailable` when all attempts fail', async () => {
      proxy.fail(99, { kind: 'answer', status: 500, code: 'InternalError' }, isPut);
      const error = await failsWith('unavailable', at.store.put('k', 'abc'));
      expect(error.message).to.contain('could not put k').and.to.contain('after 6 attempts');
    });
  });

  describe('reading', () => {
    it('resumes a broken body where it stopped, pinned to the same object', async () => {
      const bytes = bytesOf(3 * MIB);
      const { etag } = await at.store.put('k', bytes);
      proxy.fail(1, { kind: 'cut', after: MIB }, isGet);
      proxy.fail(1, { kind: 'cut', after: MIB / 2 }, isGet);
      expect(Buffer.compare((await at.store.read('k')) ?? Buffer.of(), bytes)).to.equal(0);
      const gets = proxy.seen.filter(isGet);
      expect(gets).to.have.length(3);
      for (const { headers } of gets.slice(1)) {
        expect(headers['if-match']).to.equal(`"${etag}"`);
        expect(headers.range).to.match(/^bytes=\d+-3145727$/);
      }
    });

    it('resumes inside a range', async () => {
      const bytes = bytesOf(3 * MIB);
      await at.store.put('k', bytes);
      proxy.fail(1, { kind: 'cut', after: 1_000 }, isGet);
      const stream = await at.store.get('k', { range: { offset: MIB, length: MIB } });
      expect(stream && (await buffer(stream.body)).equals(bytes.subarray(MIB, 2 * MIB))).to.equal(true);
      expect(stream?.info.size).to.equal(3 * MIB);
    });

    it('never mixes two versions: a body interrupted after the object changed is an error', async () => {
      await at.store.put('k', Buffer.alloc(3 * MIB, 'a'));
      proxy.fail(1, { kind: 'cut', after: 2 * MIB }, isGet);
      const stream = await at.store.get('k');
      await at.store.put('k', Buffer.alloc(3 * MIB, 'b'));
      const error = await rejection(stream === null ? Promise.resolve() : buffer(stream.body));
      expect(isKind(error, 'changed'), String(error)).to.equal(true);
    });

    it('reads the new object completely if a body was interrupted and the unpinned object was replaced', async () => {
      await at.store.put('k', bytesOf(2 * MIB));
      proxy.fail(1, { kind: 'cut', after: MIB }, isGet);
      proxy.fail(4, { kind: 'answer', status: 503, code: 'SlowDown' }, isGet);
      const reading = text('k');
      await until('it is to go on', () => proxy.count(isGet) >= 2);
      await at.store.put('k', 'new');
      expect(await reading).to.equal('new');
    });

    it("names an object whose bytes do not match S3's checksum", async () => {
      const bytes = bytesOf(2 * MIB);
      await at.store.put('k', bytes);
      const headers = { 'x-amz-checksum-crc32': base64Crc(crc32(bytes)) };
      proxy.fail(1, { kind: 'alter', at: -1, headers }, isGet);
      expect((await at.store.read('k'))?.length, 'unaltered').to.equal(bytes.length);
      expect(proxy.seen.find(isGet)?.headers).to.include({ 'x-amz-checksum-mode': 'ENABLED' });
      proxy.fail(1, { kind: 'alter', at: MIB, headers }, isGet);
      await failsWith('corrupt', at.store.read('k'));
    });

    it('ends at once when the reader leaves or the signal aborts, and frees the connection', async () => {
      await at.store.put('k', bytesOf(8 * MIB));
      proxy.fail(2, { kind: 'cut', after: 64 * 1024 }, isGet);
      proxy.fail(20, { kind: 'hang' }, isGet);
      const abort = new AbortController();
      const one = await at.store.get('k');
      const other = await at.store.get('k', { signal: abort.signal });
      const ended = rejection(other === null ? Promise.resolve() : buffer(other.body));
      one?.body.resume();
      await until('both were taken up', () => proxy.count(isGet) === 4);
      abort.abort();
      expect(await ended).to.have.property('name', 'AbortError');
      one?.body.destroy();
      if (one !== null && !one.body.closed) await once(one.body, 'close');
    });

    it('still works after a hundred streams were dropped unread', async () => {
      await at.store.put('k', bytesOf(MIB));
      for (let i = 0; i < 100; i += 1) (await at.store.get('k'))?.body.destroy();
      expect((await at.store.read('k'))?.length).to.equal(MIB);
    });
  });

  describe('absence is proven', () => {
    it('does not take a 403 for absence, and names the action and the object', async () => {
      proxy.fail(1, { kind: 'answer', status: 403 }, isHead);
      const error = await failsWith('credentials', at.store.head('k'));
      expect(error.message).to.contain('s3:GetObject').and.to.contain(`arn:aws:s3:::${at.bucket}/batchctl/stack/k`);
      proxy.fail(1, { kind: 'answer', status: 403, code: 'AccessDenied' }, isGet);
      await failsWith('credentials', at.store.read('k'));
    });

    it('does not take a missing bucket for a missing object', async () => {
      const { store, clients } = await openBench(moto.url, proxy.url);
      proxy.fail(99, { kind: 'answer', status: 404, code: 'NoSuchBucket' });
      await failsWith('notFound', store.head('k'));
      await failsWith('notFound', store.read('k'));
      await failsWith('notFound', store.get('k'));
      await failsWith('notFound', store.delete(['k']));
      await clients.close();
    });

    it("does not take a proxy's error page for a missing object", async () => {
      proxy.fail(1, { kind: 'answer', status: 404, body: '<html><title>not here</title></html>' }, isGet);
      await failsWith('unexpected', at.store.read('k'));
    });
  });

  describe('deleting', () => {
    const isDelete = ({ method, url }: Seen): boolean => method === 'POST' && url.includes('delete');
    const failing = (key: string, code: string): string =>
      `<DeleteResult><Error><Key>batchctl/stack/${key}</Key><Code>${code}</Code><Message>m</Message></Error></DeleteResult>`;

    it('retries the keys of a batch that failed transiently', async () => {
      for (const key of ['a', 'b']) await at.store.put(key, 'x');
      proxy.fail(1, { kind: 'answer', status: 200, body: failing('b', 'InternalError') }, isDelete);
      await at.store.delete(['a', 'b']);
      expect(proxy.count(isDelete)).to.equal(2);
      expect(await at.store.head('b')).to.equal(null);
    });

    it('names the key that may not be deleted', async () => {
      proxy.fail(1, { kind: 'answer', status: 200, body: failing('b', 'AccessDenied') }, isDelete);
      const error = await failsWith('credentials', at.store.delete(['a', 'b']));
      expect(error.message).to.contain('s3:DeleteObject').and.to.contain('stack/b');
    });
  });

  it('loses nothing when one request in ten fails, in any way', async () => {
    proxy.failShare(0.1, seeded(7), [
      { kind: 'reset' },
      { kind: 'lost' },
      { kind: 'answer', status: 503, code: 'SlowDown' },
      { kind: 'answer', status: 500, code: 'InternalError' },
      { kind: 'cut', after: 40 },
    ]);
    const keys = Array.from({ length: 150 }, (_, i) => `many/${String(i).padStart(3, '0')}`);
    const put = async (key: string): Promise<void> => {
      const { created } = await at.store.put(key, `${key} `.repeat(40), { ifAbsent: true, metadata: { key } });
      if (!created) expect((await at.store.head(key))?.metadata).to.deep.equal({ key });
    };
    for (let i = 0; i < keys.length; i += 30) await Promise.all(keys.slice(i, i + 30).map(put));
    for (const key of keys) expect(await text(key)).to.equal(`${key} `.repeat(40));
    const listed: string[] = [];
    for await (const key of at.store.keys('many/')) listed.push(key);
    expect(listed).to.deep.equal(keys);
    await at.store.delete(keys);
    expect(await at.store.head('many/000')).to.equal(null);
  });
});
