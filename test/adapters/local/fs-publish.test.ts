// Protects: what is published with durability power is on the disk, bytes before name, before it is acknowledged.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { publishFile } from '../../../src/adapters/local/fs-publish.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';

/** The file system calls that matter here, each with its path. */
type Calls = readonly string[];

describe('publishing a file', () => {
  let root: string;
  let temporary: string;
  beforeEach(() => {
    root = fs.mkdtempSync(join(tmpdir(), 'batchctl-publish-'));
    temporary = join(root, 'temporary');
    fs.writeFileSync(temporary, 'abc');
  });
  afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

  /** What is synced and what gets its name while `work` runs, in order, below the root. */
  async function callsOf(work: () => unknown): Promise<Calls> {
    const calls: string[] = [];
    const paths = new Map<number, string>();
    const real = { openSync: fs.openSync, fsyncSync: fs.fsyncSync, linkSync: fs.linkSync, renameSync: fs.renameSync };
    const note = (what: string, path: unknown): void => void calls.push(`${what} ${String(path).slice(root.length)}`);
    Object.assign(fs, {
      openSync: (...args: Parameters<typeof fs.openSync>) => {
        const fd = real.openSync(...args);
        paths.set(fd, String(args[0]));
        return fd;
      },
      fsyncSync: (fd: number) => {
        real.fsyncSync(fd);
        note('sync', paths.get(fd));
      },
      linkSync: (from: string, to: string) => {
        real.linkSync(from, to);
        note('name', to);
      },
      renameSync: (from: string, to: string) => {
        real.renameSync(from, to);
        note('name', to);
      },
    });
    syncBuiltinESMExports();
    try {
      await work();
    } finally {
      Object.assign(fs, real);
      syncBuiltinESMExports();
    }
    return calls;
  }

  for (const ifAbsent of [true, false]) {
    it(`syncs its bytes, then names it, then syncs its directory (${ifAbsent ? 'if absent' : 'replacing'})`, async () => {
      const final = join(root, 'a/b/k');
      const calls = await callsOf(() => publishFile(temporary, final, { ifAbsent, sync: true }));
      // Both directories were created for it.
      expect(calls).to.deep.equal(['sync /temporary', 'sync ', 'sync /a', 'name /a/b/k', 'sync /a/b']);
    });
  }

  it('syncs the directory even if the name is taken, because the process that took it may not have done so yet', async () => {
    fs.writeFileSync(join(root, 'k'), 'first');
    const options = { ifAbsent: true, sync: true };
    expect(await callsOf(() => publishFile(temporary, join(root, 'k'), options))).to.deep.equal([
      'sync /temporary',
      'sync ',
    ]);
  });

  it('syncs nothing if a crash of the machine may undo it', async () => {
    const options = { ifAbsent: true, sync: false };
    expect(await callsOf(() => publishFile(temporary, join(root, 'k'), options))).to.deep.equal(['name /k']);
  });

  it('syncs only in a store with durability power', async () => {
    for (const durability of ['process', 'power'] as const) {
      const store = await createFsStore({ root: join(root, durability), durability });
      const calls = await callsOf(() => store.put('k', 'abc', { ifAbsent: true }));
      const named = calls.findIndex((call) => call.startsWith('name'));
      const syncs = (some: Calls): boolean => some.some((call) => call.startsWith('sync'));
      const power = durability === 'power';
      expect([syncs(calls.slice(0, named)), syncs(calls.slice(named))], durability).to.deep.equal([power, power]);
    }
  });
});
