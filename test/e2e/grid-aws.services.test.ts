// Protects: submit, run, retry, watch and scale start the instances that the work needs, within the group's limits.
import { AutoScalingClient, TerminateInstanceInAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { createQueues } from '../../src/adapters/aws/sqs-queue.ts';
import { gridName } from '../../src/lib/stack-names.ts';
import { CREDENTIALS } from '../support/aws-keys.ts';
import { expectExit, jsonLinesOf } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { rangeJob } from '../support/range-job.ts';
import {
  createScalingGroup,
  type ScalingGroupOptions,
  scalingWorkspace,
  takeGroupCalls,
  untilInService,
} from '../support/scaling-group.ts';
import { until } from '../support/until.ts';
import { rangeJobFile } from '../support/why-job.ts';
import { editProfile } from './emulated-aws.ts';
import { submitJob } from './submit-job.ts';

interface GroupRow {
  readonly group: string;
  readonly desired: number;
  readonly mode: string;
  readonly inService: number | null;
  readonly visible: number | null;
  readonly troubles: readonly { readonly code: string; readonly message: string }[];
}

describe('scale and submit on Auto Scaling', () => {
  const cloud = forSuite(() => startCloud());
  const workspace = forEachTest(() => scalingWorkspace(cloud));
  beforeEach(async () => {
    workspace.write('job.json', rangeJobFile(400, 'echo done'));
    cloud.takeCalls();
  });
  afterEach(() => cloud.grid.failLaunches(null));

  async function make(made: ScalingGroupOptions = {}): Promise<void> {
    await createScalingGroup(cloud, workspace.stack, made);
    cloud.takeCalls();
  }
  const cli = (...args: readonly string[]) => workspace.run(args);
  async function json<T>(...args: readonly string[]): Promise<T> {
    const { stdout } = expectExit(await cli(...args, '--json'));
    return JSON.parse(stdout.split('\n')[0] ?? '') as T;
  }
  const changes = () => takeGroupCalls(cloud);
  describe('submit', () => {
    it('raises the group to the size that the work needs in one request, and says so', async () => {
      await make({ max: 1_000 });
      // Nothing is known about 400 tasks: 60 s each, on two slots. 24,000 / (2 x 1,710) = 7.02
      const { stderr } = expectExit(await cli('submit', 'job.json'));
      expect(stderr).to.include('group default: requested 8 instances (0 before)').and.include('assuming 60s per task');
      expect(changes()).to.deep.equal(['SetDesiredCapacity']);
      expect(await json<GroupRow>('scale')).to.include({ desired: 8, mode: 'auto', visible: 400 });
    });

    it('leaves a manual group unchanged, and names the command', async () => {
      await make({ mode: 'manual' });
      const { stderr } = expectExit(await cli('submit', 'job.json'));
      expect(stderr).to.include('group default is manual, with size 0: start a worker with batchctl scale 1');
      expect(changes()).to.deep.equal([]);
    });

    it('leaves all groups unchanged with --no-scale', async () => {
      await make();
      expectExit(await cli('submit', 'job.json', '--no-scale'));
      expect(cloud.takeCalls().filter(({ service }) => service === 'autoscaling')).to.deep.equal([]);
    });

    it('warns of a group that does not exist, naming infra up', async () => {
      const { stderr } = expectExit(await cli('submit', 'job.json'));
      expect(stderr).to.include('group default has no Auto Scaling group').and.include('batchctl infra up');
    });

    for (const action of ['DescribeAutoScalingGroups', 'SetDesiredCapacity']) {
      it(`succeeds with a warning if autoscaling:${action} is denied`, async () => {
        await make();
        cloud.failNext(`autoscaling:${action}`, 403, 'AccessDenied', 'no');
        const { stdout, stderr } = expectExit(await cli('submit', 'job.json', '--json'));
        expect(JSON.parse(stdout)).to.include({ created: true });
        expect(stderr).to.include('group default was not raised').and.include(`autoscaling:${action}`);
      });
    }

    it('starts nothing in a group after three failed boots, until scale lifts the hold', async () => {
      await make();
      const platform = await workspace.platform();
      for (const n of [1, 2, 3]) {
        const mark = { format: 1, step: 'setup', code: 1, line: 'ffmpeg: no such package' };
        await platform.store.put(`groups/default/boots/i-0000000000000000${n}.failed`, JSON.stringify(mark));
      }
      const { stderr } = expectExit(await cli('submit', 'job.json'));
      expect(stderr).to.include('group default is held').and.include('ffmpeg: no such package');
      expect(changes()).to.deep.equal([]);
      expect(await json('scale')).to.have.nested.property('held.failed', 3);
      const scaled = await cli('scale', '1');
      expect(scaled.stderr).to.include('was on hold');
      expect(await json('scale')).to.include({ held: null, desired: 1 });
    });
  });

  it('starts no more instances once three ended and could write nothing: their role may not use the bucket', async () => {
    await make({ desired: 3 });
    const name = gridName(workspace.stack, 'default');
    const scaling = new AutoScalingClient({ region: 'us-east-1', endpoint: cloud.url, credentials: CREDENTIALS });
    try {
      for (const { id } of await untilInService(cloud, workspace, 3)) {
        const end = { InstanceId: id, ShouldDecrementDesiredCapacity: true };
        await scaling.send(new TerminateInstanceInAutoScalingGroupCommand(end));
      }
    } finally {
      scaling.destroy();
    }
    await until('they are gone', () => cloud.grid.instances(name).length === 0);
    changes();
    const { stderr } = expectExit(await cli('submit', 'job.json'));
    expect(stderr).to.include('group default is held').and.include('without writing anything to s3://');
    expect(changes()).to.deep.equal([]);
    await cli('scale', '1');
    expect(await json('scale')).to.include({ held: null, desired: 1 });
  });

  it('retry and resume raise the group as submit does', async () => {
    await make();
    const job = await submitJob(workspace, rangeJobFile(2, 'false'), '--no-scale');
    expectExit(await workspace.work({}, '--here'));
    // A watcher may have raised it by then.
    expectExit(await cli('scale', '0'));
    changes();
    const retried = await cli('retry', job);
    expect(retried.stderr).to.include('group default: requested 1 instance');
    expect(changes()).to.deep.equal(['SetDesiredCapacity']);
    expectExit(await cli('pause', job));
    expectExit(await cli('scale', '0'));
    changes();
    expect((await cli('resume', job)).stderr).to.include('group default: requested 1 instance');
    expect(changes()).to.deep.equal(['SetDesiredCapacity']);
  });

  it("watch raises a later step's group from zero once work waits there", async () => {
    editProfile(workspace, (profile) => {
      profile.groups = { default: { visibility: '30s', slots: 2 }, second: { visibility: '30s', slots: 1 } };
    });
    await make();
    await make({ group: 'second' });
    const clients = { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: cloud.url }, env: {} };
    await createQueues({ clients, group: 'second', name: `${workspace.stack}-second`, leaseSeconds: 5 });
    const job = await submitJob(
      workspace,
      rangeJob('two', 3, { name: 'one', run: 'echo x' }, { name: 'two', run: 'cat', group: 'second' }),
    );
    const sizes = async () => jsonLinesOf(await cli('scale', '--json'));
    expect((await sizes()).map(({ group, desired }: GroupRow) => ({ group, desired }))).to.deep.equal([
      { group: 'default', desired: 1 },
      { group: 'second', desired: 0 },
    ]);
    const worker = workspace.start(['worker', '--here', '--group', 'default']);
    await until('the second step waits', async () => (await sizes())[1].visible === 3);
    const watching = workspace.start(['watch', job]);
    await until('its group is raised', async () => (await sizes())[1].desired === 1);
    watching.child.kill('SIGINT');
    worker.child.kill('SIGTERM');
    await Promise.all([watching.ended, worker.ended]);
  });

  it('run raises the group as submit does', async () => {
    await make();
    // Nothing is requested for tasks that its own worker has already done.
    workspace.write('job.json', rangeJobFile(3, `until [ -e ${workspace.path('go')} ]; do sleep 0.1; done; echo done`));
    const running = workspace.start(['run', 'job.json']);
    await until('it says so', () => running.printed().includes('group default: requested 1 instance (0 before)'));
    workspace.write('go', '');
    expectExit(await running.ended);
  });

  it('watch and wait raise the group unless told not to', async () => {
    await make();
    const job = await workspace.submit('--no-scale');
    const idle = await cli('wait', job, '--no-scale', '--timeout', '2s');
    expect(idle.code).to.equal(6);
    expect(changes()).to.deep.equal([]);
    const watching = workspace.start(['watch', job]);
    await until('it says so', () => watching.printed().includes('group default: requested 8 instances (0 before)'));
    watching.child.kill('SIGINT');
    await watching.ended;
    expect(changes()).to.deep.equal(['SetDesiredCapacity']);
    expectExit(await cli('scale', '0'));
    const waiting = workspace.start(['wait', job]);
    await until('wait raises it, too', async () => (await json<GroupRow>('scale')).desired === 8);
    waiting.child.kill('SIGINT');
    await waiting.ended;
  });

  describe('scale', () => {
    it('sets a size, and a temporary size with its end, in one request each', async () => {
      await make();
      expect(await json('scale', '3')).to.include({ desired: 3, until: null });
      expect(changes()).to.deep.equal(['SetDesiredCapacity']);
      const held = await json<{ until: string }>('scale', '5', '--for', '4h', '--manual');
      expect(held).to.include({ desired: 5, mode: 'manual' });
      expect(Date.parse(held.until)).to.be.closeTo(Date.now() + 4 * 3_600_000, 60_000);
    });

    it('refuses a size out of range, --slots, and a group that does not exist', async () => {
      expectExit(await cli('scale', '3'), 7);
      await make();
      const [bounds, slots] = [await cli('scale', '9'), await cli('scale', '3', '--slots', '4')];
      expect([bounds.code, slots.code]).to.deep.equal([2, 2]);
      expect(bounds.stderr).to.include('--max 9');
      expect(slots.stderr).to.include('groups.default.slots');
      expect(changes()).to.deep.equal([]);
    });

    it('shows instances by state, the backlog, and when it will be done', async () => {
      await make({ desired: 2 });
      await untilInService(cloud, workspace, 2);
      await workspace.submit('--no-scale');
      const shown = await json<GroupRow>('scale');
      expect(shown).to.include({ desired: 2, inService: 2, pending: 0, terminating: 0, protected: 0, running: 0 });
      expect(shown).to.include({ visible: 400, leased: 0, delayed: 0, drain: null });
      const { stdout, stderr } = await cli('scale');
      expect(stdout).to.match(/in service +pending +ending +protected/i);
      expect(stderr).to.include('2 instances are in service, 0 with a worker');
    });

    it('says why launches fail, and what to do about it', async () => {
      await make();
      cloud.grid.failLaunches('quota');
      expectExit(await cli('scale', '2'));
      const [trouble] = await until('a launch failed', async () => {
        const { troubles } = await json<GroupRow>('scale');
        return troubles.length > 0 && troubles;
      });
      expect(trouble?.code).to.equal('quota');
      const { stderr } = await cli('scale');
      expect(stderr).to.include('launches fail (quota)').and.include('Service Quotas');
    });

    it('fails if describing is denied', async () => {
      await make();
      cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'no');
      const { code, stderr } = await cli('scale');
      expect(code).to.equal(3);
      expect(stderr).to.include('autoscaling:DescribeAutoScalingGroups');
    });
  });
});
