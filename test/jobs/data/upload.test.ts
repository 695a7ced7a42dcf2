// Protects: upload stores every file with a correct checksum, leaves none out silently, and harms no open job.
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { listData } from '../../../src/jobs/data/data.ts';
import { type UploadOptions, upload } from '../../../src/jobs/data/upload.ts';
import { bytesChecksum } from '../../../src/lib/file-checksum.ts';
import { dataKey, openMark } from '../../../src/model/keys.ts';
import type { UploadOptions as StoreUploadOptions } from '../../../src/ports/object-store.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { withoutRights } from '../../support/without-rights.ts';
import { openPlace, putJob } from '../published-job.ts';

const LARGE = Buffer.alloc(9 * 2 ** 20, 'raw data\n');

describe('uploading', () => {
  const scratch = forEachTest(() => new Scratch());
  let store: MemoryStore;
  beforeEach(() => {
    store = new MemoryStore();
  });

  function write(files: Readonly<Record<string, string | Buffer>>): void {
    for (const [name, bytes] of Object.entries(files)) {
      mkdirSync(dirname(scratch.path(name)), { recursive: true });
      writeFileSync(scratch.path(name), bytes);
    }
  }
  const put = (paths: readonly string[], options: Partial<UploadOptions> = {}) =>
    upload(store, { paths, cwd: scratch.directory, ...options });
  const keys = async () => (await collect(listData(store, '', { checksums: false }))).map(({ key }) => key);

  it("puts a file under its name and a directory's files under their relative paths, with their checksums", async () => {
    write({ 'in/eu/de.csv': 'de', 'in/us.csv': LARGE, 'one.csv': '' });
    expect(await put(['in', 'one.csv'], { to: 'raw/11' })).to.deep.equal({
      prefix: 'raw/11/',
      files: 3,
      bytes: 2 + LARGE.length,
      uploaded: 3,
      uploadedBytes: 2 + LARGE.length,
      skipped: 0,
    });
    expect(await keys()).to.deep.equal(['raw/11/eu/de.csv', 'raw/11/one.csv', 'raw/11/us.csv']);
    for await (const { key, checksum } of listData(store, 'raw/', { checksums: true })) {
      const bytes = await store.read(dataKey(key));
      expect(checksum).to.equal(bytesChecksum(bytes ?? Buffer.from('absent')));
    }
  });

  it('skips files with the same size and checksum, and puts what differs', async () => {
    write({ 'in/a': 'a', 'in/b': LARGE, 'in/c': 'c' });
    await put(['in']);
    const etag = (await store.head(dataKey('b')))?.etag;
    write({ 'in/c': 'C' });
    await store.put(dataKey('a'), 'a'); // Another program put it: it has no checksum that could be compared.
    const { uploaded, skipped, uploadedBytes } = await put(['in']);
    expect({ uploaded, skipped, uploadedBytes }).to.deep.equal({ uploaded: 2, skipped: 1, uploadedBytes: 2 });
    expect((await store.head(dataKey('b')))?.etag).to.equal(etag);
  });

  it("takes only what --include matches and --exclude doesn't", async () => {
    write({ 'in/a.csv': '', 'in/.hidden.csv': '', 'in/sub/b.csv': '', 'in/sub/b.txt': '', 'in/old/c.csv': '' });
    await put(['in'], { include: ['*.csv'], exclude: ['old/**'] });
    expect(await keys()).to.deep.equal(['.hidden.csv', 'a.csv', 'sub/b.csv']);
  });

  it('accepts patterns, and names a path that matches nothing before it puts anything', async () => {
    write({ 'a-1.csv': '', 'a-2.csv': '', 'b.csv': '' });
    await put(['a-*.csv']);
    expect(await keys()).to.deep.equal(['a-1.csv', 'a-2.csv']);
    await failsWith('notFound', put(['b.csv', 'nothing-*.csv']));
    await failsWith('notFound', put(['b.csv'], { exclude: ['*.csv'] }));
    expect(await keys()).to.have.length(2);
  });

  it('refuses two files with the same key, and a prefix outside of data', async () => {
    write({ 'jan/x.csv': '1', 'feb/x.csv': '2' });
    expect((await failsWith('usage', put(['jan', 'feb']))).message).to.include('would have the same key x.csv');
    for (const to of ['../jobs', 'a/../../jobs', 'a//b']) {
      expect(await rejection(put(['jan'], { to })), to).to.include({ kind: 'usage' });
    }
    expect(await keys()).to.deep.equal([]);
  });

  it('follows links to files, and reports what it skips', async () => {
    write({ 'in/a': 'a', 'elsewhere/b': 'b' });
    symlinkSync(scratch.path('elsewhere/b'), scratch.path('in/link'));
    symlinkSync(scratch.path('elsewhere'), scratch.path('in/directory'));
    execFileSync('mkfifo', [scratch.path('in/pipe')]);
    const ignored: unknown[] = [];
    await put(['in'], { onIgnored: (path, why) => ignored.push([path, why]) });
    expect(await keys()).to.deep.equal(['a', 'link']);
    expect(ignored).to.deep.equal([
      [scratch.path('in/directory'), 'linkToDirectory'],
      [scratch.path('in/pipe'), 'noFile'],
    ]);
  });

  it("names a file that it can't read: a broken link, a name that is not valid UTF-8", async () => {
    write({ 'in/a': 'a' });
    symlinkSync('/not/mounted', scratch.path('in/b'));
    expect((await failsWith('notFound', put(['in']))).message).to.contain('in/b is a broken link');
    expect(await keys(), 'it puts no other file either').to.deep.equal([]);

    await put(['in'], { exclude: ['b'] });
    expect(await keys()).to.deep.equal(['a']);

    writeFileSync(Buffer.from(scratch.path('in/caf\xe9'), 'latin1'), 'x');
    const { message } = await failsWith('notFound', put(['in'], { exclude: ['b'] }));
    expect(message).to.contain('is not valid UTF-8');
  });

  it('names a directory that it may not read', async () => {
    write({ 'in/closed/a': 'a', 'in/b': 'b' });
    chmodSync(scratch.directory, 0o755);
    chmodSync(scratch.path('in/closed'), 0);
    const { message } = await withoutRights(() => failsWith('notFound', put(['in'])));
    chmodSync(scratch.path('in/closed'), 0o755);
    expect(message).to.contain('in/closed is not readable, so its content would be left out');
  });

  it('fails for a file that is modified meanwhile, and leaves the object of another upload', async () => {
    write({ large: LARGE });
    class ModifyingStore extends MemoryStore {
      override async uploadFile(path: string, key: string, options?: StoreUploadOptions) {
        appendFileSync(path, 'another line\n');
        return super.uploadFile(path, key, options);
      }
    }
    store = new ModifyingStore();
    await store.put(dataKey('large'), 'another upload');
    expect((await failsWith('changed', put(['large']))).message).to.include(scratch.path('large'));
    expect(Buffer.from((await store.read(dataKey('large'))) ?? []).toString()).to.equal('another upload');
  });

  it('never has more files in flight than allowed, and its progress ends at the total', async () => {
    write(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`in/${n}`, `${n}`])));
    let most = 0;
    let inFlight: (() => void)[] = [];
    // Each put ends once three are in flight: with fewer at once, the upload would never end.
    class WaitingStore extends MemoryStore {
      override async put(...args: Parameters<MemoryStore['put']>) {
        await new Promise<void>((resolve) => {
          inFlight.push(resolve);
          most = Math.max(most, inFlight.length);
          if (inFlight.length < 3) return;
          const waiting = inFlight;
          setImmediate(() => {
            inFlight = inFlight.slice(3);
            for (const release of waiting.slice(0, 3)) release();
          });
        });
        return super.put(...args);
      }
    }
    store = new WaitingStore();
    const reports: { done: number; total: number }[] = [];
    await put(['in'], { parallel: 3, onProgress: (progress) => reports.push(progress) });
    expect(most).to.equal(3);
    expect(reports.at(-1)).to.deep.equal({ done: 50, total: 50 });
  });

  it('writes nothing in a dry run', async () => {
    write({ 'in/a': 'a' });
    expect(await put(['in'], { dryRun: true })).to.include({ uploaded: 1, skipped: 0 });
    expect(await keys()).to.deep.equal([]);
  });

  describe('next to jobs', () => {
    const place = forEachTest(openPlace);

    const uploadFiles = (text: string) => {
      write({ 'a.csv': text, 'b.csv': text });
      return upload(place.platform.store, { paths: ['a.csv', 'b.csv'], cwd: scratch.directory });
    };

    it('replaces nothing that an open job reads, but skips an identical file', async () => {
      await uploadFiles('old');
      const source = { kind: 'store', key: dataKey('b.csv'), etag: 'x' } as const;
      const { job } = (await putJob(place.platform, [{ name: 'store:b.csv', source }])).record;
      await place.platform.store.put(openMark(job, 0), '');
      expect(await uploadFiles('old')).to.include({ skipped: 2 });
      expect((await failsWith('refused', uploadFiles('new'))).message)
        .to.include('b.csv')
        .and.include(job);
      const kept = await place.platform.store.read(dataKey('a.csv'));
      expect(Buffer.from(kept ?? '').toString()).to.equal('old');
      await place.platform.store.delete([openMark(job, 0)]);
      expect(await uploadFiles('new')).to.include({ uploaded: 2 });
    });

    it('leaves out the store itself if its directory is below the given one', async () => {
      writeFileSync(join(place.directory, 'a'), 'a');
      expect(await upload(place.platform.store, { paths: ['.'], cwd: place.directory })).to.include({ files: 1 });
    });
  });
});
