// Protects: with durability power, a published file is on the disk before it is acknowledged, its bytes before its name.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect } from 'chai';
import { publishFile } from '../../../src/adapters/local/fs-publish.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';

/** The file system calls that matter here, each with its path. */
type Calls = readonly string[];

describe('publishing a file', () => {
  const scratch = forEachTest(() => new Scratch());
  let temporary: string;
  beforeEach(() => {
    temporary = scratch.path('temporary');
    fs.writeFileSync(temporary, 'abc');
  });

  /** The paths below the root that are synced or named while `work` runs, in order. */
  async function callsOf(work: () => unknown): Promise<Calls> {
    const calls: string[] = [];
    const paths = new Map<number, string>();
    const real = { openSync: fs.openSync, fsyncSync: fs.fsyncSync, linkSync: fs.linkSync, renameSync: fs.renameSync };
    const note = (call: string, path: unknown): void =>
      void calls.push(`${call} ${String(path).slice(scratch.directory.length)}`);
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
      const final = scratch.path('a/b/k');
      const calls = await callsOf(() => publishFile(temporary, final, { ifAbsent, sync: true }));
      // Both directories were created for it.
      expect(calls).to.deep.equal(['sync /temporary', 'sync ', 'sync /a', 'name /a/b/k', 'sync /a/b']);
    });
  }

  it('syncs the directory even if the name is taken, because the process that took it may not have done so yet', async () => {
    fs.writeFileSync(scratch.path('k'), 'first');
    const options = { ifAbsent: true, sync: true };
    expect(await callsOf(() => publishFile(temporary, scratch.path('k'), options))).to.deep.equal([
      'sync /temporary',
      'sync ',
    ]);
  });

  it('syncs nothing if a crash of the machine may lose the file', async () => {
    const options = { ifAbsent: true, sync: false };
    expect(await callsOf(() => publishFile(temporary, scratch.path('k'), options))).to.deep.equal(['name /k']);
  });

  it('syncs only in a store with durability power', async () => {
    for (const durability of ['process', 'power'] as const) {
      const store = await createFsStore({ root: scratch.path(durability), durability });
      const calls = await callsOf(() => store.put('k', 'abc', { ifAbsent: true }));
      const named = calls.findIndex((call) => call.startsWith('name'));
      const hasSync = (some: Calls): boolean => some.some((call) => call.startsWith('sync'));
      const power = durability === 'power';
      expect([hasSync(calls.slice(0, named)), hasSync(calls.slice(named))], durability).to.deep.equal([power, power]);
    }
  });
});
