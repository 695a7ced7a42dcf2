// Protects: on-demand instances replace spot capacity that is refused, within the profile's limit, and are removed afterwards.

import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { gridName, STAND_IN_TAG } from '../../../src/lib/stack-names.ts';
import { failsWith } from '../../support/rejection.ts';
import { newStackName, spotPolicy } from '../../support/scaling-group.ts';
import { until } from '../../support/until.ts';
import { ScalingBench } from './scaling-bench.ts';

describe('a group of spot instances', () => {
  const bench = new ScalingBench({ usual: 1, most: 4 }, (stack) => spotPolicy(stack, 1));
  const { cloud } = bench;

  /** The purchase settings that the service reports. */
  async function settingsOf(
    stack: string,
  ): Promise<{ base: number | undefined; spotAbove: boolean; tag: string | null }> {
    const command = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [gridName(stack, 'default')] });
    const [{ MixedInstancesPolicy, Tags = [] } = {}] = (await bench.client().send(command)).AutoScalingGroups ?? [];
    const distribution = MixedInstancesPolicy?.InstancesDistribution;
    expect(MixedInstancesPolicy?.LaunchTemplate?.Overrides, 'its types are unchanged').to.have.length(2);
    expect(distribution?.SpotAllocationStrategy).to.equal('price-capacity-optimized');
    const tag = Tags.find(({ Key }) => Key === STAND_IN_TAG)?.Value?.split(' ')[0] ?? null;
    return {
      base: distribution?.OnDemandBaseCapacity,
      spotAbove: distribution?.OnDemandPercentageAboveBaseCapacity === 0,
      tag,
    };
  }

  bench.contract('autoscaling with spot');

  it('gets its size and on-demand instances in place of spot in one request, after a tag has recorded them', async () => {
    const { group, stack } = await bench.createGroup();
    const { onDemand, desired } = await group.raise(5, 3);
    expect({ desired, base: onDemand?.base, usual: onDemand?.usual }).to.deep.equal({ desired: 5, base: 3, usual: 1 });
    expect(onDemand?.raisedAt).to.be.closeTo(Date.now(), 60_000);
    expect(bench.takeChanges()).to.deep.equal(['CreateOrUpdateTags', 'UpdateAutoScalingGroup']);
    expect(await settingsOf(stack)).to.deep.equal({ base: 3, spotAbove: true, tag: '3' });
    expect((await bench.open(stack).describe()).onDemand).to.deep.equal({ ...onDemand });
    await until('all are there', () => bench.instances(stack).length === 5);
    const kinds = bench.instances(stack).map(({ lifeCycle }) => lifeCycle);
    expect(kinds.filter((kind) => kind === 'on-demand')).to.have.length(3);
  });

  it('never gets more on-demand instances than the profile allows, and none if a person sets its size', async () => {
    const { group } = await bench.createGroup();
    expect((await group.raise(8, 100)).onDemand?.base).to.equal(4);
    const { group: manual } = await bench.createGroup({ mode: 'manual' });
    expect((await manual.raise(5, 3)).onDemand).to.include({ base: 1, raisedAt: null });
    expect(bench.takeChanges().slice(2)).to.deep.equal([]);
  });

  it('still gets its on-demand instances after the requesting process failed between tag and request', async () => {
    const { group, stack } = await bench.createGroup();
    cloud.failNext('autoscaling:UpdateAutoScalingGroup', 403, 'AccessDenied', 'no');
    await failsWith('credentials', group.raise(5, 3));
    expect(await settingsOf(stack)).to.deep.equal({ base: 1, spotAbove: true, tag: '3' });
    expect((await bench.open(stack).raise(5, 3)).onDemand?.base).to.equal(3);
    expect(await settingsOf(stack)).to.deep.equal({ base: 3, spotAbove: true, tag: '3' });
  });

  it("returns to the profile's on-demand base when lowered, even after a lowering that failed midway", async () => {
    const { group, stack } = await bench.createGroup();
    await group.raise(0, 3);
    cloud.failNext('autoscaling:CreateOrUpdateTags', 403, 'AccessDenied', 'no');
    await failsWith('credentials', group.lower(await group.describe()));
    expect(await settingsOf(stack)).to.deep.equal({ base: 1, spotAbove: true, tag: '3' });
    bench.takeChanges();
    expect((await bench.open(stack).lower(await group.describe())).onDemand).to.include({ base: 1, raisedAt: null });
    expect(bench.takeChanges()).to.deep.equal(['CreateOrUpdateTags']);
    expect(await settingsOf(stack)).to.deep.equal({ base: 1, spotAbove: true, tag: 'none' });
    await group.lower(await group.describe());
    expect(bench.takeChanges()).to.deep.equal([]);
  });

  for (const code of ['capacity', 'quota', 'price'] as const) {
    it(`reports that spot is unavailable for ${code}, and whether on-demand instances can replace it`, async () => {
      const { group, stack } = await bench.createGroup();
      cloud.grid.failLaunches(code, undefined, { lifeCycle: 'spot' });
      await group.raise(3);
      await until('spot is refused', async () => (await group.spotTroubles()).refused);
      expect(await group.spotTroubles()).to.deep.equal({ refused: true, refusedToo: false, takenBack: 0 });
      await group.raise(3, 3);
      await bench.untilInService(group, 3);
      const kinds = bench.instances(stack).map(({ lifeCycle }) => lifeCycle);
      expect(kinds).to.deep.equal(Array(3).fill('on-demand'));
      expect((await group.spotTroubles()).refused, 'launches have succeeded since').to.equal(false);
    });
  }

  it('reports that on-demand instances are refused too', async () => {
    const { group } = await bench.createGroup();
    cloud.grid.failLaunches('capacity');
    await group.raise(3);
    await until('one is refused', async () => (await group.spotTroubles()).refusedToo);
  });

  it('counts instances that EC2 interrupted, but none in another group', async () => {
    const { group, stack } = await bench.createGroup({ desired: 3 });
    await bench.untilInService(group, 3);
    const [one, other] = bench.instances(stack);
    if (one === undefined || other === undefined) throw new Error('no instances');
    cloud.grid.interrupt(one, 0.1);
    cloud.grid.interrupt(other, 0.1);
    await until('both are counted', async () => (await group.spotTroubles()).takenBack === 2);
    expect(await bench.open(newStackName()).spotTroubles()).to.include({ refused: false, takenBack: 0 });
  });
});
