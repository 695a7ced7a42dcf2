import { expect } from 'chai';
import { rejection } from '../support/rejection.ts';
import { inByteOrder, type StoreBench } from './store-bench.ts';

/** Order, prefixes, ranges and pages of listings. */
export function listingLaws(bench: StoreBench): void {
  describe('listing', () => {
    it('is in the order of the keys’ UTF-8 bytes', async () => {
      const all = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0', 'A', 'B/x', 'b c', 'é', 'e\u0301', '\u{1f600}', '\uffee'];
      for (const key of all) await bench.store.put(`o/${key}`, key);
      expect(await bench.keys('o/')).to.deep.equal(inByteOrder(all.map((key) => `o/${key}`)));
      for (const key of all) expect(await bench.text(`o/${key}`)).to.equal(key);
    });

    it('accepts a prefix that ends anywhere', async () => {
      const all = ['jobs/a/job.json', 'jobs/ab/job.json', 'jobs/b/job.json', 'jobs.txt'];
      for (const key of all) await bench.store.put(key, 'x');
      expect(await bench.keys('jobs/a')).to.deep.equal(['jobs/a/job.json', 'jobs/ab/job.json']);
      expect(await bench.keys('jobs/a/')).to.deep.equal(['jobs/a/job.json']);
      expect(await bench.keys('jobs/a/job.json')).to.deep.equal(['jobs/a/job.json']);
      expect(await bench.keys('jobs/a/job.json/')).to.deep.equal([]);
      expect(await bench.keys('jobs')).to.deep.equal(inByteOrder(all));
      expect(await bench.keys('')).to.deep.equal(inByteOrder(all));
      expect(await bench.keys('x')).to.deep.equal([]);
    });

    it('accepts a range of keys: from inclusive, to exclusive', async () => {
      const task = (n: number): string => `jobs/j/steps/s/out/${String(n).padStart(9, '0')}`;
      const all = [0, 1, 999, 1_000, 1_001, 5_000, 123_456_789].map(task);
      for (const key of all) await bench.store.put(key, 'x');
      await bench.store.put('jobs/j/steps/s/opened.json', 'x');
      const prefix = 'jobs/j/steps/s/out/';
      expect(await bench.keys(prefix)).to.deep.equal(all);
      expect(await bench.keys(prefix, { from: task(999), to: task(1_001) })).to.deep.equal(all.slice(2, 4));
      expect(await bench.keys(prefix, { from: task(2), to: task(999) })).to.deep.equal([]);
      expect(await bench.keys(prefix, { from: task(5_001) })).to.deep.equal(all.slice(6));
      expect(await bench.keys(prefix, { to: task(1) })).to.deep.equal(all.slice(0, 1));
      expect(await bench.keys(`${prefix}00000`, { from: 'a', to: 'z' })).to.deep.equal(all.slice(0, 6));
      expect(await bench.keys(`${prefix}0000009`)).to.deep.equal(all.slice(2, 3));
      expect(await bench.keys(`${prefix}000001`)).to.deep.equal(all.slice(3, 5));
    });

    it('returns the same facts as head', async () => {
      await bench.store.put('l/k', 'abc', { metadata: { a: 'b' } });
      const info = await bench.store.head('l/k');
      for await (const entry of bench.store.list('l/')) {
        expect(entry).to.deep.include({ key: 'l/k', size: 3, etag: info?.etag });
        expect(Math.abs(entry.modified - (info?.modified ?? 0))).to.be.below(1_000);
      }
    });

    it('lists more than a page, and may be stopped early', async () => {
      const all = Array.from({ length: 1_050 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
      for (let i = 0; i < all.length; i += 50)
        await Promise.all(all.slice(i, i + 50).map((k) => bench.store.put(k, 'x')));
      expect(await bench.keys('many/')).to.deep.equal(all);
      for await (const entry of bench.store.list('many/')) {
        expect(entry.key).to.equal(all[0]);
        break;
      }
    });

    it('ends when its signal aborts', async () => {
      for (const key of ['a', 'b', 'c']) await bench.store.put(`s/${key}`, 'x');
      const abort = new AbortController();
      const seen: string[] = [];
      const listing = async (): Promise<void> => {
        for await (const entry of bench.store.list('s/', { signal: abort.signal })) {
          seen.push(entry.key);
          abort.abort();
        }
      };
      expect(await rejection(listing())).to.have.property('name', 'AbortError');
      expect(seen).to.deep.equal(['s/a']);
    });
  });
}
