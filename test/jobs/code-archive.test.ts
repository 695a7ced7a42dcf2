// Protects: damaged, disguised or huge code archives from callers are refused without harm.
// Protects: a job's files stay executable, and never run with another user's rights.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { pack } from 'tar-stream';
import {
  fetchCode,
  filesInArchive,
  packCode,
  packFiles,
  readStoredCode,
  unpackCode,
} from '../../src/jobs/code-archive.ts';
import { codeKey } from '../../src/model/keys.ts';
import { forEachTest } from '../support/fixture.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { failsWith } from '../support/rejection.ts';
import { Scratch } from '../support/scratch.ts';

type Entry = readonly [name: string, type: 'file' | 'symlink' | 'directory', text: string | Buffer, mode?: number];

function tarOf(...entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, type, text, mode = 0o644] of entries)
    archive.entry({ name, type, mode, ...(type === 'symlink' && { linkname: '/etc' }) }, type === 'file' ? text : '');
  archive.finalize();
  return buffer(archive);
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('code put by a caller', () => {
  const store = new MemoryStore(() => 0);
  const put = async (tar: Buffer, sha256 = hashOf(tar)): Promise<string> => {
    await store.put(codeKey(sha256), gzipSync(tar, { level: 1 }));
    return sha256;
  };

  it('is read with the names of its files', async () => {
    const sha256 = await put(await tarOf(['b/up.sh', 'file', 'x'.repeat(600_000)], ['a.py', 'file', '']));
    expect(await readStoredCode(store, sha256)).to.deep.include({ sha256, files: ['a.py', 'b/up.sh'] });
    expect(await readStoredCode(store, 'f'.repeat(64))).to.equal(null);
  });

  const refused: readonly (readonly [string, Entry])[] = [
    ['a file outside', ['../../evil.sh', 'file', 'x']],
    ['a file at the root', ['/etc/evil', 'file', 'x']],
    ['a link', ['out', 'symlink', '']],
    ['a directory', ['sub/', 'directory', '']],
  ];
  for (const [what, entry] of refused) {
    it(`is refused with ${what}, as soon as the name is read`, async () => {
      const sha256 = await put(await tarOf(['a.py', 'file', 'x'], entry));
      const error = await failsWith('jobFile', readStoredCode(store, sha256));
      expect(error.message).to.contain(entry[0]);
    });
  }

  it("is refused if it is not a tar archive, not compressed, or doesn't match its name", async () => {
    const garbage = await put(Buffer.from('no tar archive at all'.repeat(1_000)));
    await failsWith('jobFile', readStoredCode(store, garbage));
    const short = await put((await tarOf(['a.py', 'file', 'x'.repeat(5_000)])).subarray(0, 1_000));
    await failsWith('jobFile', readStoredCode(store, short));
    const other = await put(await tarOf(['a.py', 'file', 'x']), 'a'.repeat(64));
    await failsWith('corrupt', readStoredCode(store, other));
    await store.put(codeKey('b'.repeat(64)), 'no gzip');
    await failsWith('corrupt', readStoredCode(store, 'b'.repeat(64)));
  });

  it('says the limit and what to do if it expands beyond it, wherever it is unpacked', async () => {
    const bomb = Buffer.concat(Array(9).fill(gzipSync(Buffer.alloc(64 * 2 ** 20), { level: 1 })));
    const sha256 = 'c'.repeat(64);
    await store.put(codeKey(sha256), bomb);
    for (const [kind, error] of [
      ['jobFile', await failsWith('jobFile', readStoredCode(store, sha256))],
      ['corrupt', await failsWith('corrupt', fetchCode(store, sha256, '/nowhere'))],
      ['corrupt', await failsWith('corrupt', filesInArchive(bomb))],
    ] as const) {
      expect(error.message, kind).to.match(/^the code archive .*expands to more than 536\.9MB, the most that a worker/);
      expect(error.hint, kind).to.match(/^ship less: .*batchctl upload/);
    }
  });

  it('may expand to exactly the limit', async () => {
    const whole = gzipSync(Buffer.alloc(64 * 2 ** 20), { level: 1 });
    const most = Buffer.concat(Array(8).fill(whole));
    const sha256 = 'd'.repeat(64);
    await store.put(codeKey(sha256), most);
    expect((await failsWith('corrupt', readStoredCode(store, sha256))).message).to.include('has the hash');
    expect((await failsWith('corrupt', fetchCode(store, sha256, '/nowhere'))).message).to.include('has the hash');
    await store.put(codeKey(sha256), Buffer.concat([most, gzipSync('x')]));
    expect((await failsWith('jobFile', readStoredCode(store, sha256))).message).to.include('expands to more');
    expect((await failsWith('corrupt', fetchCode(store, sha256, '/nowhere'))).message).to.include('expands to more');
  });

  it('delays no other caller while a large archive is unpacked, and is not kept in memory', async () => {
    const sha256 = await put(await tarOf(['zeros', 'file', Buffer.alloc(200 * 2 ** 20)]));
    const memory = (): number => process.memoryUsage().arrayBuffers;
    const before = memory();
    let [turns, most, isRead] = [0, 0, false];
    const turn = (): void => {
      turns += 1;
      most = Math.max(most, memory());
      // Once enough turns are counted, it only looks at the memory now and then.
      if (isRead) return;
      if (turns > 200) setTimeout(turn, 5);
      else setImmediate(turn);
    };
    turn();
    const code = await readStoredCode(store, sha256).finally(() => {
      isRead = true;
    });
    expect(code?.files).to.deep.equal(['zeros']);
    expect(turns).to.be.greaterThan(100);
    expect(most - before).to.be.below(100 * 2 ** 20);
  });
});

describe('code of a job file', () => {
  const scratch = forEachTest(() => new Scratch());

  it('contains no file that a link in its directory leads to elsewhere', async () => {
    mkdirSync(scratch.path('job', 'lib'), { recursive: true });
    mkdirSync(scratch.path('secrets'));
    writeFileSync(scratch.path('secrets', 'key'), 'x');
    writeFileSync(scratch.path('job', 'lib', 'a.sh'), 'x');
    symlinkSync(scratch.path('secrets'), scratch.path('job', 'link'));
    symlinkSync(scratch.path('job', 'lib'), scratch.path('job', 'own'));
    for (const pattern of ['link/key', 'link/k*', '../secrets/key']) {
      const error = await failsWith('jobFile', packCode(scratch.path('job'), [pattern]));
      expect(error.message, pattern).to.match(/outside of|matches no file/);
    }
    expect((await packCode(scratch.path('job'), ['own/a.sh', 'lib']))?.files).to.deep.equal(['lib/a.sh', 'own/a.sh']);
    // A directory that is itself named by a link.
    symlinkSync(scratch.path('job'), scratch.path('alias'));
    expect((await packCode(scratch.path('alias'), ['lib']))?.files).to.deep.equal(['lib/a.sh']);
  });

  it('is refused by name if a pattern matches a pipe, a socket or a device, or a link to one, and none is read', async () => {
    mkdirSync(scratch.path('lib'));
    writeFileSync(scratch.path('lib', 'a.sh'), 'x');
    execFileSync('mkfifo', [scratch.path('lib', 'pipe')]);
    const socket = createServer().listen(scratch.path('socket'));
    await once(socket, 'listening');
    symlinkSync('lib/pipe', scratch.path('to-pipe'));
    symlinkSync('/dev/zero', scratch.path('zero'));
    const cases = [
      ['lib', 'a pipe: lib/pipe'],
      ['lib/*', 'a pipe: lib/pipe'],
      ['lib/pipe', 'a pipe: lib/pipe'],
      ['to-pipe', 'a pipe: to-pipe'],
      ['s*', 'a socket: socket'],
      ['zero', 'a device: zero'],
    ] as const;
    try {
      for (const [pattern, found] of cases) {
        const error = await failsWith('jobFile', packCode(scratch.directory, ['lib/a.sh', pattern]));
        expect(error.message, pattern).to.equal(`files: expected files, found ${found}`);
      }
    } finally {
      socket.close();
    }
  });

  it('contains what a link leads to only if the link is named; others are reported, with number and example', async () => {
    for (const directory of ['lib', 'other']) mkdirSync(scratch.path(directory));
    for (const name of ['lib/a.sh', 'other/b.sh']) writeFileSync(scratch.path(name), name, { mode: 0o644 });
    symlinkSync('a.sh', scratch.path('lib', 'run.sh'));
    symlinkSync('../other', scratch.path('lib', 'own'));
    symlinkSync('nowhere', scratch.path('lib', 'broken'));
    symlinkSync('loop', scratch.path('lib', 'loop'));
    const packed = await packCode(scratch.directory, ['lib']);
    expect([packed?.files, packed?.leftOut]).to.deep.equal([
      ['lib/a.sh'],
      ['files: lib leaves out 4 links (such as lib/broken); name a link to ship the file that it leads to'],
    ]);
    const named = await packCode(scratch.directory, ['./lib/run.sh', 'lib/r*']);
    expect([named?.files, named?.leftOut?.length]).to.deep.equal([['lib/run.sh'], 0]);
    const hashes = await filesInArchive(named?.gzip ?? Buffer.of());
    expect(hashes.get('lib/run.sh')).to.equal(hashOf(Buffer.from('lib/a.sh')));
    const cases = [
      ['lib/own', 'files: expected files, found a directory: lib/own'],
      ['lib/broken', 'files: expected files, found a broken link: lib/broken'],
      ['lib/loop', 'files: expected files, found a broken link: lib/loop'],
      ['lib/o*', `files: lib/o* matches no file in ${scratch.directory}, only 1 link (lib/own)`],
      ['lib/nothing', `files: lib/nothing matches no file in ${scratch.directory}`],
    ] as const;
    for (const [pattern, message] of cases) {
      const error = await failsWith('jobFile', packCode(scratch.directory, [pattern]));
      expect(error.message, pattern).to.satisfy((text: string) => text.startsWith(message));
    }
  });

  it('has at most 50,000 files', async () => {
    const names = Array.from({ length: 50_001 }, (_, n) => `f${n}`);
    const error = await failsWith('jobFile', packFiles(scratch.directory, names));
    expect(error.message).to.include('at most 50000 files, found 50001');
  });

  it('has at most 256 MiB, and no more is read: a file of 3 GiB is refused as others are', async () => {
    const sizes = { 'one.bin': 3 * 2 ** 30, 'half.bin': 2 ** 27, 'rest.bin': 2 ** 27, 'byte.bin': 1 };
    for (const [name, size] of Object.entries(sizes)) {
      writeFileSync(scratch.path(name), '');
      truncateSync(scratch.path(name), size);
    }
    for (const [names, found] of [
      [['one.bin'], 'found 3.2GB in 1 file,'],
      [['half.bin', 'rest.bin', 'byte.bin'], 'found 1 byte more in 3 files,'],
    ] as const) {
      const error = await failsWith('jobFile', packFiles(scratch.directory, names));
      expect(error.message).to.include('files: expected at most 268.4MB, found ').and.include(found);
      expect(error.hint).to.include('batchctl upload');
    }
  });
});

describe('unpacked code', () => {
  const scratch = forEachTest(() => new Scratch());

  it('is limited to 50,000 files, whether one name or many, before the next is created', async () => {
    const store = new MemoryStore(() => 0);
    const header = (await tarOf(['a', 'file', ''])).subarray(0, 512);
    const bomb = (files: number): Buffer => Buffer.concat([...Array(files).fill(header), Buffer.alloc(1_024)]);
    const [most, more] = [bomb(50_000), bomb(50_001)];
    await store.put(codeKey(hashOf(most)), gzipSync(most));
    await store.put(codeKey(hashOf(more)), gzipSync(more));
    expect((await readStoredCode(store, hashOf(most)))?.files).to.deep.equal(['a']);
    const error = await failsWith('jobFile', readStoredCode(store, hashOf(more)));
    expect(error.message).to.include('contains more than 50000 files');
    const refused = await failsWith('corrupt', unpackCode(gzipSync(more), hashOf(more), scratch.directory));
    expect(refused.message).to.include('contains more than 50000 files');
  });

  it('can be run, but never as another user', async () => {
    const tar = await tarOf(['run', 'file', '#!/bin/sh\n', 0o6755]);
    await unpackCode(gzipSync(tar), hashOf(tar), scratch.directory);
    expect(statSync(scratch.path('run')).mode & 0o7777).to.equal(0o755);
  });
});
