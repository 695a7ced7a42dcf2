// Protects: a job that would miss its deadline on spot gets on-demand instances, and only while it needs them.
import { expect } from 'chai';
import { gridName } from '../../src/lib/stack-names.ts';
import { jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { movedClock } from '../support/moved-clock.ts';
import { createScalingGroup, scalingWorkspace, spotPolicy } from '../support/scaling-group.ts';
import { until } from '../support/until.ts';
import { rangeJobFile } from '../support/why-job.ts';

interface Sized {
  readonly group: string;
  readonly from: number;
  readonly to: number;
  readonly onDemand: number | null;
}

describe('a job that would miss its deadline on spot', () => {
  const cloud = forSuite(() => startCloud());
  const workspace = forEachTest(() =>
    scalingWorkspace(cloud, { groups: { default: { max: 40, slots: 2, onDemandMax: 6 } } }),
  );
  beforeEach(async () => {
    workspace.write('job.json', rangeJobFile(3_000, 'sleep 1'));
    await createScalingGroup(cloud, workspace.stack, { max: 40, more: spotPolicy(workspace.stack, 0) });
    cloud.grid.failLaunches('capacity', undefined, { lifeCycle: 'spot' });
  });
  afterEach(() => cloud.grid.failLaunches(null));

  /** One round of a keeper. Its clock may be this many seconds ahead. */
  async function tick(ahead = 0): Promise<{ readonly raised: readonly Sized[]; readonly lowered: readonly Sized[] }> {
    const env = ahead === 0 ? {} : movedClock(new Date(Date.now() + ahead * 1_000).toISOString());
    return jsonOf(await workspace.run(['tick', '--json'], env));
  }

  const kinds = (): readonly string[] =>
    cloud.grid.instances(gridName(workspace.stack, 'default')).map(({ lifeCycle }) => lifeCycle);
  const untilRefused = () =>
    until('spot was refused', async () => {
      const shown = jsonOf(await workspace.runSuccessfully('scale', '--json'));
      return JSON.stringify(shown).includes('UnfulfillableCapacity');
    });

  /** Submits the job, and runs a few of its tasks, so that their duration is known. */
  async function submitKnown(...flags: readonly string[]): Promise<string> {
    await tick();
    const job = await workspace.submit(...flags);
    const worker = workspace.start(['worker', '--slots', '4']);
    await until('some are done', async () => {
      const { steps } = jsonOf(await workspace.runSuccessfully('status', job, '--json'));
      return steps[0].done > 3;
    });
    worker.child.kill('SIGTERM');
    await worker.ended;
    return job;
  }

  it("gets on-demand instances, within the profile's limits, until the work is done", async () => {
    const job = await submitKnown('--finish-by', 'in 8m');
    await untilRefused();
    const { raised } = await tick();
    expect(raised).to.have.length(1);
    expect(raised[0]?.onDemand).to.be.within(3, 6);
    await until('they are there', () => kinds().length === raised[0]?.onDemand);
    expect(new Set(kinds())).to.deep.equal(new Set(['on-demand']));
    expect((await tick()).raised, 'requested instances get time to start').to.deep.equal([]);
    await workspace.runSuccessfully('cancel', job, '--yes');
    await workspace.runSuccessfully('queue', 'purge', '--confirm', 'default');
    await tick(60);
    const { lowered } = await tick(12 * 60);
    expect(lowered).to.have.length(1);
    expect(lowered[0]).to.include({ group: 'default', onDemand: 0 });
  });

  it('gets none if it has time left, or no deadline', async () => {
    await submitKnown('--finish-by', 'in 5h');
    await untilRefused();
    expect((await tick()).raised.filter(({ onDemand }) => onDemand !== null)).to.deep.equal([]);
    const { stderr } = await workspace.run(['submit', 'job.json']);
    expect(stderr).not.to.include('on demand');
    expect(kinds()).to.deep.equal([]);
  });
});
