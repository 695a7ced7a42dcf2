// Protects: an upload of many files makes few requests, and still skips or replaces the right ones.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { upload } from '../../../src/jobs/data/upload.ts';
import { dataKey } from '../../../src/model/keys.ts';
import type { ObjectInfo } from '../../../src/ports/object-store.ts';
import { MemoryStore } from '../../support/memory-store.ts';

/** Records which keys were requested one by one. */
class CountingStore extends MemoryStore {
  readonly heads: string[] = [];

  override head(key: string): Promise<ObjectInfo | null> {
    this.heads.push(key);
    return super.head(key);
  }
}

describe('uploading many files', () => {
  let cwd: string;
  let store: CountingStore;
  const NAMES = Array.from({ length: 40 }, (_, n) => `${n % 2 === 0 ? 'ä' : '\u{1F600}'}${n}`);

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'batchctl-upload-'));
    store = new CountingStore();
    mkdirSync(join(cwd, 'in'));
    for (const name of NAMES) writeFileSync(join(cwd, 'in', name), name);
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));
  const put = () => upload(store, { paths: ['in'], cwd, to: 'raw' });

  it('makes no request for files that a listing shows to be new', async () => {
    expect(await put()).to.include({ uploaded: 40, skipped: 0 });
    expect(store.heads).to.deep.equal([]);
    expect(Buffer.from((await store.read(dataKey('raw/ä0'))) ?? '').toString()).to.equal('ä0');
  });

  it('checks existing ones, and skips or replaces them', async () => {
    await put();
    writeFileSync(join(cwd, 'in', 'ä2'), 'changed');
    rmSync(join(cwd, 'in', 'ä4'));
    writeFileSync(join(cwd, 'in', 'new'), 'new');
    expect(await put()).to.include({ files: 40, uploaded: 2, skipped: 38 });
    expect(store.heads).to.have.length(39);
    expect(Buffer.from((await store.read(dataKey('raw/ä2'))) ?? '').toString()).to.equal('changed');
  });

  it('checks each file by itself if the prefix has very many other objects', async () => {
    await put();
    store.heads.length = 0;
    for (let n = 0; n < 2_100; n += 1) await store.put(dataKey(`raw/ä3-${String(n).padStart(5, '0')}`), '');
    expect(await put()).to.include({ uploaded: 0, skipped: 40 });
    expect(store.heads).to.have.length(40);
    expect(new Set(store.heads).size).to.equal(40);
  });
});
