// Protects: a rebalance recommendation, told to a whole pool at once, neither ends a fleet nor keeps any task from running.
import { expect } from 'chai';
import { mustReadView } from '../../src/jobs/journal.ts';
import { stateOf } from '../../src/model/view.ts';
import type { Machine, Notice } from '../../src/ports/machine.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { isLong } from '../../src/worker/risk.ts';
import { startInside } from '../support/inside-worker.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';

const RISK = 60;
const TIMES = { NOTICE: '0.05', LONG: '1', RISK: String(RISK) };

describe('a worker whose machine EC2 recommends to leave', () => {
  let workspace: Workspace;
  before(() => {
    for (const [name, value] of Object.entries(TIMES)) process.env[`BATCHCTL_TEST_${name}_SECONDS`] = value;
  });
  after(() => {
    for (const name of Object.keys(TIMES)) delete process.env[`BATCHCTL_TEST_${name}_SECONDS`];
  });
  beforeEach(() => {
    workspace = new Workspace();
  });
  afterEach(() => workspace.remove());

  /** A platform of a machine that no group holds, what it is told, the worker's time ahead, and what was given back. */
  async function onMachine(more: Partial<Platform> = {}) {
    const own = await workspace.platform('w-inside', 60);
    const told: { notice: Notice | null; ahead: number; delays: number[] } = { notice: null, ahead: 0, delays: [] };
    const machine: Machine = {
      ...{ instance: 'i-1', type: 'm7g.large', zone: 'a', lifeCycle: 'spot', launchedAt: null, release: null },
      ...{ inGroup: false, protect: async () => true, holdOn: async () => undefined, letGo: async () => undefined },
      ...{ leave: async () => false, notice: async () => told.notice },
    };
    const queue: Platform['queue'] = async (group) => {
      const real = await own.queue(group);
      const release = real.release.bind(real);
      real.release = (releases) => {
        told.delays.push(...releases.map(({ delay }) => delay));
        return release(releases);
      };
      return real;
    };
    const clock = { now: () => own.clock.now(), monotonic: () => own.clock.monotonic() + told.ahead };
    return { platform: { ...own, clock, queue, machine: async () => machine, ...more }, told };
  }

  const submit = (name: string, tasks: number, step: Readonly<Record<string, unknown>>): Promise<string> => {
    const steps = [{ name: 'only', ...step }];
    workspace.write('job.json', { name, input: { split: { by: 'range', from: 1, to: tasks } }, steps });
    return workspace.submit();
  };

  it('stays, leaves long tasks to others for a while and takes short ones, and then takes all again', async () => {
    const { platform, told } = await onMachine();
    const worker = startInside(workspace, platform, { slots: 1, untilEmpty: false });
    const has = (job: string, state: string) =>
      until(`${job} has ${state}`, async () => stateOf(await mustReadView(platform.store, job)) === state);
    const long = await submit('long', 5, { run: `echo run >> "${workspace.path('ran')}"; sleep 1.2` });
    await Promise.race([until('a task runs', () => workspace.lines('ran').length === 1), worker.done]);
    told.notice = { kind: 'rebalance', at: null };
    await until('tasks are left to others', () => told.delays.filter((delay) => delay === RISK / 40).length >= 3);
    const before = workspace.lines('ran').length;
    await has(await submit('short', 2, { run: 'cat', timeout: '1s' }), 'succeeded');
    expect(workspace.lines('ran'), 'no other long one was begun').to.have.length(before);
    expect(before).to.be.below(4);
    told.ahead = RISK * 1_000;
    await has(long, 'succeeded');
    // A job that stands for so long, by its clock, has its messages sent again.
    expect(workspace.lines('ran')).to.have.length.at.least(5);
    await worker.drain();
  });

  it('leaves where its group is to leave: what runs is finished', async () => {
    const { platform, told } = await onMachine({ leavesAtRisk: (group) => group === 'default' });
    const worker = startInside(workspace, platform, { slots: 1, untilEmpty: false });
    const job = await submit('long', 2, { run: `echo run >> "${workspace.path('ran')}"; sleep 1.2` });
    await Promise.race([until('a task runs', () => workspace.lines('ran').length === 1), worker.done]);
    told.notice = { kind: 'rebalance', at: null };
    await worker.done;
    expect(workspace.lines('ran')).to.have.length(1);
    expect((await (await platform.ledger()).counts(job))[0]).to.include({ done: 1, interrupted: 0 });
  });

  it('holds a task for long by the mean of its step, which nothing known, or a short timeout, never is', () => {
    const known = (done: number, seconds: number) => ({ done, seconds });
    const cases: readonly (readonly [number, Parameters<typeof isLong>[1], boolean])[] = [
      [3_600, null, false],
      [3_600, known(0, 0), false],
      [3_600, known(10, 900), false],
      [3_600, known(10, 901), true],
      [91, known(10, 901), true],
      [90, known(10, 901), false],
    ];
    for (const [timeout, steps, long] of cases) expect(isLong(timeout, steps, 90), `${timeout}`).to.equal(long);
  });
});
