// Protects: exactly one supervisor keeps local workers running in the background, and it ends when no worker is wanted.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ensureSupervisor, isSupervised, lockGroup } from '../../../src/adapters/local/ensure-supervisor.ts';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { ProcessGroup } from '../../../src/adapters/local/process-group.ts';
import { isKind } from '../../../src/errors.ts';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { bundled } from '../../support/run/bundled.ts';
import { until } from '../../support/until.ts';

const [SUPERVISOR, WORKER] = ['tiny-supervisor', 'tiny-worker'].map((name) =>
  bundled(join(import.meta.dirname, 'fixtures', `${name}.ts`)),
) as [string, string];

describe('the detached supervisor of a group', () => {
  let root: string;
  let marks: string;
  let group: ProcessGroup;
  let children: ChildProcess[];

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'batchctl-group-'));
    marks = mkdtempSync(join(tmpdir(), 'batchctl-marks-'));
    children = [];
    const store = await createFsStore({ root, durability: 'process' });
    group = new ProcessGroup({ group: 'default', store, isKnown: async () => true, running: async () => 0 });
  });
  afterEach(async () => {
    await group.resize({ desired: 0, min: 0 });
    for (const child of children) if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await until('no supervisor is left', () => living('supervisor').length === 0);
    await until('no worker is left', () => up().length === 0);
    rmSync(root, { recursive: true });
    rmSync(marks, { recursive: true });
  });

  const argv = () => [SUPERVISOR, root, marks, WORKER];
  function start(): ChildProcess {
    const child = spawn(process.execPath, argv(), { stdio: ['ignore', 'ignore', 'inherit'] });
    children.push(child);
    return child;
  }
  const codeOf = async (child: ChildProcess) => child.exitCode ?? (await once(child, 'exit'))[0];
  const marked = (what: string) => readdirSync(marks).filter((name) => name.endsWith(`.${what}`));
  /** The ids of marked processes that are still alive. */
  const living = (what: string) =>
    marked(what)
      .map((name) => Number(readFileSync(join(marks, name), 'utf8')))
      .filter((pid) => pid > 0 && isAlive(pid));
  const up = () => living('up');
  const upAre = (count: number) => until(`${count} workers are up`, () => up().length === count);

  it('starts as many workers as requested, and leaves when none is wanted', async () => {
    await group.resize({ desired: 2 });
    const supervisor = start();
    await upAre(2);
    await group.resize({ desired: 1 });
    await upAre(1);
    await group.resize({ desired: 0 });
    expect(await codeOf(supervisor)).to.equal(0);
    expect(up()).to.deep.equal([]);
    expect(isSupervised(root, 'default')).to.equal(false);
  });

  it('runs once: a second one leaves, and a third takes over from one that was killed', async () => {
    await group.resize({ desired: 1 });
    const first = start();
    await upAre(1);
    expect(await codeOf(start())).to.equal(3);
    const [worker] = up();
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(isSupervised(root, 'default')).to.equal(false);
    start();
    await until('the orphan drained, and another is up', () => {
      const now = up();
      return marked('drained').length === 1 && now.length === 1 && !now.includes(worker ?? 0);
    });
  });

  it('is started by the first caller if there is none', async () => {
    await group.resize({ desired: 1 });
    const ensure = () => ensureSupervisor({ root, group: 'default', argv: argv() });
    await Promise.all([ensure(), ensure()]);
    await upAre(1);
    expect(await ensure()).to.equal(false);
    expect(up()).to.have.length(1);
  });

  it('is reported if it does not start', async () => {
    const failed = await ensureSupervisor({ root, group: 'default', argv: ['-e', 'process.exit(9)'] }).catch(
      (thrown: unknown) => thrown,
    );
    expect(isKind(failed, 'unavailable')).to.equal(true);
  });

  it('lowers the size when a worker leaves by itself, but not below the minimum', async () => {
    await group.resize({ desired: 2, min: 1 });
    start();
    await upAre(2);
    // Triggered by its own signal, like an order: to the supervisor it leaves by itself.
    for (const pid of up()) process.kill(pid, 'SIGTERM');
    await until('the size went down to the minimum', async () => (await group.size()).desired === 1);
    await until('one is up again', () => marked('up').length === 3 && up().length === 1);
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
