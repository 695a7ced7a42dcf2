// Protects: a worker loses no task and charges no attempt when AWS ends, replaces or sets aside its machine.
import { TerminateInstanceInAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { bootTimesKey } from '../../src/model/keys.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { until } from '../support/until.ts';
import { waitForSuccess } from '../support/workspace.ts';
import { LONG_LEASES, labForEachTest, WAITING } from './machine-lab.ts';

describe('a worker on a machine of a group', () => {
  const lab = labForEachTest();

  const end = (instance: GridInstance) =>
    lab.account.scaling.send(
      new TerminateInstanceInAutoScalingGroupCommand({
        InstanceId: instance.id,
        ShouldDecrementDesiredCapacity: true,
      }),
    );

  it('is identified by its instance', async () => {
    const instance = await lab.machine();
    await lab.work(instance);
    expect((await lab.firstWorker()).host).to.equal(instance.id);
  });

  it('records once how long its machine took to boot', async () => {
    const instance = await lab.machine();
    const { store } = await lab.workspace.platform();
    const storedTimes = async (): Promise<string | null> => {
      const bytes = await store.read(bootTimesKey('default'));
      return bytes === null ? null : new TextDecoder().decode(bytes);
    };
    const worker = await lab.work(instance);
    const text = await until('it is recorded', storedTimes);
    const { boots } = JSON.parse(text) as { readonly boots: readonly { instance: string; seconds: number }[] };
    expect(boots.map((boot) => boot.instance)).to.deep.equal([instance.id]);
    expect(boots[0]?.seconds).to.be.within(0, 60);
    worker.child.kill('SIGTERM');
    await worker.ended;
    await lab.work(instance);
    await until('it is in the ledger', async () => (await lab.ledgerWorkers()).length === 2);
    expect(await storedTimes()).to.equal(text);
  });

  it('finishes what it can before EC2 interrupts its spot instance, and exits with 0', async () => {
    const { instance, job, worker } = await lab.busyMachine();
    lab.cloud.grid.interrupt(instance, 90);
    await until('it takes no more', () => worker.printed().includes('interrupts this spot instance'));
    lab.go();
    await waitForSuccess(worker);
    expect(lab.cloud.grid.instance(instance).gone, 'it left in time').to.equal(false);
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.counts(job)).to.include({ done: 1, failed: 0, retried: 0, interrupted: 0 });
  });

  it("returns tasks early that can't finish before a spot interruption: they run elsewhere, and no attempt is charged", async () => {
    const [instance, other] = await lab.twoMachines();
    const job = await lab.submit(WAITING, 1, { attempts: 1 });
    const worker = await lab.work(instance, [], LONG_LEASES);
    await lab.runs(1);
    await lab.work(other, [], LONG_LEASES);
    lab.cloud.grid.interrupt(instance, 30);
    await waitForSuccess(worker);
    expect(lab.cloud.grid.instance(instance).gone, 'it left in time').to.equal(false);
    await lab.runs(2);
    lab.go();
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.counts(job)).to.include({ done: 1, failed: 0, retried: 0, interrupted: 1 });
    // `wait` may close the job before the worker has recorded the end.
    await until('the ledger has the end of each attempt', async () =>
      (await lab.attempts(job)).every(({ endedAt }) => endedAt !== null),
    );
    const attempts = await lab.attempts(job);
    expect(attempts.map(({ outcome, reason }) => [outcome, reason])).to.deep.equal([
      ['interrupted', 'spot'],
      ['done', null],
    ]);
    expect(await lab.tries(job)).to.equal(0);
  });

  it('delays the termination by its group until its task has finished', async () => {
    const { instance, job, worker } = await lab.busyMachine();
    await end(instance);
    await until('it delays its termination', () => lab.countRequests('RecordLifecycleActionHeartbeat', instance) >= 3);
    expect(lab.cloud.grid.instance(instance)).to.include({ state: 'Terminating:Wait', gone: false });
    lab.go();
    await lab.endsAndLeaves(worker, instance);
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.counts(job)).to.include({ done: 1, interrupted: 0, retried: 0 });
  });

  it('is started again if it is killed while it drains, and releases the machine: nothing is lost', async () => {
    const [instance, other] = await lab.twoMachines();
    const job = await lab.submit(WAITING, 1, { attempts: 1 });
    const worker = await lab.work(instance);
    await lab.runs(1);
    await end(instance);
    await until('it drains', () => worker.printed().includes('its group terminates this instance'));
    worker.child.kill('SIGKILL');
    await worker.ended;
    // As systemd does after a failure.
    const again = await lab.work(instance);
    await lab.endsAndLeaves(again, instance);
    await lab.work(other);
    await lab.runs(2);
    lab.go();
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.tries(job)).to.equal(0);
  });

  it('moves away when EC2 recommends it and its group is configured so: tasks finish normally, and the machine is replaced', async () => {
    const { instance, job, worker } = await lab.busyMachine();
    lab.cloud.grid.rebalance(instance);
    await until('it takes no more', () => worker.printed().includes('EC2 recommends'));
    expect(lab.cloud.grid.instance(instance).state).to.equal('InService');
    lab.go();
    await lab.endsAndLeaves(worker, instance);
    const [fresh] = await lab.account.serves(lab.group, 1);
    expect(fresh?.id).not.to.equal(instance.id);
    expect(await lab.size()).to.equal(1);
    await lab.workspace.runSuccessfully('wait', job);
  });

  it('takes nothing while its machine is on standby, and continues once it is in service', async () => {
    const instance = await lab.machine();
    const worker = await lab.work(instance);
    lab.cloud.grid.target(instance, 'Standby');
    await until('it is on standby', () => worker.printed().includes('is in standby'));
    const job = await lab.submit('echo "$BATCHCTL_WORKER_ID" >> "$HOME/ran"');
    const other = await lab.workspace.run(['worker', '--until-empty', '--slots', '1'], {
      BATCHCTL_SUPERVISED_ID: `w-${lab.workspace.stack}`,
    });
    expect(other.code, other.stderr).to.equal(0);
    await lab.workspace.runSuccessfully('wait', job);
    expect(lab.workspace.lines('ran')).to.deep.equal([`w-${lab.workspace.stack}`]);
    lab.cloud.grid.target(instance, 'InService');
    await until('it is in service', () => worker.printed().includes('no longer in standby'));
    await lab.workspace.runSuccessfully('wait', await lab.submit('echo again >> "$HOME/ran"'));
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).to.equal(0);
  });
});
