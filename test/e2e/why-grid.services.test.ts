// Protects: why names the Auto Scaling problem that leaves a job without workers, and its fix.
import { AutoScalingClient, SetInstanceProtectionCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { readJob } from '../../src/jobs/journal.ts';
import { whyJob } from '../../src/jobs/why/why.ts';
import type { AttemptEvent, LedgerWorker } from '../../src/model/ledger/records.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import {
  createScalingGroup,
  type ScalingGroupOptions,
  scalingWorkspace,
  untilInService,
} from '../support/scaling-group.ts';
import { until } from '../support/until.ts';
import { rangeJobFile } from '../support/why-job.ts';
import { causesOf, codesIn, platformAhead } from './why-causes.ts';

describe('why: Auto Scaling groups', () => {
  const cloud = forSuite(() => startCloud());
  const workspace = forEachTest(() => scalingWorkspace(cloud));
  beforeEach(async () => {
    workspace.write('job.json', rangeJobFile(3, 'echo done'));
  });
  afterEach(() => cloud.grid.failLaunches(null));

  const make = (made: ScalingGroupOptions = {}): Promise<string> => createScalingGroup(cloud, workspace.stack, made);
  const submit = (...flags: readonly string[]): Promise<string> => workspace.submit('--no-scale', ...flags);

  const why = (job: string) => causesOf(workspace, job);
  async function beat(host: string, change: Partial<LedgerWorker> = {}): Promise<void> {
    const platform = await workspace.platform();
    const now = platform.clock.now();
    const busy = { group: 'default', pid: 7, version: '999.0.0', state: 'busy', slots: 2, busy: [] } as const;
    const times = { startedAt: now - 60_000, seenAt: now };
    await (await platform.ledger()).heartbeat({
      worker: `w-${host}`,
      host,
      ...busy,
      done: 1,
      failed: 0,
      ...times,
      ...change,
    });
  }

  /** Attempts of the first tasks, as workers would record them. */
  async function record(job: string, outcomes: readonly ('done' | 'interrupted')[], seconds: number): Promise<void> {
    const platform = await workspace.platform();
    const ledger = await platform.ledger();
    const now = platform.clock.now();
    const facts = { waitSeconds: 0, exitCode: 0, reason: null, error: null, cpuSeconds: 1, peakMemory: 1, bytesIn: 1 };
    await ledger.record(
      outcomes.map(
        (outcome, task): AttemptEvent => ({
          job,
          step: 'price',
          task: outcome === 'done' ? task : 0,
          round: 0,
          attempt: `a${task}`,
          number: task + 1,
          worker: 'w-1',
          slot: 0,
          outcome,
          startedAt: now - seconds * 1_000,
          endedAt: now,
          ...facts,
          bytesOut: 1,
          counters: {},
        }),
      ),
    );
  }

  it('groupMissing: names infra up', async () => {
    const causes = await why(await submit());
    expect(codesIn(causes)).to.deep.equal(['groupMissing']);
    expect(causes[0]?.severity).to.equal('stops');
    expect(causes[0]?.fix).to.match(/^batchctl infra up/);
  });

  it('groupManualAtZero: names both commands', async () => {
    await make({ mode: 'manual' });
    const causes = await why(await submit());
    expect(codesIn(causes)).to.deep.equal(['groupManualAtZero']);
    expect(causes[0]?.fix).to.include('batchctl scale 1').and.include('--auto');
  });

  it('noWorker: reports an automatic group at zero, which following the job would raise', async () => {
    await make();
    const causes = await why(await submit());
    expect(codesIn(causes)).to.deep.equal(['noWorker']);
    expect(causes[0]?.fix).to.equal('batchctl scale 1');
  });

  for (const [code, fix] of [
    ['capacity', 'groups.default.instances'],
    ['quota', 'Service Quotas'],
    ['price', 'maximum spot price'],
    ['key', 'AWSServiceRoleForAutoScaling'],
    ['image', 'groups.default.ami'],
    ['permission', 'batchctl infra plan'],
    ['network', 'network.subnets'],
  ] as const) {
    it(`launchFailed: reports ${code} in the service's words, with its fix`, async () => {
      await make({ desired: 1 });
      // The group was just created, so it may have launched its first instance before launches began to fail.
      await untilInService(cloud, workspace, 1);
      cloud.grid.failLaunches(code);
      const job = await submit();
      expectExit(await workspace.run(['scale', '3']));
      const found = await until('it is found', async () =>
        (await why(job)).find((cause) => cause.code === 'launchFailed'),
      );
      expect(found.message).to.include(`fail to launch (${code}): 1 of 3`);
      expect(found.evidence[0]).to.match(/^\d{4}-\d\d-\d\dT\S+Z: \S/);
      expect(found.fix).to.include(fix);
    });
  }

  async function failedBoot(n: number): Promise<void> {
    const mark = { format: 1, step: 'setup', code: 1, line: 'ffmpeg: no such package' };
    const key = `groups/default/boots/i-0000000000000000${n}.failed`;
    await (await workspace.platform()).store.put(key, JSON.stringify(mark));
  }

  it('setupFailed: names the boot log; groupHeld: after three failures in a row', async () => {
    await make();
    const job = await submit();
    await failedBoot(1);
    const [failed, ...others] = await why(job);
    expect(others).to.deep.equal([]);
    expect(failed).to.include({ code: 'setupFailed', severity: 'stops' });
    expect(failed?.evidence[0]).to.include('ffmpeg: no such package');
    await failedBoot(2);
    await failedBoot(3);
    const [held, ...more] = await why(job);
    expect(more).to.deep.equal([]);
    expect(held).to.include({ code: 'groupHeld', severity: 'stops' });
    expect(held?.fix)
      .to.match(/^batchctl workers logs i-00000000000000003/)
      .and.to.include('batchctl scale 1');
  });

  it('workerStarting: while instances boot; instancesWithoutWorkers: once they should have one', async () => {
    await make({ desired: 2 });
    const [first] = await untilInService(cloud, workspace, 2);
    const job = await submit();
    expect(codesIn(await why(job))).to.deep.equal(['workerStarting']);
    const later = await platformAhead(workspace, 700_000);
    const { causes } = await whyJob(async () => later, job);
    const found = causes.find(({ code }) => code === 'instancesWithoutWorkers');
    expect(found).to.include({ severity: 'stops' });
    expect(found?.message).to.include(first?.id);
    expect(found?.fix).to.match(/^batchctl workers logs i-/);
    expect(codesIn(causes)).not.to.include('workerStarting');
  });

  it('groupAtMax: says how many instances the work would need', async () => {
    await make({ desired: 1, max: 1 });
    const [only] = await untilInService(cloud, workspace, 1);
    workspace.write('job.json', rangeJobFile(100, 'echo done'));
    const job = await submit();
    expect((await readJob((await workspace.platform()).store, job))?.parts).to.equal(100);
    await beat(only?.id ?? '', { busy: [`${job}/price/1`] });
    // 100 messages of 600 s on two slots, one instance up: 1 + (60,000 - 3,600) / 3,420 = 17.5
    await record(job, ['done'], 600);
    const found = (await why(job)).find(({ code }) => code === 'groupAtMax');
    expect(found).to.include({ severity: 'slows', fix: 'batchctl scale 18 --max 18' });
  });

  it('interruptionStorm: says how many attempts were interrupted, and how to avoid that', async () => {
    await make({ desired: 1 });
    const [only] = await untilInService(cloud, workspace, 1);
    const job = await submit();
    await beat(only?.id ?? '', { busy: [`${job}/price/1`] });
    await record(
      job,
      Array.from({ length: 12 }, () => 'interrupted' as const),
      1,
    );
    const found = (await why(job)).find(({ code }) => code === 'interruptionStorm');
    expect(found?.message).to.match(/^12 attempts of price were interrupted, of 12 that ended/);
    expect(found?.fix).to.include('fallback: GROUP');
  });

  it('allProtected: says that a smaller size waits for working instances', async () => {
    const name = await make({ desired: 2 });
    const both = await untilInService(cloud, workspace, 2);
    const client = new AutoScalingClient({ region: 'us-east-1', endpoint: cloud.url });
    await client.send(
      new SetInstanceProtectionCommand({
        AutoScalingGroupName: name,
        InstanceIds: both.map(({ id }) => id),
        ProtectedFromScaleIn: true,
      }),
    );
    client.destroy();
    const job = await submit();
    for (const { id } of both) await beat(id, { busy: [`${job}/price/1`] });
    expectExit(await workspace.run(['scale', '1']));
    const found = (await why(job)).find(({ code }) => code === 'allProtected');
    expect(found).to.include({ severity: 'note' });
    expect(found?.message).to.include('should have 1, but keeps 2 instances');
  });

  it("accessDenied and groupUnreachable: reports that Auto Scaling can't be asked, and everything else", async () => {
    await make();
    const job = await submit();
    cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'no');
    const [denied] = await why(job);
    expect(denied).to.include({ code: 'accessDenied' });
    expect(denied?.message).to.include('autoscaling:DescribeAutoScalingGroups');
    cloud.failNext('autoscaling:DescribeAutoScalingGroups', 400, 'Throttling', 'Rate exceeded', 6);
    const causes = await why(job);
    expect(codesIn(causes)).to.include('groupUnreachable');
  });
});
