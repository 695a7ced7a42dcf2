// Protects: on-demand instances replace spot capacity that is refused, within the profile's limit, and are removed afterwards.

import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { ScalingGroup } from '../../../src/adapters/aws/scaling-group.ts';
import { UnmanagedGroup } from '../../../src/adapters/aws/unmanaged-group.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { gridName, STAND_IN_TAG } from '../../../src/lib/stack-names.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { workerGroupContract } from '../../contracts/worker-group.ts';
import { signWithAnyKeys } from '../../support/aws-keys.ts';
import { forSuite } from '../../support/fixture.ts';
import { startCloud } from '../../support/grid/cloud.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { rejection } from '../../support/rejection.ts';
import {
  freshStack,
  type MadeGroup,
  makeScalingGroup,
  spotPolicy,
  takeGroupChanges,
} from '../../support/scaling-group.ts';
import { until } from '../../support/until.ts';

describe('a group of spot instances', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const closing: (() => Promise<void>)[] = [];

  before(signWithAnyKeys);
  after(async () => {
    for (const close of closing) await close();
  });
  afterEach(() => cloud.grid.failLaunches(null));

  function open(stack: string, store = new MemoryStore()): ScalingGroup {
    const clients = new AwsClients({
      ...{ region: 'us-east-1', profile: null, account: null, env: {} },
      endpoints: { autoscaling: cloud.url },
    });
    closing.push(() => clients.close());
    const up = { worker: 'w-up', group: 'default', host: 'h', pid: 1, version: '1', state: 'idle', slots: 2, busy: [] };
    const ledger = { workers: async () => [{ ...up, done: 0, failed: 0, startedAt: 0, seenAt: Date.now() }] };
    const platform = { store, clock: systemClock, leaseSeconds: 120, ledger: async () => ledger };
    return new ScalingGroup({
      ...{ group: 'default', name: gridName(stack, 'default'), clients, slots: 2, clock: systemClock },
      ...{ here: new UnmanagedGroup('default', 20, platform as unknown as Platform), allowed: async () => undefined },
      spot: { usual: 1, most: 4 },
    });
  }

  async function made(options: MadeGroup = {}): Promise<{ readonly group: ScalingGroup; readonly stack: string }> {
    const stack = freshStack();
    await makeScalingGroup(cloud, stack, { ...options, more: spotPolicy(stack, 1) });
    cloud.takeCalls();
    return { group: open(stack), stack };
  }

  const changes = () => takeGroupChanges(cloud);

  /** The settings that the service itself reports. */
  async function bought(stack: string): Promise<{ base: number | undefined; spotAbove: boolean; tag: string | null }> {
    const client = new AutoScalingClient({ region: 'us-east-1', endpoint: cloud.url });
    closing.push(async () => client.destroy());
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [gridName(stack, 'default')] });
    const [{ MixedInstancesPolicy, Tags = [] } = {}] = (await client.send(asked)).AutoScalingGroups ?? [];
    const split = MixedInstancesPolicy?.InstancesDistribution;
    expect(MixedInstancesPolicy?.LaunchTemplate?.Overrides, 'its types stay').to.have.length(2);
    expect(split?.SpotAllocationStrategy).to.equal('price-capacity-optimized');
    const tag = Tags.find(({ Key }) => Key === STAND_IN_TAG)?.Value?.split(' ')[0] ?? null;
    return { base: split?.OnDemandBaseCapacity, spotAbove: split?.OnDemandPercentageAboveBaseCapacity === 0, tag };
  }

  workerGroupContract('autoscaling with spot', async () => {
    const { stack } = await made();
    const store = new MemoryStore();
    const group = open(stack, store);
    return { group, again: async () => open(stack), worker: 'w-up', store, close: async () => undefined };
  });

  it('gets on-demand instances in place of spot with its size, in one request, after a tag has recorded it', async () => {
    const { group, stack } = await made();
    const { onDemand, desired } = await group.raise(5, 3);
    expect({ desired, base: onDemand?.base, usual: onDemand?.usual }).to.deep.equal({ desired: 5, base: 3, usual: 1 });
    expect(onDemand?.raisedAt).to.be.closeTo(Date.now(), 60_000);
    expect(changes()).to.deep.equal(['CreateOrUpdateTags', 'UpdateAutoScalingGroup']);
    expect(await bought(stack)).to.deep.equal({ base: 3, spotAbove: true, tag: '3' });
    expect((await open(stack).describe()).onDemand).to.deep.equal({ ...onDemand });
    await until('all are there', () => cloud.grid.instances(gridName(stack, 'default')).length === 5);
    const kinds = cloud.grid.instances(gridName(stack, 'default')).map(({ lifeCycle }) => lifeCycle);
    expect(kinds.filter((kind) => kind === 'on-demand')).to.have.length(3);
  });

  it('never gets more on-demand instances than the profile allows, and none if a person sets its size', async () => {
    const { group } = await made();
    expect((await group.raise(8, 100)).onDemand?.base).to.equal(4);
    const { group: manual } = await made({ mode: 'manual' });
    expect((await manual.raise(5, 3)).onDemand).to.include({ base: 1, raisedAt: null });
    expect(changes().slice(2)).to.deep.equal([]);
  });

  it('still gets its on-demand instances after the requesting process failed between tag and request', async () => {
    const { group, stack } = await made();
    cloud.failNext('autoscaling:UpdateAutoScalingGroup', 403, 'AccessDenied', 'no');
    expect(await rejection(group.raise(5, 3))).to.include({ kind: 'credentials' });
    expect(await bought(stack)).to.deep.equal({ base: 1, spotAbove: true, tag: '3' });
    expect((await open(stack).raise(5, 3)).onDemand?.base).to.equal(3);
    expect(await bought(stack)).to.deep.equal({ base: 3, spotAbove: true, tag: '3' });
  });

  it("returns to the profile's on-demand base when lowered, even after a lowering that failed midway", async () => {
    const { group, stack } = await made();
    await group.raise(0, 3);
    cloud.failNext('autoscaling:CreateOrUpdateTags', 403, 'AccessDenied', 'no');
    expect(await rejection(group.lower(await group.describe()))).to.include({ kind: 'credentials' });
    expect(await bought(stack)).to.deep.equal({ base: 1, spotAbove: true, tag: '3' });
    changes();
    expect((await open(stack).lower(await group.describe())).onDemand).to.include({ base: 1, raisedAt: null });
    expect(changes()).to.deep.equal(['CreateOrUpdateTags']);
    expect(await bought(stack)).to.deep.equal({ base: 1, spotAbove: true, tag: 'none' });
    await group.lower(await group.describe());
    expect(changes()).to.deep.equal([]);
  });

  for (const code of ['capacity', 'quota', 'price'] as const) {
    it(`reports that spot is unavailable for ${code}, and whether on-demand instances can replace it`, async () => {
      const { group, stack } = await made();
      cloud.grid.failLaunches(code, undefined, { lifeCycle: 'spot' });
      await group.raise(3);
      await until('spot is refused', async () => (await group.spotTroubles()).refused);
      expect(await group.spotTroubles()).to.deep.equal({ refused: true, refusedToo: false, takenBack: 0 });
      await group.raise(3, 3);
      const inService = async () => (await group.describe()).machines?.inService;
      await until('three are up', async () => (await inService()) === 3);
      const kinds = cloud.grid.instances(gridName(stack, 'default')).map(({ lifeCycle }) => lifeCycle);
      expect(kinds).to.deep.equal(Array(3).fill('on-demand'));
      expect((await group.spotTroubles()).refused, 'what went well since').to.equal(false);
    });
  }

  it('reports that on-demand instances are refused too', async () => {
    const { group } = await made();
    cloud.grid.failLaunches('capacity');
    await group.raise(3);
    await until('one is refused', async () => (await group.spotTroubles()).refusedToo);
  });

  it('counts instances that EC2 interrupted, but not those that left by themselves', async () => {
    const { group, stack } = await made({ desired: 3 });
    await until('all are up', async () => (await group.describe()).machines?.inService === 3);
    const [one, other] = cloud.grid.instances(gridName(stack, 'default'));
    if (one === undefined || other === undefined) throw new Error('no instances');
    cloud.grid.interrupt(one, 0.1);
    cloud.grid.interrupt(other, 0.1);
    await until('both are counted', async () => (await group.spotTroubles()).takenBack === 2);
    expect(await open(freshStack()).spotTroubles()).to.include({ refused: false, takenBack: 0 });
  });
});
