// Protects: exactly one supervisor keeps local workers running in the background, and it ends when the group's size is zero.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ensureSupervisor, isSupervised, lockGroup } from '../../../src/adapters/local/ensure-supervisor.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { ProcessGroup } from '../../../src/adapters/local/process-group.ts';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';
import { until } from '../../support/until.ts';
import { type Child, ChildPrograms, exitCodeOf, fixtureProgram } from '../child-programs.ts';

const SUPERVISOR = fixtureProgram(import.meta.dirname, 'tiny-supervisor');
const WORKER = fixtureProgram(import.meta.dirname, 'tiny-worker');

describe('the detached supervisor of a group', () => {
  const store = forEachTest(() => new Scratch());
  const marks = forEachTest(() => new Scratch());
  const programs = forEachTest(() => new ChildPrograms());
  let root: string;
  let group: ProcessGroup;

  beforeEach(async () => {
    root = store.directory;
    group = new ProcessGroup({
      group: 'default',
      store: await createFsStore({ root, durability: 'process' }),
      isKnown: async () => true,
      running: async () => 0,
    });
  });
  afterEach(async () => {
    await group.resize({ desired: 0, min: 0 });
    await until('no supervisor is left', () => livingProcesses('supervisor').length === 0);
    await until('no worker is left', () => workers().length === 0);
  });

  const args = () => [root, marks.directory, WORKER];
  const startSupervisor = (): Child => programs.start(SUPERVISOR, ...args());
  const markedWith = (mark: string) => readdirSync(marks.directory).filter((name) => name.endsWith(`.${mark}`));
  /** The ids of marked processes that are still alive. */
  const livingProcesses = (mark: string) =>
    markedWith(mark)
      .map((name) => Number(readFileSync(marks.path(name), 'utf8')))
      .filter((pid) => pid > 0 && isAlive(pid));
  const workers = () => livingProcesses('up');
  const untilWorkers = (count: number) => until(`${count} workers are up`, () => workers().length === count);

  it('starts as many workers as requested, and leaves when the size is zero', async () => {
    await group.resize({ desired: 2 });
    const supervisor = startSupervisor();
    await untilWorkers(2);
    await group.resize({ desired: 1 });
    await untilWorkers(1);
    await group.resize({ desired: 0 });
    expect(await exitCodeOf(supervisor)).to.equal(0);
    expect(workers()).to.deep.equal([]);
    expect(isSupervised(root, 'default')).to.equal(false);
  });

  it('runs once: a second supervisor leaves, and a third one takes over after the first was killed', async () => {
    await group.resize({ desired: 1 });
    const first = startSupervisor();
    await untilWorkers(1);
    expect(await exitCodeOf(startSupervisor())).to.equal(3);
    const [worker] = workers();
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(isSupervised(root, 'default')).to.equal(false);
    startSupervisor();
    await until('the first worker has drained, and another is up', () => {
      const current = workers();
      return markedWith('drained').length === 1 && current.length === 1 && !current.includes(worker ?? 0);
    });
  });

  it('is started by the first caller if there is none', async () => {
    await group.resize({ desired: 1 });
    const ensure = () => ensureSupervisor({ root, group: 'default', argv: [SUPERVISOR, ...args()] });
    await Promise.all([ensure(), ensure()]);
    await untilWorkers(1);
    expect(await ensure()).to.equal(false);
    expect(workers()).to.have.length(1);
  });

  it('is reported if it does not start', async () => {
    const start = ensureSupervisor({ root, group: 'default', argv: ['-e', 'process.exit(9)'] });
    await failsWith('unavailable', start);
  });

  it('lowers the size when a worker leaves by itself, but not below the minimum', async () => {
    await group.resize({ desired: 2, min: 1 });
    startSupervisor();
    await untilWorkers(2);
    // A worker that gets a signal leaves by itself, from the supervisor's point of view.
    for (const pid of workers()) process.kill(pid, 'SIGTERM');
    await until('the size is the minimum', async () => (await group.size()).desired === 1);
    await until('one is up again', () => markedWith('up').length === 3 && workers().length === 1);
  });

  it('holds a lock for its group only, and releases it', async () => {
    const lock = await lockGroup(root, 'default');
    expect(lock).to.not.equal(null);
    expect(isSupervised(root, 'default')).to.equal(true);
    expect(isSupervised(root, 'gpu')).to.equal(false);
    lock?.release();
    expect(isSupervised(root, 'default')).to.equal(false);
  });
});
