// Protects: a grid's requests to AWS grow with its work and machines, not with their square; no burst of failures loses
// or repeats work.
import { expect } from 'chai';
import type { Fleet } from '../support/fleet/fleet.ts';
import type { FleetInstance } from '../support/fleet/scaling.ts';
import { type Figures, runScenario, type Scenario } from '../support/fleet/scenarios.ts';

describe('a grid in simulated time', () => {
  const scenarioOf = (machines: number, tasks = machines * 8): Scenario => ({
    name: `${machines} machines`,
    options: { machines, slots: 2, tasks, seconds: 15 },
  });
  const MACHINES = 16;
  /** The first `count` machines in service. */
  const firstMachines = ({ scaling }: Fleet, count: number): readonly FleetInstance[] =>
    scaling.up.filter(({ state }) => state === 'InService').slice(0, count);
  const expectEveryTask = ({ published, state, failures }: Figures): void => {
    expect(failures).to.deep.equal([]);
    expect({ published, state }).to.deep.equal({ published: MACHINES * 8, state: 'succeeded' });
  };

  it('makes the same number of requests per task and machine, however many there are', async () => {
    // A limit that is never reached, so that only the counting of tasks in other workers costs requests.
    const limited = ({ name, options }: Scenario): Scenario => ({ name, options: { ...options, maxRunning: 1_000 } });
    const [few, many] = [await runScenario(limited(scenarioOf(20))), await runScenario(limited(scenarioOf(80)))];
    const growing = [...many.kinds]
      .map(([kind, count]) => ({ kind, count: count / 4, before: few.kinds.get(kind) ?? 0 }))
      // A few requests are made from time to time, whatever the size of the grid.
      .filter(({ count, before }) => count > 1.5 * before + 100);
    expect(growing).to.deep.equal([]);
    expect([few.reruns, many.reruns]).to.deep.equal([0, 0]);
  });

  it('loses nothing to interruptions, and repeats only tasks on machines that ended without notice', async () => {
    const figures = await runScenario({
      ...scenarioOf(MACHINES),
      happens: (fleet, at) => {
        if (at === 130) for (const instance of firstMachines(fleet, 4)) fleet.scaling.take(instance);
        if (at === 140) for (const instance of firstMachines(fleet, 6).slice(4)) fleet.scaling.lose(instance);
      },
    });
    expectEveryTask(figures);
    expect(figures.interrupted).to.be.within(2, 6);
    expect(figures.reruns).to.be.within(1, 2 * 2);
  });

  it('keeps its machines and continues while EC2 recommends leaving all of them, with long tasks too', async () => {
    const { options } = scenarioOf(MACHINES);
    const figures = await runScenario({
      name: 'long tasks',
      options: { ...options, seconds: 120 },
      happens: (fleet, at) => {
        if (at === 300) for (const instance of firstMachines(fleet, MACHINES)) instance.rebalance = '{}';
      },
    });
    expectEveryTask(figures);
    expect([figures.launched, figures.reruns]).to.deep.equal([MACHINES, 0]);
    expect(figures.makespan, 'a stall of a minute or two, not of ten').to.be.below(1_000);
  });

  it('returns no task while the secrets service answers fewer requests than are made', async () => {
    const { options } = scenarioOf(MACHINES);
    const figures = await runScenario({ name: 'secrets', options: { ...options, secrets: 3, ssmRate: 1 } });
    expectEveryTask(figures);
    expect(figures.released).to.equal(0);
  });

  it('runs no command and starts no worker again while S3 asks to slow down, and makes no additional requests', async () => {
    const calm = await runScenario(scenarioOf(MACHINES));
    const slow = await runScenario({
      ...scenarioOf(MACHINES),
      happens: (fleet, at) => {
        fleet.bucket.slowDown = () => (at >= 130 && at < 430 ? 0.7 : 0);
      },
    });
    expectEveryTask(slow);
    expect(slow.reruns).to.equal(0);
    for (const [what, peak] of slow.peaks)
      if (what.startsWith('S3')) expect(peak, what).to.be.at.most(4 * (calm.peaks.get(what) ?? 0));
  });
});
