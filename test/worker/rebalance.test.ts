// Protects: a rebalance recommendation to a whole pool neither ends a fleet nor keeps any task from running.
import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { stateOf } from '../../src/model/view.ts';
import type { Machine, MachineNotice } from '../../src/ports/machine.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { InterruptionRisk, isLong } from '../../src/worker/interruption-risk.ts';
import { viewOf } from '../model/job-of.ts';
import { forEachTest } from '../support/fixture.ts';
import { type InProcessWorker, startWorkerInProcess } from '../support/inside-worker.ts';
import { rangeJob } from '../support/range-job.ts';
import { countsOf } from '../support/step-counts.ts';
import { until } from '../support/until.ts';
import { Workspace } from '../support/workspace.ts';
import { makeTask } from './worker-context.ts';

const RISK = 60;
const TIMES = { NOTICE: '0.05', LONG: '1', RISK: String(RISK) };

describe('a worker whose machine EC2 recommends to leave', () => {
  const workspace = forEachTest(() => new Workspace());
  before(() => {
    for (const [name, value] of Object.entries(TIMES)) process.env[`BATCHCTL_TEST_${name}_SECONDS`] = value;
  });
  after(() => {
    for (const name of Object.keys(TIMES)) delete process.env[`BATCHCTL_TEST_${name}_SECONDS`];
  });

  /** A platform on a machine outside of groups; the notice that it gets, and the delays of the tasks that it returned. */
  async function onMachine(more: Partial<Platform> = {}) {
    const own = await workspace.platform(workspace.worker, 60);
    const events: { notice: MachineNotice | null; delays: number[] } = { notice: null, delays: [] };
    const machine: Machine = {
      instance: 'i-1',
      type: 'm7g.large',
      zone: 'a',
      lifeCycle: 'spot',
      launchedAt: null,
      release: null,
      inGroup: false,
      notice: async () => events.notice,
      protect: async () => true,
      extendTermination: async () => undefined,
      completeTermination: async () => undefined,
      leave: async () => false,
    };
    const queue: Platform['queue'] = async (group) => {
      const real = await own.queue(group);
      const release = real.release.bind(real);
      real.release = (releases) => {
        events.delays.push(...releases.map(({ delay }) => delay));
        return release(releases);
      };
      return real;
    };
    return { platform: { ...own, queue, machine: async () => machine, ...more }, events };
  }

  const submit = (name: string, tasks: number, step: Readonly<Record<string, unknown>>): Promise<string> => {
    workspace.write('job.json', rangeJob(name, tasks, { name: 'only', ...step }));
    return workspace.submit();
  };

  /** Starts a worker whose first task runs until the worker has logged `phrase` about a recommendation. */
  async function startNotified(
    { platform, events }: Awaited<ReturnType<typeof onMachine>>,
    tasks: number,
    phrase: string,
  ): Promise<{ readonly job: string; readonly worker: InProcessWorker }> {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const worker = startWorkerInProcess(workspace, platform, { slots: 1, untilEmpty: false, say });
    const run = `echo run >> "${workspace.path('ran')}"; until [ -e "${workspace.path('go')}" ]; do sleep 0.05; done; sleep 1.1`;
    const job = await submit('long', tasks, { run });
    await Promise.race([until('a task runs', () => workspace.lines('ran').length === 1), worker.done]);
    events.notice = { kind: 'rebalance', at: null };
    await until(phrase, () => lines.some((line) => line.includes(phrase)));
    workspace.write('go', '');
    return { job, worker };
  }

  it('stays, takes short tasks, and leaves long ones to others up to four times', async () => {
    const machine = await onMachine();
    const { store } = machine.platform;
    const succeeds = (job: string) =>
      until(`${job} succeeds`, async () => stateOf(await requireView(store, job)) === 'succeeded');
    const { job, worker } = await startNotified(machine, 5, 'is at elevated risk of interruption');
    const left = (): number => machine.events.delays.filter((delay) => delay === RISK / 40).length;
    await until('tasks are left to others', () => left() > 0);
    // Durations are read every 1.5 s, so the second and the third task may begin before the first one's is known.
    const begun = workspace.lines('ran').length;
    expect(begun).to.be.below(4);
    await succeeds(await submit('short', 2, { run: 'cat', timeout: '1s' }));
    await succeeds(job);
    expect(left(), 'each long task that was not begun, and no short one').to.equal(4 * (5 - begun));
    expect(workspace.lines('ran')).to.have.length(5);
    await worker.drain();
  });

  it('leaves if its group is configured so, after finishing its tasks', async () => {
    const machine = await onMachine({ shouldLeaveAtRisk: (group) => group === 'default' });
    const { job, worker } = await startNotified(machine, 2, 'EC2 recommends');
    await worker.done;
    expect(workspace.lines('ran')).to.have.length(1);
    expect((await (await machine.platform.ledger()).counts(job))[0]).to.include({ done: 1, interrupted: 0 });
  });

  it('takes a task that was left four times, and every task once it has left tasks for a minute', async () => {
    let now = 0;
    const task = makeTask(viewOf([]));
    const counts = async () => [countsOf('price', { done: 1, seconds: 200 })];
    const risk = new InterruptionRisk({
      times: { longSeconds: 90, riskMs: 600_000 },
      monotonic: () => now,
      ledger: async () => ({ counts }),
    });
    const leaves = (receiveCount: number): Promise<number | null> =>
      risk.deferSeconds({
        ...task,
        delivery: { ...task.delivery, receiveCount },
        step: { ...task.step, timeout: 3_600 },
      });
    expect(await leaves(1), 'before any notice').to.equal(null);
    risk.begin();
    expect([await leaves(1), await leaves(4), await leaves(5)]).to.deep.equal([15, 15, null]);
    // Others take tasks that come from time to time.
    for (; now < 600_000; now += 20_000) expect(await leaves(1), `${now}`).to.equal(15);
    expect(await leaves(1), 'after ten minutes').to.equal(null);
    risk.begin();
    const began = now;
    for (; now < began + 60_000; now += 2_000) expect(await leaves(1), `${now - began}`).to.equal(15);
    expect(await leaves(1)).to.equal(null);
    now += 20_000;
    expect(await leaves(1)).to.equal(null);
    risk.begin();
    expect(await leaves(1), 'after a second notice').to.equal(15);
  });

  it("judges a task's length by the step's mean, and never leaves one of unknown length or with a short timeout", () => {
    const sum = (done: number, seconds: number) => ({ done, seconds });
    const cases: readonly (readonly [number, Parameters<typeof isLong>[1], boolean])[] = [
      [3_600, null, false],
      [3_600, sum(0, 0), false],
      [3_600, sum(10, 900), false],
      [3_600, sum(10, 901), true],
      [91, sum(10, 901), true],
      [90, sum(10, 901), false],
    ];
    for (const [timeout, steps, long] of cases) expect(isLong(timeout, steps, 90), `${timeout}`).to.equal(long);
  });
});
