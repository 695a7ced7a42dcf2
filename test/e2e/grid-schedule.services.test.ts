// Protects: a job that is scheduled or submitted with --at gets its instances when it is due, and not before.
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { movedClock } from '../support/moved-clock.ts';
import { createScalingGroup, scalingWorkspace } from '../support/scaling-group.ts';
import { rangeJobFile } from '../support/why-job.ts';

interface Answer {
  readonly fired: readonly { readonly job: string }[];
  readonly raised: readonly {
    readonly group: string;
    readonly from: number;
    readonly to: number;
    readonly onDemand: number | null;
  }[];
}

describe('tick on Auto Scaling', () => {
  const cloud = forSuite(() => startCloud());
  const workspace = forEachTest(() => scalingWorkspace(cloud));
  beforeEach(async () => {
    workspace.write('job.json', rangeJobFile(400, 'echo done'));
    await createScalingGroup(cloud, workspace.stack, { max: 1_000 });
  });

  const tick = async (env: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    jsonOf(await workspace.run(['tick', '--json'], env));
  const desired = async (): Promise<number> =>
    (jsonOf(await workspace.runSuccessfully('scale', '--json')) as { desired: number }).desired;

  it('raises the group for a job that it fires, once', async () => {
    const before = movedClock(new Date(Date.now() - 3_600_000).toISOString());
    const add = ['schedule', 'add', 'hourly', 'job.json', '--cron', '@hourly', '--tz', 'UTC'];
    expectExit(await workspace.run(add, before));
    const first = await tick();
    expect(first.fired).to.have.length(1);
    // As for a job submitted by a person: 24,000 s of work / (2 slots x 1,710 s) = 7.02
    expect(first.raised).to.deep.equal([{ group: 'default', from: 0, to: 8, onDemand: null }]);
    expect(await tick()).to.deep.include({ fired: [], raised: [] });
    expect(await desired()).to.equal(8);
  });

  it('raises the group for a job with --at when it is due, and not before', async () => {
    expect(await tick()).to.deep.include({ fired: [], raised: [] });
    const { stderr } = expectExit(await workspace.run(['submit', 'job.json', '--at', 'in 1h']));
    expect(stderr).to.include('starts ').and.not.include('requested');
    expect((await tick()).raised).to.deep.equal([]);
    await tick(movedClock(new Date(Date.now() + 3_700_000).toISOString()));
    expect(await desired()).to.equal(8);
  });
});
