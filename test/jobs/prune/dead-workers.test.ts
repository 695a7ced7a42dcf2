// Protects: scratch and logs of dead workers don't pile up on a machine, and those of live ones stay.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { choosePrunable, type PruneResult, prune } from '../../../src/jobs/prune/prune.ts';
import { forEachTest } from '../../support/fixture.ts';
import { openPlace } from '../published-job.ts';

const DAY = 24 * 3_600_000;

describe('leftovers of dead workers on this machine', () => {
  const place = forEachTest(openPlace);

  const pruneAll = async (dryRun: boolean): Promise<PruneResult> =>
    prune(place.platform, await choosePrunable(place.platform, 7 * DAY), 7 * DAY, { dryRun });

  it('are removed by a prune or the next worker: scratch at once, logs once they are old', async () => {
    const work = join(place.directory, '.batchctl/work');
    mkdirSync(join(work, 'logs'), { recursive: true });
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const now = Date.now();
    const left = (name: string, days: number): void => {
      writeFileSync(join(work, name), 'said\n');
      utimesSync(join(work, name), new Date(), new Date(now - days * DAY));
    };
    mkdirSync(join(work, `w-dead.${dead}`));
    left(`w-dead.${dead}/part`, 0);
    mkdirSync(join(work, `w-alive.${process.pid}`));
    for (const [name, days] of [
      ['logs/w-dead.log', 40],
      ['logs/w-alive.log', 40],
      ['logs/w-late.log', 6],
      [`run-${dead}.log`, 40],
      [`run-${process.pid}.log`, 40],
      ['notes.txt', 40],
    ] as const)
      left(name, days);
    const names = (): readonly string[] => [...readdirSync(work), ...readdirSync(join(work, 'logs'))].sort();
    const all = names();
    const { leftovers } = await pruneAll(true);
    expect(leftovers.workers).to.deep.equal({ objects: 3, bytes: 15 });
    expect(names()).to.deep.equal(all);
    await pruneAll(false);
    const kept = ['logs', 'notes.txt', `run-${process.pid}.log`, 'w-alive.log', `w-alive.${process.pid}`, 'w-late.log'];
    expect(names()).to.deep.equal(kept.sort());
    // A starting worker removes the same, a week later.
    left('logs/w-dead.log', 8);
    left(`run-${dead}.log`, 6);
    await place.platform.scratch('w-new');
    expect(names()).to.deep.equal([...kept, `run-${dead}.log`, `w-new.${process.pid}`].sort());
  });
});
