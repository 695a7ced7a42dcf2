// Protects: an upload of many files makes few requests, and still skips or replaces the right ones.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { upload } from '../../../src/jobs/data/upload.ts';
import { dataKey } from '../../../src/model/keys.ts';
import type { ObjectInfo } from '../../../src/ports/object-store.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { Scratch } from '../../support/scratch.ts';

/** Records the keys of its `head` requests. */
class CountingStore extends MemoryStore {
  readonly heads: string[] = [];

  override head(key: string): Promise<ObjectInfo | null> {
    this.heads.push(key);
    return super.head(key);
  }
}

describe('uploading many files', () => {
  const scratch = forEachTest(() => new Scratch());
  let store: CountingStore;
  const NAMES = Array.from({ length: 40 }, (_, n) => `${n % 2 === 0 ? 'ä' : '\u{1F600}'}${n}`);

  beforeEach(() => {
    store = new CountingStore();
    mkdirSync(scratch.path('in'));
    for (const name of NAMES) writeFileSync(scratch.path('in', name), name);
  });
  const put = () => upload(store, { paths: ['in'], cwd: scratch.directory, to: 'raw' });

  it('makes no request for files that are absent from a listing', async () => {
    expect(await put()).to.include({ uploaded: 40, skipped: 0 });
    expect(store.heads).to.deep.equal([]);
    expect(Buffer.from((await store.read(dataKey('raw/ä0'))) ?? '').toString()).to.equal('ä0');
  });

  it('checks existing files, and skips or replaces them', async () => {
    await put();
    writeFileSync(scratch.path('in/ä2'), 'changed');
    rmSync(scratch.path('in/ä4'));
    writeFileSync(scratch.path('in/new'), 'new');
    expect(await put()).to.include({ files: 40, uploaded: 2, skipped: 38 });
    expect(store.heads).to.have.length(39);
    expect(Buffer.from((await store.read(dataKey('raw/ä2'))) ?? '').toString()).to.equal('changed');
  });

  it('checks each file individually if the prefix has very many other objects', async () => {
    await put();
    store.heads.length = 0;
    for (let n = 0; n < 2_100; n += 1) await store.put(dataKey(`raw/ä3-${String(n).padStart(5, '0')}`), '');
    expect(await put()).to.include({ uploaded: 0, skipped: 40 });
    expect(store.heads).to.have.members(NAMES.map((name) => dataKey(`raw/${name}`)));
  });
});
