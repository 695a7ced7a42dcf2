// Protects: a worker that is ordered to leave finishes its tasks, and its group keeps the right size.
import { expect } from 'chai';
import { orderKey, ordersPrefix } from '../../src/model/keys.ts';
import type { GridInstance } from '../support/grid/grid.ts';
import { until } from '../support/until.ts';
import { type Running, waitForSuccess } from '../support/workspace.ts';
import { labForEachTest } from './machine-lab.ts';

describe('a worker that is ordered to leave its group', () => {
  const lab = labForEachTest();

  const giveOrder = async (order: string): Promise<void> => {
    const { worker } = await lab.firstWorker();
    const { store } = await lab.workspace.platform();
    let next = 0;
    for await (const _ of store.keys(ordersPrefix(worker))) next += 1;
    await store.put(orderKey(worker, next), JSON.stringify({ format: 1, order, when: Date.now() }));
  };

  it('finishes its tasks and makes the group one smaller, in manual mode too', async () => {
    const { instance, job, worker } = await lab.busyMachine({
      Tags: [{ Key: 'batchctl:mode', Value: 'manual', PropagateAtLaunch: false }],
    });
    await giveOrder('drain');
    await until('it drains', () => worker.printed().includes('ordered to drain'));
    lab.go();
    await lab.endsAndLeaves(worker, instance);
    expect(await lab.size()).to.equal(0);
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.counts(job)).to.include({ done: 1, interrupted: 0 });
  });

  it('is replaced at the minimum size, because the group may not get smaller', async () => {
    const instance = await lab.machine({ MinSize: 1 });
    const worker = await lab.work(instance);
    await giveOrder('stop');
    await lab.endsAndLeaves(worker, instance);
    await lab.account.serves(lab.group, 1);
    expect(await lab.size()).to.equal(1);
  });

  it('drains if it is to be replaced, and the group keeps its size', async () => {
    const { instance, job, worker } = await lab.busyMachine();
    await giveOrder('replace');
    await until('it drains', () => worker.printed().includes('ordered to replace'));
    lab.go();
    await lab.endsAndLeaves(worker, instance);
    const [fresh] = await lab.account.serves(lab.group, 1);
    expect(fresh?.id).not.to.equal(instance.id);
    expect(await lab.size()).to.equal(1);
    await lab.workspace.runSuccessfully('wait', job);
    expect(await lab.tries(job)).to.equal(0);
  });

  it('drains on an order of a later version', async () => {
    const worker = await lab.work(await lab.machine());
    await giveOrder('hibernate');
    await waitForSuccess(worker);
    expect(worker.printed()).to.include('ordered to drain');
  });

  it('leaves its machine in the group on SIGTERM, where scaling in may end it', async () => {
    const instance = await lab.machine();
    const worker = await lab.work(instance);
    await until('it polls', () => lab.cloud.grid.instance(instance).protected);
    worker.child.kill('SIGTERM');
    await waitForSuccess(worker);
    expect(lab.cloud.grid.instance(instance)).to.include({ state: 'InService', protected: false });
    expect(await lab.size()).to.equal(1);
  });

  it('is started again if its machine would be left behind', async () => {
    const instance = await lab.machine();
    lab.cloud.failNext('autoscaling:TerminateInstanceInAutoScalingGroup', 400, 'ScalingActivityInProgress', 'busy', 1);
    const worker = await lab.work(instance);
    await giveOrder('drain');
    // Not 0: systemd then starts it again, and once idle it leaves.
    expect((await worker.ended).code).not.to.equal(0);
    const again = await lab.work(instance, ['--idle-exit', '1s']);
    await lab.endsAndLeaves(again, instance);
    expect(await lab.size()).to.equal(0);
  });
});

describe('a worker with --max-failures in a group', () => {
  const lab = labForEachTest();
  /** Fails on workers whose id begins with w-sick. */
  const SICK = 'case $BATCHCTL_WORKER_ID in w-sick*) exit 3;; esac; sleep';
  const workSick = (instance: GridInstance, ...args: readonly string[]): Promise<Running> =>
    lab.work(instance, args, { BATCHCTL_SUPERVISED_ID: `w-sick-${lab.group}` });

  it('takes itself out when its tasks succeed elsewhere, and reports the counts that show it', async () => {
    const [sick, sound] = await lab.twoMachines();
    const job = await lab.submit(`${SICK} 0.1`, 40, { attempts: 20 });
    const failing = await workSick(sick, '--max-failures', '3');
    await lab.work(sound);
    const { code, stderr } = await failing.ended;
    expect(code, stderr).to.equal(7);
    expect(stderr).to.match(
      /attempts in a row failed on this worker, while elsewhere \d+ tasks of \S+\/only succeeded/,
    );
    await lab.gone(sick);
    expect(await lab.size()).to.equal(1);
    await lab.workspace.runSuccessfully('wait', job);
  });

  it('is replaced if the remaining workers are too few for the work', async () => {
    const [sick, sound] = await lab.twoMachines({ MaxSize: 4 });
    // An hour's work for one worker.
    await lab.submit(`${SICK} 1`, 4_000, { attempts: 20 });
    const failing = await workSick(sick, '--max-failures', '3');
    await lab.work(sound);
    expect((await failing.ended).code).to.equal(7);
    await lab.gone(sick);
    const others = () => lab.cloud.grid.instances(lab.group).filter(({ id, gone }) => !gone && id !== sick.id);
    await until('another instance exists', () => others().length >= 2);
  });

  it('takes itself out after twenty failures by default', async () => {
    const [sick, sound] = await lab.twoMachines();
    const job = await lab.submit(`${SICK} 0.1`, 120, { attempts: 50 });
    const failing = await workSick(sick);
    await lab.work(sound);
    const { code, stderr } = await failing.ended;
    expect(code, stderr).to.equal(7);
    const [, inARow] = /(\d+) attempts in a row failed on this worker/.exec(stderr) ?? [];
    expect(Number(inARow)).to.be.at.least(20);
    await lab.gone(sick);
    await lab.workspace.runSuccessfully('wait', job);
  });

  it('stays if the tasks fail on others too, and if there are no others', async () => {
    const [first, second] = await lab.twoMachines();
    const job = await lab.submit('exit 3', 12, { attempts: 1 });
    const alone = await lab.work(first, ['--max-failures', '2']);
    await until('some have failed', async () => ((await lab.counts(job))?.failed ?? 0) >= 4);
    expect(alone.child.exitCode).to.equal(null);
    const other = await lab.work(second, ['--max-failures', '2']);
    expect((await lab.workspace.run(['wait', job])).code).to.equal(5);
    expect([alone.child.exitCode, other.child.exitCode]).to.deep.equal([null, null]);
    expect(await lab.size()).to.equal(2);
  });
});
