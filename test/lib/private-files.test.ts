// Protects: batchctl's databases, logs and directories are closed to other users, whatever the umask and whoever made them.
import { chmodSync, closeSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { makePrivateDatabase, makePrivateDirectory, openPrivateLog } from '../../src/lib/private-files.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';

describe('under a umask of 0, private', () => {
  const scratch = forEachTest(() => new Scratch());
  let umask: number;
  beforeEach(() => {
    umask = process.umask(0);
  });
  afterEach(() => void process.umask(umask));
  const modes = (...names: readonly string[]): readonly string[] =>
    names.map((name) => (statSync(scratch.path(name)).mode & 0o777).toString(8));

  it('directories, with their parents, are the owner’s; those that were open may still be passed, if that is allowed', () => {
    makePrivateDirectory(scratch.path('a/b'));
    expect(modes('a', 'a/b')).to.deep.equal(['700', '700']);
    for (const [passable, mode] of [
      [true, '711'],
      [false, '700'],
    ] as const) {
      chmodSync(scratch.path('a/b'), 0o777);
      makePrivateDirectory(scratch.path('a/b'), passable);
      expect(modes('a/b')).to.deep.equal([mode]);
    }
  });

  it('databases are the owner’s, with the files beside them, also if they were open', () => {
    makePrivateDatabase(scratch.path('new/x.db'));
    expect(modes('new', 'new/x.db')).to.deep.equal(['700', '600']);
    for (const name of ['x.db', 'x.db-wal', 'x.db-shm']) writeFileSync(scratch.path(name), '');
    makePrivateDatabase(scratch.path('x.db'));
    expect(modes('x.db', 'x.db-wal', 'x.db-shm')).to.deep.equal(['600', '600', '600']);
  });

  it('logs are the owner’s, also if they were open', () => {
    mkdirSync(scratch.path('logs'));
    writeFileSync(scratch.path('logs/old.log'), '');
    for (const name of ['logs/old.log', 'more/new.log']) closeSync(openPrivateLog(scratch.path(name)));
    expect(modes('logs', 'logs/old.log', 'more', 'more/new.log')).to.deep.equal(['711', '600', '700', '600']);
  });
});
