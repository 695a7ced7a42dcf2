// Protects: Auto Scaling never ends a machine that is working, and idle machines leave the group.
import { CreateOrUpdateTagsCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { MODE_TAG } from '../../src/lib/stack-names.ts';
import { until } from '../support/until.ts';
import { LONG_LEASES, labForEachTest, WAITING } from './machine-lab.ts';

/** A worker rests after this time, seconds. */
const SOON = { BATCHCTL_TEST_REST_SECONDS: '0.5' };

describe("a machine's protection", () => {
  const lab = labForEachTest();

  const isProtected = ({ id }: { readonly id: string }): boolean => lab.cloud.grid.instance(id).protected;

  it('is set before the first poll, and requested once, however many tasks run', async () => {
    const instance = await lab.machine({ NewInstancesProtectedFromScaleIn: false });
    expect(isProtected(instance)).to.equal(false);
    lab.takeActions();
    const job = await lab.submit('echo done', 5);
    await lab.work(instance);
    await lab.workspace.runSuccessfully('wait', job);
    expect(isProtected(instance)).to.equal(true);
    const actions = lab.takeActions();
    const polled = actions.indexOf('ReceiveMessage');
    expect(actions.indexOf('SetInstanceProtection')).to.be.within(0, polled);
    expect(lab.countRequests('SetInstanceProtection', instance)).to.equal(1);
  });

  it('ends when the worker is idle; it then stops polling, and is protected again before it takes work', async () => {
    const instance = await lab.machine();
    const worker = await lab.work(instance, [], SOON);
    await until('it rests', () => !isProtected(instance));
    lab.takeActions();
    const since = lab.cloud.calls.length;
    const idleActions: string[] = [];
    await until('it looked at the backlog twice', () => {
      idleActions.push(...lab.takeActions());
      return idleActions.filter((action) => action === 'GetQueueAttributes').length >= 2;
    });
    expect(idleActions).not.to.include('ReceiveMessage');
    const requests = lab.cloud.calls.slice(since).filter(({ action }) => action === 'GetQueueAttributes');
    expect(
      requests.filter(({ body }) => body.includes('-dead')),
      'about dead letters',
    ).to.deep.equal([]);
    const job = await lab.submit(WAITING);
    await lab.runs(1);
    expect(isProtected(instance)).to.equal(true);
    const actions = lab.takeActions();
    expect(actions.indexOf('SetInstanceProtection')).to.be.at.least(0);
    expect(actions.indexOf('ReceiveMessage')).to.be.above(actions.indexOf('SetInstanceProtection'));
    lab.go();
    await lab.workspace.runSuccessfully('wait', job);
    await until('it rests again', () => !isProtected(instance));
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).to.equal(0);
  });

  it('keeps scaling in from a busy worker: the idle one goes, and nothing is interrupted', async () => {
    const [busy, idle] = await lab.twoMachines();
    const job = await lab.submit(WAITING);
    await lab.work(busy, [], { ...SOON, ...LONG_LEASES });
    await lab.runs(1);
    const resting = await lab.work(idle, [], SOON);
    await until('one rests', () => !isProtected(idle));
    expect(isProtected(busy)).to.equal(true);
    await lab.account.resize(lab.group, 1);
    expect((await resting.ended).code).to.equal(0);
    await lab.gone(idle);
    expect(lab.cloud.grid.instance(busy).state).to.equal('InService');
    lab.go();
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.counts(job)).to.include({ done: 1, interrupted: 0 });
  });

  it('drains the worker if it comes too late: it takes nothing on a machine that will end', async () => {
    const instance = await lab.machine({ NewInstancesProtectedFromScaleIn: false });
    await lab.account.resize(lab.group, 0);
    await until('it is to end', () => lab.cloud.grid.instance(instance).state.startsWith('Terminating'));
    // Its metadata don't show this yet.
    lab.cloud.grid.target(instance, 'InService');
    lab.takeActions();
    await lab.submit('echo never');
    const worker = await lab.work(instance);
    const { code, stderr } = await worker.ended;
    expect(code, stderr).to.equal(0);
    expect(stderr).to.include('its group terminates this instance');
    expect(lab.takeActions(true)).not.to.include('ReceiveMessage');
  });

  it('is waited for while Auto Scaling refuses: the worker takes nothing without it', async () => {
    const instance = await lab.machine({ NewInstancesProtectedFromScaleIn: false });
    const job = await lab.submit('echo done');
    lab.cloud.failNext('autoscaling:SetInstanceProtection', 503, 'ServiceUnavailable', 'away', 14);
    lab.takeActions();
    await lab.work(instance);
    await lab.workspace.runSuccessfully('wait', job);
    const actions = lab.takeActions(true);
    const before = actions.slice(0, actions.indexOf('ReceiveMessage'));
    expect(before.filter((action) => action === 'SetInstanceProtection')).to.have.length(15);
  });
});

describe('an idle worker on a machine of a group', () => {
  const lab = labForEachTest();

  it('makes the group one smaller when it leaves', async () => {
    const instance = await lab.machine();
    const worker = await lab.work(instance, [], { BATCHCTL_TEST_IDLE_SECONDS: '1' });
    await lab.endsAndLeaves(worker, instance);
    expect(await lab.size()).to.equal(0);
    // EC2 and its group report its end at different times.
    await until('the group is empty', () => lab.cloud.grid.instances(lab.group).length === 0);
  });

  it('stays if the group may not shrink, asks again later, and keeps working in between', async () => {
    const instance = await lab.machine({ MinSize: 1 });
    const worker = await lab.work(instance, ['--idle-exit', '1s'], SOON);
    await until('it asked twice', () => lab.countRequests('TerminateInstanceInAutoScalingGroup', instance) >= 2);
    await lab.workspace.runSuccessfully('wait', await lab.submit('echo done'));
    expect(lab.cloud.grid.instance(instance).state).to.equal('InService');
    expect(worker.child.exitCode).to.equal(null);
    expect(await lab.size()).to.equal(1);
  });

  it("stays while a person holds the group's size, and leaves once that is over", async () => {
    const instance = await lab.machine();
    const setMode = (Value: string) =>
      lab.account.scaling.send(
        new CreateOrUpdateTagsCommand({
          Tags: [{ ResourceId: lab.group, ResourceType: 'auto-scaling-group', Key: MODE_TAG, Value }],
        }),
      );
    await setMode('manual');
    const worker = await lab.work(instance, ['--idle-exit', '1s'], SOON);
    await until('it asked twice', () => lab.cloud.calls.filter(({ action }) => action === 'DescribeTags').length >= 2);
    expect(lab.countRequests('TerminateInstanceInAutoScalingGroup', instance)).to.equal(0);
    expect(worker.child.exitCode).to.equal(null);
    await setMode('auto');
    await lab.endsAndLeaves(worker, instance);
    expect(await lab.size()).to.equal(0);
  });

  it('counts its idle time from the end of its last task, not from the beginning', async () => {
    const instance = await lab.machine();
    const job = await lab.submit('sleep 3; date +%s%3N > "$HOME/ended"');
    const worker = await lab.work(instance, ['--idle-exit', '2s']);
    expect((await worker.ended).code).to.equal(0);
    const left = Date.now();
    await lab.workspace.runSuccessfully('wait', job);
    expect(left - Number(lab.workspace.lines('ended')[0])).to.be.above(2_000);
  });
});
