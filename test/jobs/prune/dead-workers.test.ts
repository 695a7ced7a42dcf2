// Protects: scratch files and logs of dead workers don't pile up on a machine, and those of live workers stay.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { forEachTest } from '../../support/fixture.ts';
import { openPlace } from '../published-job.ts';
import { DAY, pruneAll } from './finished-job.ts';

describe('leftovers of dead workers on this machine', () => {
  const place = forEachTest(openPlace);

  it('are removed by a prune or the next worker: scratch files at once, logs once they are old', async () => {
    const work = join(place.directory, '.batchctl/work');
    mkdirSync(join(work, 'logs'), { recursive: true });
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const leave = (name: string, days: number): void => {
      writeFileSync(join(work, name), 'text\n');
      utimesSync(join(work, name), new Date(), new Date(Date.now() - days * DAY));
    };
    mkdirSync(join(work, `w-dead.${dead}`));
    leave(`w-dead.${dead}/part`, 0);
    mkdirSync(join(work, `w-alive.${process.pid}`));
    for (const [name, days] of [
      ['logs/w-dead.log', 40],
      ['logs/w-alive.log', 40],
      ['logs/w-late.log', 6],
      [`run-${dead}.log`, 40],
      [`run-${process.pid}.log`, 40],
      ['notes.txt', 40],
    ] as const)
      leave(name, days);
    const names = (): readonly string[] => [...readdirSync(work), ...readdirSync(join(work, 'logs'))].sort();
    const all = names();
    const { leftovers } = await pruneAll(place.platform, 7 * DAY, true);
    expect(leftovers.workers).to.deep.equal({ objects: 3, bytes: 15 });
    expect(names()).to.deep.equal(all);
    await pruneAll(place.platform, 7 * DAY);
    const kept = ['logs', 'notes.txt', `run-${process.pid}.log`, 'w-alive.log', `w-alive.${process.pid}`, 'w-late.log'];
    expect(names()).to.deep.equal(kept.sort());
    // A starting worker removes the same, a week later.
    leave('logs/w-dead.log', 8);
    leave(`run-${dead}.log`, 6);
    await place.platform.scratch('w-new');
    expect(names()).to.deep.equal([...kept, `run-${dead}.log`, `w-new.${process.pid}`].sort());
  });
});
