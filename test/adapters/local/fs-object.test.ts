// Protects: a damaged or truncated file in the local store is detected and named, never returned as a good object.

import {
  appendFileSync,
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { trustRoot } from '../../../src/adapters/local/fs-root.ts';
import { createFsStore, type FsStore } from '../../../src/adapters/local/fs-store.ts';
import { FsWriter } from '../../../src/adapters/local/fs-writer.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { failsWith, rejection } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

describe("an object's file", () => {
  const scratch = forEachTest(() => new Scratch());
  let store: FsStore;
  beforeEach(async () => {
    store = await createFsStore({ root: scratch.path('root'), durability: 'process' });
  });

  const fileOf = (key: string): string => store.localFile(key)?.path ?? expect.fail(`there is no object ${key}`);
  const textOf = (key: string): Promise<string | null> => readText(store, key);
  const list = async (prefix: string) => (await collect(store.list(prefix))).map(({ key }) => key);
  const temporaryFiles = (): string[] => readdirSync(scratch.path('root', 'tmp'));

  it('consists of its bytes, a line of JSON and sixteen bytes', async () => {
    const { etag } = await store.put('k', 'abc\n', { metadata: { a: 'b' } });
    const { path, size } = store.localFile('k') ?? expect.fail();
    const file = readFileSync(path);
    expect(file.subarray(0, size).toString()).to.equal('abc\n');
    const line = file.subarray(size, -16).toString();
    expect(JSON.parse(line)).to.deep.include({ format: 1, metadata: { a: 'b' }, etag });
    expect(line.endsWith('\n')).to.equal(true);
    expect(file.readUIntLE(file.length - 16, 6)).to.equal(4);
    expect(file.readUInt16LE(file.length - 10)).to.equal(line.length);
    expect(file.subarray(-8).toString()).to.equal('batchctl');
    expect(store.localFile('other')).to.equal(null);
  });

  it('that was cut or grew is reported as corrupt by name, wherever it is read, and can be deleted', async () => {
    for (const size of [0, 10, 5_000, 100_000]) {
      await store.put('dir/k', Buffer.alloc(size, 1));
      const path = fileOf('dir/k');
      const whole = statSync(path).size;
      for (const length of [0, 1, 15, 16, whole - 40, whole - 1, whole + 1]) {
        await store.put('dir/k', Buffer.alloc(size, 1));
        truncateSync(path, length);
        const error = await failsWith('corrupt', store.head('dir/k'));
        expect(error.message).to.contain('dir/k').and.contain(path);
        await failsWith('corrupt', store.read('dir/k'));
        await failsWith('corrupt', store.get('dir/k'));
        await failsWith('corrupt', list('dir/'));
        await failsWith('corrupt', store.put('dir/k', 'x', { ifAbsent: true }));
      }
      await store.delete(['dir/k']);
      expect(await list('')).to.deep.equal([]);
    }
  });

  it('is read unchanged, whatever its size and metadata, even if many are read at once', async () => {
    // 2,048 bytes of metadata in short names. As JSON, they are longer than the part of a file that is read first.
    const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
    const names = letters.flatMap((one) => letters.map((other) => one + other)).slice(0, 1_024);
    const long = Object.fromEntries(names.map((name) => [name, '']));
    const objects = [0, 1, 7_900, 8_050, 8_192, 20_000].flatMap((size) => [
      { key: `a${size}`, bytes: Buffer.alloc(size, `a${size} `), metadata: { a: 'b' } },
      { key: `b${size}`, bytes: Buffer.alloc(size, `b${size} `), metadata: long },
    ]);
    for (const { key, bytes, metadata } of objects) await store.put(key, bytes, { metadata });
    const range = { offset: 3, length: 5 };
    const read = await Promise.all(
      objects.map(async ({ key }) => [await store.read(key), await store.head(key), await store.read(key, { range })]),
    );
    for (const [n, { bytes, metadata }] of objects.entries()) {
      const [all, info, some] = read[n] ?? [];
      expect(Buffer.from(all as Uint8Array).equals(bytes)).to.equal(true);
      expect(info).to.deep.include({ size: bytes.length, metadata });
      expect(Buffer.from(some as Uint8Array).equals(bytes.subarray(3, 8))).to.equal(true);
    }
  });

  it('whose middle is missing, or whose metadata is not JSON, is corrupt', async () => {
    await store.put('k', 'x'.repeat(1_000), { metadata: { a: 'b' } });
    const path = fileOf('k');
    const file = readFileSync(path);
    writeFileSync(path, Buffer.concat([file.subarray(0, 500), file.subarray(501)]));
    await failsWith('corrupt', store.read('k'));
    file.write('?', 1_000);
    writeFileSync(path, file);
    await failsWith('corrupt', store.head('k'));
  });

  it('of a newer format is reported as such', async () => {
    await store.put('k', 'abc');
    const path = fileOf('k');
    writeFileSync(path, readFileSync(path, 'latin1').replace('"format":1', '"format":2'), 'latin1');
    await failsWith('newer', store.head('k'));
  });

  it('keeps its tag and time when the whole store is copied', async () => {
    await store.put('jobs/j/steps/s/out/000000001', 'abc', { metadata: { a: 'b' } });
    const before = await store.head('jobs/j/steps/s/out/000000001');
    cpSync(scratch.path('root'), scratch.path('standby'), { recursive: true });
    trustRoot(scratch.path('standby'), { dryRun: false });
    const standby = await createFsStore({ root: scratch.path('standby'), durability: 'process' });
    expect(await standby.head('jobs/j/steps/s/out/000000001')).to.deep.equal(before);
  });

  it("is found among another program's files, which are skipped", async () => {
    await store.put('dir/k', 'x');
    for (const name of ['.DS_Store', 'Thumbs.db', 'notes.txt', 'K@', 'x%zz@', '%61@', 'lost+found']) {
      writeFileSync(scratch.path('root', 'store', 'dir', name), 'foreign');
    }
    expect(await list('')).to.deep.equal(['dir/k']);
  });

  it('may vanish or appear during a listing', async () => {
    for (let n = 0; n < 30; n += 1) await store.put(`l/${n % 3}/${String(n).padStart(2, '0')}`, 'x');
    const seen: string[] = [];
    for await (const { key } of store.list('l/')) {
      seen.push(key);
      if (seen.length === 1) {
        await store.delete([
          'l/0/03',
          'l/1/01',
          ...Array.from({ length: 10 }, (_, i) => `l/2/${String(3 * i + 2).padStart(2, '0')}`),
        ]);
        await store.put('l/1/99', 'new');
      }
    }
    expect(seen).to.include.members(['l/0/00', 'l/0/27', 'l/1/04', 'l/1/28']);
    expect(seen).to.not.include.members(['l/0/03']);
    expect(seen.filter((key) => key.startsWith('l/2/'))).to.deep.equal([]);
    expect(seen).to.deep.equal([...new Set(seen)].sort());
  });

  it('keeps bytes and metadata together when it is copied while its key is written', async () => {
    await store.put('from', 'old', { metadata: { is: 'old' } });
    const options = {
      get ifAbsent(): boolean {
        void store.put('from', 'new bytes', { metadata: { is: 'new' } }); // starts at once: it waits for nothing
        return false;
      },
    };
    await store.copy('from', 'to', options);
    expect([await textOf('from'), await textOf('to')]).to.deep.equal(['new bytes', 'old']);
    expect((await store.head('to'))?.metadata).to.deep.equal({ is: 'old' });
  });

  it('is not created from a copy that is shorter than its source', async () => {
    const path = scratch.path('short');
    writeFileSync(path, 'half');
    const writer = new FsWriter(scratch.path('root'), false, systemClock);
    const target = { key: 'k', path: scratch.path('root', 'store', 'k') };
    await failsWith('corrupt', writer.copy({ path, size: 8 }, target, {}));
    expect([await store.head('k'), temporaryFiles()]).to.deep.equal([null, []]);
  });

  it('removes empty directories above it when it is deleted, even if another process removed the lowest one', async () => {
    await store.put('a/b/k', 'x');
    const directory = dirname(fileOf('a/b/k'));
    rmSync(directory, { recursive: true });
    await store.delete(['a/b/k']);
    expect(existsSync(dirname(directory))).to.equal(false);
  });

  describe('created from a consumed file', () => {
    let source: string;
    beforeEach(() => {
      source = scratch.path('stdout');
      writeFileSync(source, 'output');
    });

    it('is that very file', async () => {
      const { ino } = lstatSync(source);
      await store.uploadFile(source, 'k', { consume: true, ifAbsent: true, metadata: { a: 'b' } });
      expect(statSync(fileOf('k'))).to.deep.include({ ino, nlink: 1 });
      // The next command's output has the same name, and must not reach the object.
      writeFileSync(source, 'the next');
      expect(await textOf('k')).to.equal('output');
    });

    it('is a copy if the file is a symbolic link, or has another hard link', async () => {
      const input = scratch.path('input');
      writeFileSync(input, 'precious');
      symlinkSync(input, scratch.path('symbolic'));
      linkSync(input, scratch.path('hard'));
      for (const name of ['symbolic', 'hard']) {
        await store.uploadFile(scratch.path(name), name, { consume: true, ifAbsent: true });
        expect(await textOf(name)).to.equal('precious');
        expect(existsSync(scratch.path(name))).to.equal(false);
        expect(readFileSync(input, 'utf8')).to.equal('precious');
      }
    });

    it('is a copy if the file is on another disk', async () => {
      const shm = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
      const elsewhere = mkdtempSync(join(shm, 'batchctl-fs-'));
      try {
        copyFileSync(source, join(elsewhere, 'stdout'));
        await store.uploadFile(join(elsewhere, 'stdout'), 'k', { consume: true, ifAbsent: true });
        expect(await textOf('k')).to.equal('output');
        expect(readdirSync(elsewhere)).to.deep.equal([]);
      } finally {
        rmSync(elsewhere, { recursive: true });
      }
    });

    it('is refused while a program still writes to the file', async () => {
      const fd = openSync(source, 'a');
      const metadata = {
        // Between reading the file's size and its tail.
        get a(): string {
          appendFileSync(fd, ', late');
          return 'b';
        },
      };
      await failsWith('changed', store.uploadFile(source, 'k', { consume: true, ifAbsent: true, metadata }));
      closeSync(fd);
      expect(await store.head('k')).to.equal(null);
      expect(readFileSync(source, 'utf8')).to.match(/^output/);
    });

    it('leaves the file unchanged if that fails', async () => {
      await failsWith('usage', store.uploadFile(source, 'k', { consume: true, metadata: { a: 'é' } }));
      await failsWith('usage', store.uploadFile(scratch.directory, 'k', { consume: true }));
      await failsWith('usage', store.uploadFile(source, '', { consume: true }));
      await store.put('existing', 'x');
      truncateSync(fileOf('existing'), 3);
      await failsWith('corrupt', store.uploadFile(source, 'existing', { consume: true, ifAbsent: true }));
      expect(readFileSync(source, 'utf8')).to.equal('output');
      expect(await store.head('k')).to.equal(null);
      expect(temporaryFiles()).to.deep.equal([]);
    });
  });

  it('is not created from a partial copy when the signal aborts, and leaves nothing behind', async () => {
    const source = scratch.path('big');
    writeFileSync(source, Buffer.alloc(20 * 1024 * 1024, 1));
    const abort = new AbortController();
    const onProgress = (): void => abort.abort();
    const error = await rejection(store.uploadFile(source, 'big', { signal: abort.signal, onProgress }));
    expect(error).to.equal(abort.signal.reason);
    expect(await store.head('big')).to.equal(null);
    expect(temporaryFiles()).to.deep.equal([]);
  });

  it('closes every file that it opened', async () => {
    mkdirSync(scratch.path('x'));
    await store.put('k', 'abc');
    await store.put('cut', 'abc');
    appendFileSync(fileOf('cut'), 'more');
    const nextDescriptor = (): number => {
      const fd = openSync(scratch.directory, 'r');
      closeSync(fd);
      return fd;
    };
    const first = nextDescriptor();
    for (let n = 0; n < 20; n += 1) {
      await store.read('k');
      await store.head('k');
      await store.copy('k', 'copy');
      await list('k');
      await rejection(store.read('cut'));
      await rejection(store.read('k', { etag: 'other' }));
      await rejection(store.get('k', { range: { offset: -1, length: 1 } }));
      await store.get('k', { range: { offset: 9, length: 1 } });
    }
    expect(nextDescriptor()).to.equal(first);
  });
});
