// Protects: a slot's directory is empty and its own for each attempt, also where it is not read again.
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { prepareSlotDirectory, type SlotDirectory } from '../../src/worker/slot-directory.ts';
import { forEachTest } from '../support/fixture.ts';
import { Scratch } from '../support/scratch.ts';

describe('a working directory that was seen empty', () => {
  const scratch = forEachTest(() => new Scratch());
  const empty = new Set<string>();
  const prepare = (): SlotDirectory => prepareSlotDirectory(scratch.path('slots'), 0, { empty });

  /** Prepares the slot, says that its command left nothing, changes it nevertheless, and prepares it again. */
  function prepareAfter(change: (cwd: string) => void): SlotDirectory {
    const { cwd } = prepare();
    empty.add(cwd);
    change(cwd);
    return prepare();
  }

  it('is kept for the next attempt, which alone may rely on that', () => {
    const { ino } = lstatSync(prepare().cwd);
    const { cwd } = prepareAfter(() => undefined);
    expect(lstatSync(cwd).ino).to.equal(ino);
    writeFileSync(`${cwd}/left`, '');
    expect(readdirSync(prepare().cwd)).to.deep.equal([]);
  });

  it('is made anew if it is a link, a file, or gone, and opened again if it is closed', () => {
    mkdirSync(scratch.path('elsewhere'), { mode: 0o700 });
    const changes: ((cwd: string) => void)[] = [
      (cwd) => {
        rmdirSync(cwd);
        symlinkSync(scratch.path('elsewhere'), cwd);
      },
      (cwd) => rmdirSync(cwd),
      (cwd) => {
        rmdirSync(cwd);
        writeFileSync(cwd, '', { mode: 0o700 });
      },
      (cwd) => chmodSync(cwd, 0o500),
      (cwd) => chmodSync(cwd, 0o777),
    ];
    for (const change of changes) {
      const stats = lstatSync(prepareAfter(change).cwd);
      expect([stats.isDirectory(), (stats.mode & 0o777).toString(8)], String(change)).to.deep.equal([true, '700']);
    }
  });
});
