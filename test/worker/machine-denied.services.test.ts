// Protects: a worker whose role may not end its instance does not keep the machine running: idle machines cost money.
import { chmodSync, readFileSync } from 'node:fs';
import { SuspendProcessesCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { orderKey } from '../../src/model/keys.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { until } from '../support/until.ts';
import { type Running, waitForSuccess } from '../support/workspace.ts';
import { labForEachTest } from './machine-lab.ts';

describe('a worker that may not end its instance', () => {
  const lab = labForEachTest();

  /** Denies an action on the lab's group and its instances from now on. */
  function deny(action: string): void {
    const own = [lab.group, ...lab.cloud.grid.instances(lab.group).map(({ id }) => id)];
    lab.cloud.failNext(
      (call) => call.action === action && own.some((name) => call.body.includes(name)),
      403,
      'AccessDenied',
      `User: arn:aws:sts::123456789012:assumed-role/w/i is not authorized to perform: autoscaling:${action}`,
      Number.POSITIVE_INFINITY,
    );
  }
  /** Starts a worker that is soon idle for long. A stand-in for shutting down writes a file. */
  function work(instance: GridInstance, ...flags: readonly string[]): Promise<Running> {
    lab.workspace.write('power-off', `#!/bin/sh\necho off >> ${lab.workspace.path('off')}\n`);
    chmodSync(lab.workspace.path('power-off'), 0o755);
    return lab.work(instance, flags, { BATCHCTL_POWER_OFF: lab.workspace.path('power-off') });
  }
  const isOff = (): boolean => lab.workspace.lines('off').length > 0;

  it('makes its group one smaller when it is idle, and the group ends it', async () => {
    const instance = await lab.machine();
    deny('TerminateInstanceInAutoScalingGroup');
    await lab.endsAndLeaves(await work(instance, '--idle-exit', '1s'), instance);
    expect([await lab.size(), isOff()]).to.deep.equal([0, false]);
  });

  it('starts again if its group ended another instance, and leaves then', async () => {
    const [other, instance] = await lab.twoMachines({ NewInstancesProtectedFromScaleIn: false });
    deny('TerminateInstanceInAutoScalingGroup');
    const { code, stderr } = await (await work(instance, '--idle-exit', '1s')).ended;
    expect([code, isOff()], stderr).to.deep.equal([8, false]);
    expect(stderr).to.include(`ended another instance than ${instance.id}`);
    expect([await lab.size(), lab.cloud.grid.instance(other).state]).to.deep.equal([1, 'Terminating:Wait']);
    await lab.endsAndLeaves(await work(instance, '--idle-exit', '1s'), instance);
    expect(await lab.size()).to.equal(0);
  });

  it('shuts its machine down if its group ends none', async () => {
    const instance = await lab.machine();
    deny('TerminateInstanceInAutoScalingGroup');
    const suspended = { AutoScalingGroupName: lab.group, ScalingProcesses: ['Terminate'] };
    await lab.account.scaling.send(new SuspendProcessesCommand(suspended));
    await waitForSuccess(await work(instance, '--idle-exit', '1s'));
    expect([await lab.size(), isOff()]).to.deep.equal([0, true]);
  });

  it('shuts its machine down at once if it is to be replaced', async () => {
    const instance = await lab.machine();
    deny('TerminateInstanceInAutoScalingGroup');
    const worker = await work(instance);
    const { worker: name } = await lab.firstWorker();
    const { store } = await lab.workspace.platform();
    await store.put(orderKey(name, 0), JSON.stringify({ format: 1, order: 'replace', when: Date.now() }));
    await waitForSuccess(worker);
    expect([await lab.size(), isOff()]).to.deep.equal([1, true]);
    expect(lab.countRequests('SetDesiredCapacity')).to.equal(0);
  });

  it('stays at the minimum size of its group', async () => {
    const instance = await lab.machine({ MinSize: 1 });
    deny('TerminateInstanceInAutoScalingGroup');
    const worker = await work(instance, '--idle-exit', '1s');
    await until('it asks twice', () => lab.countRequests('TerminateInstanceInAutoScalingGroup', instance) >= 2);
    expect([worker.child.exitCode, lab.countRequests('SetDesiredCapacity'), isOff()]).to.deep.equal([null, 0, false]);
  });

  it('stays if it may not make its group smaller either: it would be replaced, and cost as much', async () => {
    const instance = await lab.machine();
    for (const action of ['TerminateInstanceInAutoScalingGroup', 'SetDesiredCapacity']) deny(action);
    const worker = await work(instance, '--idle-exit', '1s');
    await until('it says so', () => /SetDesiredCapacity[^\n]* is denied/.test(worker.printed()));
    expect([worker.child.exitCode, await lab.size(), isOff()]).to.deep.equal([null, 1, false]);
    const config = JSON.parse(readFileSync(lab.workspace.path('batchctl.config.json'), 'utf8')) as {
      readonly profiles: { readonly lab: object };
    };
    const priced = { ...config.profiles.lab, prices: { 'c7g.large': 0.5 } };
    lab.workspace.write('batchctl.config.json', { ...config, profiles: { lab: priced } });
    // The job that it worked on is done, and its fleet still costs money.
    const job = await lab.submit('echo done');
    await lab.workspace.runSuccessfully('wait', job);
    const found =
      /an idle worker can't end its machine: autoscaling:SetDesiredCapacity on \S+ is denied; that costs \$0\.50 an hour/;
    await until('doctor says so', async () => found.test((await lab.workspace.run(['doctor'])).stdout));
    const why = await lab.workspace.run(['why', job, '--json']);
    expect([why.code, found.test(why.stdout)], why.stdout).to.deep.equal([11, true]);
    expect(why.stdout).to.include('"code":"workersStay"');
  });
});
