import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { readText } from '../support/read-text.ts';
import { failsWith, rejection } from '../support/rejection.ts';
import type { StoreBench } from './store-bench.ts';

/** Objects are read as they were put, and created once. */
export function objectLaws(bench: StoreBench): void {
  describe('putting and reading', () => {
    it('returns the bytes that were put, and text as UTF-8', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      await bench.store.put('a/bytes', bytes);
      await bench.store.put('a/text', 'größer');
      expect(Buffer.compare((await bench.store.read('a/bytes')) ?? Buffer.of(), bytes)).to.equal(0);
      expect(await bench.text('a/text')).to.equal('größer');
    });

    it('keeps an empty object', async () => {
      await bench.store.put('empty', '');
      expect((await bench.store.read('empty'))?.length).to.equal(0);
      expect((await bench.store.head('empty'))?.size).to.equal(0);
      const stream = await bench.store.get('empty');
      expect(stream && (await buffer(stream.body)).length).to.equal(0);
    });

    it("returns null for an object that doesn't exist, even for the prefix of a key", async () => {
      await bench.store.put('dir/file', 'x');
      for (const key of ['nothing', 'dir', 'dir/', 'dir/file/more', 'dir/fil']) {
        expect(await bench.store.head(key), key).to.equal(null);
        expect(await bench.store.read(key), key).to.equal(null);
        expect(await bench.store.get(key), key).to.equal(null);
      }
    });

    it('replaces an object, and its ETag with it', async () => {
      const first = await bench.store.put('k', 'one');
      const second = await bench.store.put('k', 'two');
      expect([first.created, second.created]).to.deep.equal([true, true]);
      expect(second.etag).to.not.equal(first.etag);
      expect(await bench.text('k')).to.equal('two');
      expect((await bench.store.head('k'))?.etag).to.equal(second.etag);
    });

    it('keeps metadata with the object, and not as part of its size', async () => {
      const metadata = { format: '1', 'exit-code': '0', counters: '{"amount":"12.50"}' };
      await bench.store.put('k', 'abc', { metadata });
      const before = Date.now();
      const info = await bench.store.head('k');
      expect(info).to.deep.include({ key: 'k', size: 3, metadata });
      expect(info?.modified).to.be.within(before - 60_000, before + 60_000);
      const stream = await bench.store.get('k');
      stream?.body.destroy();
      expect(stream?.info).to.deep.equal(info);
    });

    it('keeps 2,000 bytes of metadata, and refuses a value that is not ASCII', async () => {
      const metadata = { counters: '"'.repeat(1_990) };
      await bench.store.put('k', 'abc', { metadata });
      expect((await bench.store.head('k'))?.metadata).to.deep.equal(metadata);
      await failsWith('usage', bench.store.put('k', 'abc', { metadata: { name: 'Zoë' } }));
      await failsWith('usage', bench.store.put('k', 'abc', { metadata: { name: 'x'.repeat(2_100) } }));
    });

    it('shows objects to others that have the store open', async () => {
      const other = await bench.reopen();
      await bench.store.put('k', 'one');
      expect(await readText(other, 'k')).to.equal('one');
      expect((await other.put('k', 'two', { ifAbsent: true })).created).to.equal(false);
    });
  });

  describe('create-if-absent', () => {
    it('creates once, then returns the object that exists', async () => {
      const first = await bench.store.put('k', 'one', { ifAbsent: true });
      const second = await bench.store.put('k', 'two', { ifAbsent: true });
      expect(first.created).to.equal(true);
      expect(second.created).to.equal(false);
      expect(['', first.etag]).to.include(second.etag);
      expect(await bench.text('k')).to.equal('one');
    });

    it('lets exactly one of twenty concurrent writers create the object', async () => {
      const other = await bench.reopen();
      const stores = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? bench.store : other));
      const puts = stores.map((store, i) => store.put('race/k', `racer ${i}`, { ifAbsent: true }));
      const results = await Promise.all(puts);
      const winners = results.flatMap((result, i) => (result.created ? [i] : []));
      expect(winners).to.have.length(1);
      expect(await bench.text('race/k')).to.equal(`racer ${winners[0]}`);
    });

    it('creates an object again after it was deleted', async () => {
      await bench.store.put('dir/k', 'one', { ifAbsent: true });
      await bench.store.delete(['dir/k']);
      expect((await bench.store.put('dir/k', 'two', { ifAbsent: true })).created).to.equal(true);
      expect(await bench.text('dir/k')).to.equal('two');
    });
  });

  describe('ranges and pins', () => {
    it('reads a range, truncated at the end of the object', async () => {
      await bench.store.put('k', '0123456789');
      const cases = [
        [0, 4, '0123'],
        [4, 100, '456789'],
        [9, 1, '9'],
        [10, 5, ''],
        [50, 5, ''],
        [3, 0, ''],
      ] as const;
      for (const [offset, length, expected] of cases) {
        const range = { offset, length };
        expect(await readText(bench.store, 'k', { range }), `${offset}+${length}`).to.equal(expected);
        const stream = await bench.store.get('k', { range });
        expect(stream && (await buffer(stream.body)).toString()).to.equal(expected);
        expect(stream?.info.size).to.equal(10);
        const scanned: Buffer[] = [];
        const passed = await bench.store.scan?.('k', { range }, (bytes) => scanned.push(Buffer.from(bytes)));
        if (bench.store.scan !== undefined)
          expect([passed, String(Buffer.concat(scanned))]).to.deep.equal([expected.length, expected]);
      }
    });

    it('reads a pinned object only while it is the same', async () => {
      const { etag } = await bench.store.put('k', 'one');
      expect(await readText(bench.store, 'k', { etag })).to.equal('one');
      await bench.store.put('k', 'two');
      await failsWith('changed', bench.store.read('k', { etag }));
      await failsWith('changed', bench.store.get('k', { etag }));
      await failsWith('changed', bench.store.read('k', { etag, range: { offset: 0, length: 1 } }));
      for (const empty of [
        { offset: 0, length: 0 },
        { offset: 50, length: 1 },
      ]) {
        await failsWith('changed', bench.store.read('k', { etag, range: empty }));
        await failsWith('changed', bench.store.get('k', { etag, range: empty }));
      }
      const { scan } = bench.store;
      const unused = (): never => expect.fail('bytes of another version were passed');
      if (scan !== undefined) await failsWith('changed', scan.call(bench.store, 'k', { etag }, unused));
      await bench.store.delete(['k']);
      expect(await bench.store.read('k', { etag })).to.equal(null);
      expect((await scan?.call(bench.store, 'k', { etag }, unused)) ?? null).to.equal(null);
    });

    it('continues to stream the object that it began with', async () => {
      const size = 3 * 1024 * 1024;
      await bench.store.put('k', Buffer.alloc(size, 'a'));
      const stream = await bench.store.get('k');
      await bench.store.put('k', Buffer.alloc(size, 'b'));
      const bytes = stream && (await buffer(stream.body));
      expect(bytes?.equals(Buffer.alloc(size, 'a'))).to.equal(true);
    });

    it('ends a read whose signal is aborted', async () => {
      await bench.store.put('k', 'one');
      const signal = AbortSignal.abort();
      expect(await rejection(bench.store.read('k', { signal }))).to.have.property('name', 'AbortError');
      expect(await rejection(bench.store.get('k', { signal }))).to.have.property('name', 'AbortError');
    });
  });
}
