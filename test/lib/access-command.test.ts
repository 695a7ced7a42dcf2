// Protects: whoever may not write somewhere reads which command lets them, and who owns what is in the way.
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { accessCommand, withAccessCommand, withCommandFor } from '../../src/lib/access-command.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';
import { withoutRights } from '../support/without-rights.ts';

describe('the command that gives access to a path', () => {
  const scratch = forEachTest(() => new Scratch());
  const asNobody = (path: string): Promise<string | null> => withoutRights(async () => accessCommand(path));

  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });
  beforeEach(() => chmodSync(scratch.directory, 0o755));

  it('changes the owner of what exists', async () => {
    mkdirSync(scratch.path('out dir'));
    expect(await asNobody(scratch.path('out dir'))).to.equal(
      `sudo chown -R nobody '${scratch.path('out dir')}' (it belongs to root)`,
    );
  });

  it("changes the owner of a directory that may not be entered only if all in it is batchctl's", async () => {
    mkdirSync(scratch.path('closed'), { mode: 0o700 });
    const path = scratch.path('closed/store/data');
    for (const own of ['closed', '.'].map((name) => scratch.path(name)))
      expect(await withoutRights(async () => accessCommand(path, { own }))).to.equal(
        `sudo chown -R nobody ${scratch.path('closed')} (it belongs to root)`,
      );
    const through = `sudo chmod a+x ${scratch.path('closed')} (it belongs to root; all users may then pass through it, but not list it)`;
    for (const own of ['closed/store', 'close'].map((name) => scratch.path(name)))
      expect(await withoutRights(async () => accessCommand(path, { own }))).to.equal(through);
    expect(await asNobody(path)).to.equal(through);
    // It is the command that is needed.
    chmodSync(scratch.path('closed'), 0o711);
    expect(await asNobody(path)).to.match(/^sudo install -d -o nobody \S+\/closed\/store /);
  });

  it('creates the first directory that does not exist', async () => {
    expect(await asNobody(scratch.path('new/store/data'))).to.equal(
      `sudo install -d -o nobody ${scratch.path('new')} (${scratch.directory} belongs to root)`,
    );
  });

  it('changes the owner of the directory in which a file can not be created', async () => {
    const hintOf = (act: () => void): Promise<string> =>
      withoutRights(async () => {
        try {
          act();
        } catch (error) {
          if (error instanceof Error && 'path' in error) return withCommandFor(error, 'do it');
        }
        return expect.fail('it was done');
      });
    const inside = `${scratch.directory} (it belongs to root)`;
    expect(await hintOf(() => writeFileSync(scratch.path('new'), ''))).to.equal(`do it: sudo chown nobody ${inside}`);
    expect(await hintOf(() => mkdirSync(scratch.path('new')))).to.equal(
      `do it: sudo install -d -o nobody ${scratch.path('new')} (${scratch.directory} belongs to root)`,
    );
    mkdirSync(scratch.path('there'));
    mkdirSync(scratch.path('closed'), { mode: 0o700 });
    expect(await hintOf(() => writeFileSync(scratch.path('there/new'), ''))).to.match(/: sudo chown nobody \S+there /);
    expect(await hintOf(() => readdirSync(scratch.path('closed')))).to.match(/: sudo chown -R nobody \S+closed /);
    expect(await withoutRights(async () => accessCommand(scratch.path('none/new'), { isFile: true }))).to.match(
      /^sudo install -d -o nobody \S+\/none /,
    );
  });

  it("never gives away a directory of the system, or another user's home", async () => {
    for (const path of ['/', '/etc', '/etc/batchctl', '/usr/local/share', '/home', '/var/lib', '/root/out', '/srv'])
      expect(await asNobody(path), path).to.equal(null);
    symlinkSync('/etc', scratch.path('link'));
    expect(await asNobody(scratch.path('link'))).to.equal(null);
    expect(await asNobody(scratch.path('link/new'))).to.equal(null);
    expect(await withoutRights(async () => withAccessCommand('choose another', '/etc'))).to.equal('choose another');
  });

  it("is unknown in a directory of one's own", async () => {
    expect(accessCommand(scratch.directory)).to.equal(null);
    expect(withAccessCommand('do it', scratch.directory)).to.equal('do it');
    expect(await withoutRights(async () => withAccessCommand('do it', scratch.directory))).to.match(
      /^do it: sudo chown -R nobody /,
    );
  });
});
