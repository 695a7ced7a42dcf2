// Protects: an Auto Scaling group gets the requested size, and launch failures and denials are reported clearly.

import { AutoScalingClient, SetInstanceProtectionCommand } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { ScalingGroup } from '../../../src/adapters/aws/scaling-group.ts';
import { UnmanagedGroup } from '../../../src/adapters/aws/unmanaged-group.ts';
import { isKind } from '../../../src/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { gridName } from '../../../src/lib/stack-names.ts';
import type { LedgerWorker } from '../../../src/ports/ledger.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { workerGroupContract } from '../../contracts/worker-group.ts';
import { signWithAnyKeys } from '../../support/aws-keys.ts';
import { forSuite } from '../../support/fixture.ts';
import { startCloud } from '../../support/grid/cloud.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { freshStack, type MadeGroup, makeScalingGroup, takeGroupChanges } from '../../support/scaling-group.ts';
import { until } from '../../support/until.ts';

const WORKER: LedgerWorker = {
  ...{ worker: 'w-up', group: 'default', host: 'h', pid: 1, version: '1', state: 'idle', slots: 2, busy: [] },
  ...{ done: 0, failed: 0, startedAt: 0, seenAt: 0 },
};

describe('a group on Auto Scaling', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const closing: (() => Promise<void>)[] = [];

  before(signWithAnyKeys);
  after(async () => {
    for (const close of closing) await close();
  });
  afterEach(() => cloud.grid.failLaunches(null));

  /** The adapter as a newly started process has it. Its clock may be set ahead. */
  function open(stack: string, ahead = { ms: 0 }, store = new MemoryStore()): ScalingGroup {
    const clients = new AwsClients({
      ...{ region: 'us-east-1', profile: null, account: null, env: {} },
      endpoints: { autoscaling: cloud.url },
    });
    closing.push(() => clients.close());
    const clock = { ...systemClock, now: () => Date.now() + ahead.ms };
    const ledger = { workers: async () => [{ ...WORKER, seenAt: clock.now() }] };
    const platform = { store, clock, leaseSeconds: 120, ledger: async () => ledger };
    const here = new UnmanagedGroup('default', 20, platform as unknown as Platform);
    return new ScalingGroup({
      ...{ group: 'default', name: gridName(stack, 'default'), clients, here, slots: 2, clock },
      allowed: async () => undefined,
    });
  }

  async function made(options: MadeGroup = {}): Promise<{ readonly group: ScalingGroup; readonly stack: string }> {
    const stack = freshStack();
    await makeScalingGroup(cloud, stack, options);
    cloud.takeCalls();
    return { group: open(stack), stack };
  }

  const changes = () => takeGroupChanges(cloud);

  workerGroupContract('autoscaling', async () => {
    const { stack } = await made();
    const store = new MemoryStore();
    const group = open(stack, { ms: 0 }, store);
    return { group, again: async () => open(stack), worker: 'w-up', store, close: async () => undefined };
  });

  it('goes from zero to a thousand in one request', async () => {
    const { group } = await made({ max: 1_000 });
    // An emulator would take long to start a thousand instances, so none starts.
    cloud.grid.failLaunches('capacity');
    expect((await group.resize({ desired: 1_000 })).desired).to.equal(1_000);
    expect(changes()).to.deep.equal(['SetDesiredCapacity']);
  });

  it('changes size and bounds in one request, and sends none when nothing changes', async () => {
    const { group } = await made({ max: 2 });
    await group.resize({ desired: 3, max: 5 });
    expect(changes()).to.deep.equal(['UpdateAutoScalingGroup']);
    await group.resize({ desired: 3, max: 5, mode: 'auto' });
    expect(changes()).to.deep.equal([]);
    await group.resize({ mode: 'manual' });
    expect(changes()).to.deep.equal(['CreateOrUpdateTags']);
  });

  it('can be lowered to the instances in service when launches hang, without ending one', async () => {
    const { group, stack } = await made({ desired: 2 });
    await until('both are in service', async () => (await group.describe()).machines?.inService === 2);
    cloud.grid.failLaunches('capacity');
    await group.raise(7);
    expect(changes()).to.deep.equal(['SetDesiredCapacity']);
    expect((await group.lower(await group.describe())).desired).to.equal(2);
    expect(changes()).to.deep.equal(['SetDesiredCapacity']);
    expect((await group.lower(await group.describe())).desired).to.equal(2);
    expect(changes()).to.deep.equal([]);
    cloud.grid.failLaunches(null);
    expect(cloud.grid.instances(gridName(stack, 'default')).map(({ state }) => state)).to.deep.equal(
      Array(2).fill('InService'),
    );
  });

  it('knows the launch time of more instances than a page of activities holds, and reads no page needlessly', async () => {
    const { group, stack } = await made({ max: 110, desired: 105 });
    const name = gridName(stack, 'default');
    await until('all are there', () => cloud.grid.instances(name).length === 105);
    cloud.takeCalls();
    const seen = await group.machines();
    expect(seen).to.have.lengthOf(105);
    expect(seen.filter(({ launchedAt }) => launchedAt === null)).to.deep.equal([]);
    const asked = (): number => cloud.takeCalls().filter(({ action }) => action === 'DescribeScalingActivities').length;
    expect(asked()).to.equal(2);
    const later = open(stack, { ms: 3_600_000 });
    expect((await later.machines()).filter(({ launchedAt }) => launchedAt === null)).to.have.lengthOf(5);
    expect(asked()).to.equal(1);
  });

  it('reports its instances as the service has them, with the launch time of each', async () => {
    const { group, stack } = await made({ desired: 3 });
    const name = gridName(stack, 'default');
    await until('all are in service', async () => (await group.describe()).machines?.inService === 3);
    const [first] = cloud.grid.instances(name);
    const client = new AutoScalingClient({ region: 'us-east-1', endpoint: cloud.url });
    closing.push(async () => client.destroy());
    await client.send(
      new SetInstanceProtectionCommand({
        ...{ AutoScalingGroupName: name, InstanceIds: [first?.id ?? ''], ProtectedFromScaleIn: true },
      }),
    );
    const { machines, running, slots } = await group.describe();
    expect({ machines, running, slots }).to.deep.equal({
      machines: { inService: 3, pending: 0, terminating: 0, protected: 1 },
      ...{ running: 1, slots: 2 },
    });
    const seen = await group.machines();
    expect(seen.map(({ instance }) => instance).sort()).to.deep.equal(
      cloud.grid
        .instances(name)
        .map(({ id }) => id)
        .sort(),
    );
    expect(seen.every(({ type, healthy, version }) => type === 'c7g.large' && healthy && version === '1')).to.equal(
      true,
    );
    expect(seen.every(({ launchedAt }) => Math.abs(Date.now() - (launchedAt ?? 0)) < 60_000)).to.equal(true);
    expect(seen.filter((machine) => machine.protected).map(({ instance }) => instance)).to.deep.equal([first?.id]);
  });

  describe('a temporary size', () => {
    const HOUR = 3_600_000;

    it('is recorded before it is set, and the earlier size is restored once, by the first caller', async () => {
      const { group, stack } = await made({ desired: 0 });
      const ends = Date.now() + HOUR;
      expect(await group.resize({ desired: 4, until: ends })).to.include({ desired: 4, until: ends });
      expect(changes()).to.deep.equal(['CreateOrUpdateTags', 'SetDesiredCapacity']);
      const later = open(stack, { ms: 2 * HOUR });
      expect(await later.describe()).to.include({ desired: 4, until: ends });
      expect(changes()).to.deep.equal([]);
      expect(await later.raise(0)).to.include({ desired: 0, until: null });
      expect(changes()).to.deep.equal(['CreateOrUpdateTags', 'SetDesiredCapacity', 'CreateOrUpdateTags']);
      expect(await later.raise(0)).to.include({ desired: 0, until: null });
      expect(changes()).to.deep.equal([]);
    });

    it('is not restored below the size that waiting work needs', async () => {
      const { group, stack } = await made({ desired: 1 });
      await group.resize({ desired: 4, until: Date.now() + HOUR });
      expect((await open(stack, { ms: 2 * HOUR }).raise(3)).desired).to.equal(3);
    });

    it('lasts until a caller that may write tags restores it; others can still raise it', async () => {
      const { group, stack } = await made();
      await group.resize({ desired: 4, until: Date.now() + HOUR });
      const worker = open(stack, { ms: 2 * HOUR });
      for (const [least, desired] of [
        [0, 4],
        [6, 6],
      ] as const) {
        changes();
        cloud.failNext('autoscaling:CreateOrUpdateTags', 403, 'AccessDenied', 'no');
        expect((await worker.raise(least)).desired).to.equal(desired);
        expect(changes().filter((action) => action === 'SetDesiredCapacity')).to.have.length(desired === 6 ? 1 : 0);
      }
      expect((await worker.raise(0)).desired).to.equal(0);
    });

    it('ends when a person sets another size', async () => {
      const { group, stack } = await made();
      await group.resize({ desired: 4, until: Date.now() + HOUR });
      expect(await group.resize({ desired: 2, until: null })).to.include({ desired: 2, until: null });
      expect((await open(stack, { ms: 2 * HOUR }).raise(0)).desired).to.equal(2);
    });
  });

  describe('before infra up has created it', () => {
    it('counts workers that were started by hand, and accepts orders for them', async () => {
      const group = open(freshStack());
      expect(await group.describe()).to.include({ byHand: true, missing: true, running: 1, desired: 0 });
      expect(await group.raise(4)).to.include({ missing: true, desired: 0 });
      await group.order('w-up', 'drain');
      expect([await group.machines(), await group.launchTroubles()]).to.deep.equal([[], []]);
    });

    it('refuses a size, and names the command that creates the group', async () => {
      const error: unknown = await open(freshStack())
        .resize({ desired: 1 })
        .catch((thrown: unknown) => thrown);
      if (!isKind(error, 'refused')) throw error;
      expect(error.hint).to.include('batchctl infra up');
    });
  });

  it('refuses to set slots, and names the field of the profile that does', async () => {
    const { group } = await made();
    const error: unknown = await group.resize({ slots: 4 }).catch((thrown: unknown) => thrown);
    if (!isKind(error, 'usage')) throw error;
    expect(error.hint).to.include('groups.default.slots');
    expect(changes()).to.deep.equal([]);
  });

  it('names the denied action and resource', async () => {
    const { group, stack } = await made();
    cloud.failNext('autoscaling:SetDesiredCapacity', 403, 'AccessDenied', 'no');
    const error: unknown = await group.resize({ desired: 1 }).catch((thrown: unknown) => thrown);
    if (!isKind(error, 'credentials')) throw error;
    expect(error.denied).to.match(
      new RegExp(`^autoscaling:SetDesiredCapacity on arn:aws:autoscaling:us-east-1:.*/${stack}-default$`),
    );
    cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'no');
    const looked: unknown = await group.describe().catch((thrown: unknown) => thrown);
    if (!isKind(looked, 'credentials')) throw looked;
    expect(looked.denied).to.equal('autoscaling:DescribeAutoScalingGroups on *');
  });

  describe('launches that fail', () => {
    for (const code of ['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network'] as const) {
      it(`are reported once for each reason: ${code}`, async () => {
        const { group } = await made();
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
      const { group } = await made();
      cloud.grid.failLaunches('capacity');
      await group.resize({ desired: 1 });
      await until('a launch failed', async () => (await group.launchTroubles()).length > 0);
      cloud.grid.failLaunches(null);
      await until('it is in service', async () => (await group.describe()).machines?.inService === 1);
      expect(await group.launchTroubles()).to.deep.equal([]);
    });
  });
});
