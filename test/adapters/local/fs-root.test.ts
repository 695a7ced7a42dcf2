// Protects: a local store opens only where it is safe, cleans up after dead processes and explains refusals.

import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { translateFsError } from '../../../src/adapters/local/fs-errors.ts';
import { networkFileSystem } from '../../../src/adapters/local/fs-root.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { isKind } from '../../../src/errors.ts';
import { collect } from '../../support/collect.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { withoutRights as asNobody } from '../../support/without-rights.ts';

const DAY = 86_400_000;

describe('the directory of a file store', () => {
  const scratch = forEachTest(() => new Scratch());
  let root: string;
  beforeEach(() => {
    root = scratch.path('deep', 'root');
  });

  const open = (now = Date.now()) =>
    createFsStore({ root, durability: 'process', clock: { now: () => now, monotonic: () => 0 } });

  it('is created at the first opening, for its owner only, with its format', async () => {
    const store = await open();
    expect(statSync(root).mode & 0o777).to.equal(0o700);
    expect(readFileSync(join(root, 'format'), 'utf8')).to.match(/^{"format":1,"made":"\d+\.\d+"}\n$/);
    expect(readdirSync(root).sort()).to.deep.equal(['format', 'store', 'tmp']);
    expect(readdirSync(join(root, 'tmp'))).to.deep.equal([]);
    expect(store.location).to.equal(root);
  });

  it('can be opened by many callers at once, and again', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => open()));
    await stores[0]?.put('k', 'x');
    for (const store of [...stores, await open()]) expect((await store.head('k'))?.size).to.equal(1);
  });

  it('is refused when its format is newer or unreadable', async () => {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'format'), '{"format":2,"more":true}\n');
    expect((await failsWith('newer', open())).message).to.contain('found 2');
    writeFileSync(join(root, 'format'), '');
    await failsWith('corrupt', open());
  });

  it("is refused if it can't be created", async () => {
    writeFileSync(scratch.path('deep'), 'a file');
    await failsWith('config', open());
  });

  it('is created with its parents for its owner only, and closed if it was open, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await open();
      const modes = (): readonly string[] =>
        ['..', '.', 'store', 'tmp', 'format'].map((name) => (statSync(join(root, name)).mode & 0o777).toString(8));
      expect(modes()).to.deep.equal(['700', '700', '700', '700', '600']);
      for (const name of ['.', 'store', 'tmp']) chmodSync(join(root, name), 0o755);
      await open();
      // Commands with a user of their own may have to pass through it.
      expect(modes()).to.deep.equal(['700', '711', '700', '700', '600']);
    } finally {
      process.umask(before);
    }
  });

  it('is refused, and stays open to others, if it is used for something else', async () => {
    mkdirSync(root, { recursive: true, mode: 0o755 });
    chmodSync(root, 0o755);
    writeFileSync(join(root, 'notes.txt'), 'mine\n');
    const error = await failsWith('config', open());
    expect(error.message).to.include('with other things in it (notes.txt)');
    expect(error.hint).to.include(join(root, '.batchctl'));
    expect([readdirSync(root), statSync(root).mode & 0o777]).to.deep.equal([['notes.txt'], 0o755]);
    renameSync(join(root, 'notes.txt'), join(root, '.gitignore'));
    await open();
    writeFileSync(join(root, 'notes.txt'), 'later\n');
    await open();
  });

  it('names the command that opens it to another user, which never gives away what is above it', async function () {
    if (process.getuid?.() !== 0) return this.skip();
    await open();
    chmodSync(scratch.directory, 0o755);
    const hint = async (): Promise<string> => (await asNobody(() => failsWith('config', open()))).hint ?? '';
    expect(await hint()).to.match(
      /to everything in the store: sudo chmod a\+x \S+\/deep \(it belongs to root; all users may then pass through/,
    );
    chmodSync(scratch.path('deep'), 0o755);
    expect(await hint()).to.match(
      /to everything in the store: sudo chown -R nobody \S+\/deep\/root \(it belongs to root\)$/,
    );
  });

  it('is refused on a network file system', () => {
    const types = [0x6969, 0xff534d42, 0xfe534d42, 0xff534d42 | 0, 0x00c36400];
    expect(types.map(networkFileSystem)).to.deep.equal(['NFS', 'CIFS', 'SMB2', 'CIFS', 'Ceph']);
    // ext4, xfs, btrfs, tmpfs, overlayfs. FUSE depends on whether it has hard links.
    for (const type of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x65735546]) {
      expect(networkFileSystem(type), type.toString(16)).to.equal(null);
    }
  });

  it('loses only leftovers of dead processes in tmp that are a day old', async () => {
    await open();
    const dead = spawnSync('true').pid;
    const living = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    try {
      const names = [`${dead}-ab-1`, `${living.pid}-ab-1`, `${process.pid}-ab-1`, 'notes.txt'];
      for (const name of names) writeFileSync(join(root, 'tmp', name), 'x');
      await open();
      expect(readdirSync(join(root, 'tmp')).sort()).to.deep.equal([...names].sort());
      await open(Date.now() + 1.1 * DAY);
      expect(readdirSync(join(root, 'tmp')).sort()).to.deep.equal(names.slice(1).sort());
    } finally {
      living.kill();
    }
  });

  it('leads to a configuration error if it is read-only, and never looks empty', async () => {
    const store = await open();
    await store.put('a/k', 'x');
    await withoutRights(join(root, 'store', 'a'), async () => {
      await failsWith('config', store.put('a/other', 'x', { ifAbsent: true }));
      await failsWith('config', store.put('a/k', 'y'));
      await failsWith('config', store.delete(['a/k']));
      // Absence is proven, never guessed.
      await failsWith('config', store.head('a/other'));
      await failsWith('config', collect(store.list('a/')));
    });
    expect((await collect(store.list(''))).map(({ key }) => key)).to.deep.equal(['a/k']);
    expect(readdirSync(join(root, 'tmp'))).to.deep.equal([]);
  });

  it('leads to an error of the right kind for each file system error', () => {
    const kinds = { ENOSPC: 'full', EDQUOT: 'full', EROFS: 'config', EACCES: 'config', EMFILE: 'unavailable' } as const;
    for (const [code, kind] of Object.entries(kinds)) {
      const cause = Object.assign(new Error(code), { code, syscall: 'open' });
      const error = translateFsError(cause, 'put k');
      expect(isKind(error, kind), code).to.equal(true);
      expect(error.cause).to.equal(cause);
    }
    const other = new TypeError('a bug');
    expect(translateFsError(other, 'put k')).to.equal(other);
  });
});

/** Root may access everything, so it becomes another user meanwhile. For other users, the directory is locked. */
async function withoutRights(directory: string, action: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  else chmodSync(directory, 0);
  try {
    await action();
  } finally {
    if (isRoot) process.seteuid?.(0);
    else chmodSync(directory, 0o700);
  }
}
