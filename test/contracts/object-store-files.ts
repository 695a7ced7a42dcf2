import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { failsWith, rejection } from '../support/rejection.ts';
import type { StoreBench } from './store-bench.ts';

/** Deleting, copying, signing, and uploading files. */
export function fileLaws(bench: StoreBench): void {
  describe('deleting, copying, signing', () => {
    it('deletes existing objects, and ignores missing ones', async () => {
      for (const key of ['d/a', 'd/b', 'd/b/c', 'd/e']) await bench.store.put(key, 'x');
      await bench.store.delete(['d/a', 'd/b', 'nothing/at/all']);
      await bench.store.delete([]);
      await bench.store.delete(['d/a']);
      expect(await bench.keys('d/')).to.deep.equal(['d/b/c', 'd/e']);
    });

    it('copies bytes and metadata', async () => {
      await bench.store.put('from', 'abc', { metadata: { a: 'b' } });
      expect((await bench.store.copy('from', 'to/here')).created).to.equal(true);
      expect(await bench.text('to/here')).to.equal('abc');
      expect(await bench.store.head('to/here')).to.deep.include({ size: 3, metadata: { a: 'b' } });
      await bench.store.delete(['from']);
      expect(await bench.text('to/here')).to.equal('abc');
    });

    it("copies only if the target doesn't exist, on request", async () => {
      await bench.store.put('from', 'new');
      await bench.store.put('to', 'old');
      expect((await bench.store.copy('from', 'to', { ifAbsent: true })).created).to.equal(false);
      expect(await bench.text('to')).to.equal('old');
      expect((await bench.store.copy('from', 'to2', { ifAbsent: true })).created).to.equal(true);
      await failsWith('notFound', bench.store.copy('nothing', 'to3'));
    });

    it('signs a URL, or returns null', async () => {
      await bench.store.put('k', 'abc');
      const url = await bench.store.presign('k', 'get', 60);
      if (url === null) return;
      expect(await (await fetch(url)).text()).to.equal('abc');
    });
  });

  describe('uploading a file', () => {
    it('puts its bytes and metadata, reports progress, and leaves the file', async () => {
      const progress: number[] = [];
      const path = bench.fileOf('abc');
      const options = { metadata: { a: 'b' }, onProgress: (bytes: number) => progress.push(bytes) };
      const { created, etag } = await bench.store.uploadFile(path, 'u/k', options);
      expect(created).to.equal(true);
      expect(await bench.store.head('u/k')).to.deep.include({ size: 3, etag, metadata: { a: 'b' } });
      expect(progress.at(-1)).to.equal(3);
      expect(readFileSync(path, 'utf8')).to.equal('abc');
    });

    it('puts nothing if the check throws after the bytes were read, and keeps the existing object', async () => {
      for (const bytes of ['abc', Buffer.alloc(17 * 1024 * 1024)]) {
        await bench.store.put('checked', 'before');
        const check = () => Promise.reject(new BatchctlError('changed', 'the file was written to'));
        await failsWith('changed', bench.store.uploadFile(bench.fileOf(bytes), 'checked', { check }));
        expect(await bench.text('checked')).to.equal('before');
      }
    });

    it('puts a large file, with progress that only grows', async () => {
      const bytes = Buffer.alloc(17 * 1024 * 1024 + 5);
      for (let i = 0; i < bytes.length; i += 4_099) bytes.writeUInt8(i % 251, i);
      const progress: number[] = [];
      await bench.store.uploadFile(bench.fileOf(bytes), 'big', { onProgress: (n) => progress.push(n) });
      expect(Buffer.compare((await bench.store.read('big')) ?? Buffer.of(), bytes)).to.equal(0);
      expect(progress.at(-1)).to.equal(bytes.length);
      expect(progress).to.deep.equal([...progress].sort((a, b) => a - b));
    });

    it('may move the file away', async () => {
      const path = bench.fileOf('abc');
      expect((await bench.store.uploadFile(path, 'k', { consume: true, ifAbsent: true })).created).to.equal(true);
      expect(existsSync(path)).to.equal(false);
      expect(await bench.text('k')).to.equal('abc');
    });

    it('leaves object and file unchanged if the key exists', async () => {
      await bench.store.put('k', 'first');
      for (const consume of [true, false]) {
        const path = bench.fileOf('second');
        expect((await bench.store.uploadFile(path, 'k', { ifAbsent: true, consume })).created).to.equal(false);
        expect(readFileSync(path, 'utf8')).to.equal('second');
      }
      expect(await bench.text('k')).to.equal('first');
      expect((await bench.store.uploadFile(bench.fileOf('third'), 'k', { consume: true })).created).to.equal(true);
      expect(await bench.text('k')).to.equal('third');
    });

    it('reports a missing file, and stops at a signal', async () => {
      await failsWith('notFound', bench.store.uploadFile(bench.scratch.path('nothing'), 'k'));
      await failsWith('notFound', bench.store.uploadFile(bench.scratch.path('nothing'), 'k', { consume: true }));
      const aborted = bench.store.uploadFile(bench.fileOf('x'), 'k', { signal: AbortSignal.abort() });
      expect(await rejection(aborted)).to.have.property('name', 'AbortError');
      expect(await bench.store.head('k')).to.equal(null);
    });
  });
}
