// Protects: an upload of many files makes few requests, and still skips or replaces the right ones.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { upload } from '../../../src/jobs/data/upload.ts';
import { dataKey } from '../../../src/model/keys.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { recordedStore } from '../../support/recorded-store.ts';
import { Scratch } from '../../support/scratch.ts';

describe('uploading many files', () => {
  const scratch = forEachTest(() => new Scratch());
  let store: ObjectStore;
  /** The keys of `head` requests. */
  let heads: string[];
  const NAMES = Array.from({ length: 40 }, (_, n) => `${n % 2 === 0 ? 'ä' : '\u{1F600}'}${n}`);

  beforeEach(() => {
    heads = [];
    store = recordedStore(new MemoryStore(), (method, key) => method === 'head' && heads.push(key));
    mkdirSync(scratch.path('in'));
    for (const name of NAMES) writeFileSync(scratch.path('in', name), name);
  });
  const put = () => upload(store, { paths: ['in'], cwd: scratch.directory, to: 'raw' });

  it('makes no request for files that are absent from a listing', async () => {
    expect(await put()).to.include({ uploaded: 40, skipped: 0 });
    expect(heads).to.deep.equal([]);
    expect(Buffer.from((await store.read(dataKey('raw/ä0'))) ?? '').toString()).to.equal('ä0');
  });

  it('checks existing files, and skips or replaces them', async () => {
    await put();
    writeFileSync(scratch.path('in/ä2'), 'changed');
    rmSync(scratch.path('in/ä4'));
    writeFileSync(scratch.path('in/new'), 'new');
    expect(await put()).to.include({ files: 40, uploaded: 2, skipped: 38 });
    expect(heads).to.have.length(39);
    expect(Buffer.from((await store.read(dataKey('raw/ä2'))) ?? '').toString()).to.equal('changed');
  });

  it('checks each file individually if the prefix has very many other objects', async () => {
    await put();
    heads = [];
    for (let n = 0; n < 2_100; n += 1) await store.put(dataKey(`raw/ä3-${String(n).padStart(5, '0')}`), '');
    expect(await put()).to.include({ uploaded: 0, skipped: 40 });
    expect(heads).to.have.members(NAMES.map((name) => dataKey(`raw/${name}`)));
  });
});
