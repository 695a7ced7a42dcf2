// Protects: an Auto Scaling group gets the requested size, and launch failures and denials are reported clearly.

import { SetInstanceProtectionCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { gridName } from '../../../src/lib/stack-names.ts';
import { failsWith } from '../../support/rejection.ts';
import { newStackName } from '../../support/scaling-group.ts';
import { until } from '../../support/until.ts';
import { ScalingBench } from './scaling-bench.ts';

describe('a group on Auto Scaling', () => {
  const bench = new ScalingBench();
  const { cloud } = bench;

  bench.contract('autoscaling');

  it('is resized from zero to a thousand in one request', async () => {
    const { group } = await bench.createGroup({ max: 1_000 });
    // An emulator would take long to start a thousand instances, so none starts.
    cloud.grid.failLaunches('capacity');
    expect((await group.resize({ desired: 1_000 })).desired).to.equal(1_000);
    expect(bench.takeChanges()).to.deep.equal(['SetDesiredCapacity']);
  });

  it('changes size and bounds in one request, and sends none when nothing changes', async () => {
    const { group } = await bench.createGroup({ max: 2 });
    await group.resize({ desired: 3, max: 5 });
    expect(bench.takeChanges()).to.deep.equal(['UpdateAutoScalingGroup']);
    await group.resize({ desired: 3, max: 5, mode: 'auto' });
    expect(bench.takeChanges()).to.deep.equal([]);
    await group.resize({ mode: 'manual' });
    expect(bench.takeChanges()).to.deep.equal(['CreateOrUpdateTags']);
  });

  it('can be lowered to the number of instances in service when launches fail, without ending one', async () => {
    const { group, stack } = await bench.createGroup({ desired: 2 });
    await bench.untilInService(group, 2);
    cloud.grid.failLaunches('capacity');
    await group.raise(7);
    expect(bench.takeChanges()).to.deep.equal(['SetDesiredCapacity']);
    expect((await group.lower(await group.describe())).desired).to.equal(2);
    expect(bench.takeChanges()).to.deep.equal(['SetDesiredCapacity']);
    expect((await group.lower(await group.describe())).desired).to.equal(2);
    expect(bench.takeChanges()).to.deep.equal([]);
    cloud.grid.failLaunches(null);
    const states = bench.instances(stack).map(({ state }) => state);
    expect(states).to.deep.equal(['InService', 'InService']);
  });

  it('knows the launch times of more instances than fit in a page of activities, and reads no page needlessly', async () => {
    const { group, stack } = await bench.createGroup({ max: 110, desired: 105 });
    await until('all exist', () => bench.instances(stack).length === 105);
    cloud.takeCalls();
    const seen = await group.machines();
    expect(seen).to.have.lengthOf(105);
    expect(seen.filter(({ launchedAt }) => launchedAt === null)).to.deep.equal([]);
    const takeRequests = (): number =>
      cloud.takeCalls().filter(({ action }) => action === 'DescribeScalingActivities').length;
    expect(takeRequests()).to.equal(2);
    const later = bench.open(stack, { ms: 3_600_000 });
    expect((await later.machines()).filter(({ launchedAt }) => launchedAt === null)).to.have.lengthOf(5);
    expect(takeRequests()).to.equal(1);
  });

  it('reports its instances as the service has them, with the launch time of each', async () => {
    // The service may report whole seconds.
    const started = Date.now() - 1_000;
    const { group, stack } = await bench.createGroup({ desired: 3 });
    await bench.untilInService(group, 3);
    const [first] = bench.instances(stack);
    const InstanceIds = [first?.id ?? ''];
    const protect = { AutoScalingGroupName: gridName(stack, 'default'), InstanceIds, ProtectedFromScaleIn: true };
    await bench.client().send(new SetInstanceProtectionCommand(protect));
    const machines = { inService: 3, pending: 0, terminating: 0, protected: 1 };
    expect(await group.describe()).to.deep.include({ machines, running: 1, slots: 2 });
    const reported = await group.machines();
    expect(reported.map(({ instance }) => instance)).to.have.members(bench.instances(stack).map(({ id }) => id));
    for (const machine of reported) {
      expect(machine).to.include({ type: 'c7g.large', healthy: true, version: '1' });
      expect(machine.protected).to.equal(machine.instance === first?.id);
      expect(machine.launchedAt).to.be.within(started, Date.now());
    }
  });

  describe('a temporary size', () => {
    const HOUR = 3_600_000;

    it('is recorded before it is set, and the earlier size is restored once, by the first caller', async () => {
      const { group, stack } = await bench.createGroup({ desired: 0 });
      const ends = Date.now() + HOUR;
      expect(await group.resize({ desired: 4, until: ends })).to.include({ desired: 4, until: ends });
      expect(bench.takeChanges()).to.deep.equal(['CreateOrUpdateTags', 'SetDesiredCapacity']);
      const later = bench.open(stack, { ms: 2 * HOUR });
      expect(await later.describe()).to.include({ desired: 4, until: ends });
      expect(bench.takeChanges()).to.deep.equal([]);
      expect(await later.raise(0)).to.include({ desired: 0, until: null });
      expect(bench.takeChanges()).to.deep.equal(['CreateOrUpdateTags', 'SetDesiredCapacity', 'CreateOrUpdateTags']);
      expect(await later.raise(0)).to.include({ desired: 0, until: null });
      expect(bench.takeChanges()).to.deep.equal([]);
    });

    it('is not restored below the size that waiting work needs', async () => {
      const { group, stack } = await bench.createGroup({ desired: 1 });
      await group.resize({ desired: 4, until: Date.now() + HOUR });
      expect((await bench.open(stack, { ms: 2 * HOUR }).raise(3)).desired).to.equal(3);
    });

    it('lasts until a caller that may write tags restores it; others can still raise it', async () => {
      const { group, stack } = await bench.createGroup();
      await group.resize({ desired: 4, until: Date.now() + HOUR });
      const worker = bench.open(stack, { ms: 2 * HOUR });
      for (const [least, desired] of [
        [0, 4],
        [6, 6],
      ] as const) {
        bench.takeChanges();
        cloud.failNext('autoscaling:CreateOrUpdateTags', 403, 'AccessDenied', 'no');
        expect((await worker.raise(least)).desired).to.equal(desired);
        const resizes = bench.takeChanges().filter((action) => action === 'SetDesiredCapacity');
        expect(resizes).to.have.length(desired === 6 ? 1 : 0);
      }
      expect((await worker.raise(0)).desired).to.equal(0);
    });

    it('ends when a person sets another size', async () => {
      const { group, stack } = await bench.createGroup();
      await group.resize({ desired: 4, until: Date.now() + HOUR });
      expect(await group.resize({ desired: 2, until: null })).to.include({ desired: 2, until: null });
      expect((await bench.open(stack, { ms: 2 * HOUR }).raise(0)).desired).to.equal(2);
    });
  });

  describe('before infra up has created it', () => {
    it('counts workers that were started by hand, and accepts orders for them', async () => {
      const group = bench.open(newStackName());
      expect(await group.describe()).to.include({ byHand: true, missing: true, running: 1, desired: 0 });
      expect(await group.raise(4)).to.include({ missing: true, desired: 0 });
      await group.order('w-up', 'drain');
      expect([await group.machines(), await group.launchTroubles()]).to.deep.equal([[], []]);
    });

    it('refuses a size, and names the command that creates the group', async () => {
      const error = await failsWith('refused', bench.open(newStackName()).resize({ desired: 1 }));
      expect(error.hint).to.include('batchctl infra up');
    });
  });

  it('refuses to set slots, and names the field of the profile that does', async () => {
    const { group } = await bench.createGroup();
    const error = await failsWith('usage', group.resize({ slots: 4 }));
    expect(error.hint).to.include('groups.default.slots');
    expect(bench.takeChanges()).to.deep.equal([]);
  });

  it('names the denied action and resource', async () => {
    const { group, stack } = await bench.createGroup();
    cloud.failNext('autoscaling:SetDesiredCapacity', 403, 'AccessDenied', 'no');
    const error = await failsWith('credentials', group.resize({ desired: 1 }));
    const arn = `arn:aws:autoscaling:us-east-1:.*/${stack}-default`;
    expect(error.denied).to.match(new RegExp(`^autoscaling:SetDesiredCapacity on ${arn}$`));
    cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'no');
    const unreadable = await failsWith('credentials', group.describe());
    expect(unreadable.denied).to.equal('autoscaling:DescribeAutoScalingGroups on *');
  });

  describe('launches that fail', () => {
    for (const code of ['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network'] as const) {
      it(`are reported once for each reason: ${code}`, async () => {
        const { group } = await bench.createGroup();
        cloud.grid.failLaunches(code);
        await group.resize({ desired: 2 });
        const [trouble, ...others] = await until('a launch failed', async () => {
          const troubles = await group.launchTroubles();
          return troubles.length > 0 && troubles;
        });
        expect(others).to.deep.equal([]);
        expect(trouble?.code).to.equal(code);
        expect(trouble?.at).to.be.closeTo(Date.now(), 60_000);
      });
    }

    it('are no longer reported once a launch succeeds', async () => {
      const { group } = await bench.createGroup();
      cloud.grid.failLaunches('capacity');
      await group.resize({ desired: 1 });
      await until('a launch failed', async () => (await group.launchTroubles()).length > 0);
      cloud.grid.failLaunches(null);
      await bench.untilInService(group, 1);
      expect(await group.launchTroubles()).to.deep.equal([]);
    });
  });
});
