// Protects: infra plan names every manual change to a group, and infra up repairs it without touching others' resources.
import {
  CreateAutoScalingGroupCommand,
  CreateOrUpdateTagsCommand,
  DeleteLifecycleHookCommand,
  DisableMetricsCollectionCommand,
  PutLifecycleHookCommand,
  ResumeProcessesCommand,
  SuspendProcessesCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  AllocateAddressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateLaunchTemplateVersionCommand,
  CreateTagsCommand,
  DescribeAddressesCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { STAND_IN_TAG } from '../../src/lib/stack-names.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import {
  differing,
  down,
  groupOf,
  looks,
  openResources,
  type StackResources,
  up,
} from '../support/grid/emulated-account.ts';
import { rejection } from '../support/rejection.ts';

const asItShould = { state: 'asItShould' };

describe('a grid that someone changed', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  let resources: StackResources;
  afterEach(async () => {
    await down([...resources.grid, ...resources.manager]);
    await resources.close();
  });

  const { name, ec2, scaling, groupNow, sizeNow, update, versions } = groupOf(() => resources);
  const tag = (Key: string, Value: string) => ({
    ...{ ResourceId: name(), ResourceType: 'auto-scaling-group', Key, Value, PropagateAtLaunch: false },
  });

  it('is reported in words, change by change, and repaired', async () => {
    resources = await openResources(cloud, { groups: { default: { max: 9 } }, tags: { team: 'ours' } });
    await up(resources.grid);
    const own = await resources.grid[0]?.look();
    expect(own).to.deep.equal(asItShould);
    const rule = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    const [{ LaunchTemplateData: data = {} } = {}] = await versions();
    const GroupId = data.NetworkInterfaces?.[0]?.Groups?.[0];
    const [compute, groups] = await Promise.all([ec2(), scaling()]);
    const at = { AutoScalingGroupName: name() };
    const changes: readonly (readonly [what: string, change: () => Promise<unknown>, says: readonly string[]])[] = [
      [
        'a port opened to the world',
        () => compute.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [rule] })),
        ['incoming rule tcp 22 0.0.0.0/0 was added by someone else'],
      ],
      [
        'the way out taken',
        () => compute.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [all] })),
        ['outgoing rule all 0.0.0.0/0 is missing'],
      ],
      [
        "a group's tag",
        () => compute.send(new CreateTagsCommand({ Resources: [GroupId ?? ''], Tags: [{ Key: 'team', Value: 'x' }] })),
        ['tag team x → ours'],
      ],
      [
        'a key and other user-data in a new version of the template',
        () =>
          compute.send(
            new CreateLaunchTemplateVersionCommand({
              ...{ LaunchTemplateName: name(), SourceVersion: '1' },
              LaunchTemplateData: { KeyName: 'mine', MetadataOptions: { HttpTokens: 'optional' } },
            }),
          ),
        [
          ...['metadata service none → enabled', 'metadata tokens optional → required', 'metadata hops none → 1'],
          ...['metadata tags none → enabled', 'KeyName is set, but not by batchctl'],
          "launch template's version 1 → the next",
        ],
      ],
      [
        'types, strategy and protection',
        () =>
          update({
            NewInstancesProtectedFromScaleIn: false,
            MixedInstancesPolicy: {
              LaunchTemplate: {
                LaunchTemplateSpecification: { LaunchTemplateName: name(), Version: '1' },
                Overrides: [{ InstanceType: 'm7g.large' }],
              },
              InstancesDistribution: { SpotAllocationStrategy: 'lowest-price' },
            },
          }),
        [
          "launch template's version 1 → 3",
          'instance types m7g.large → c7g.large m7g.large',
          'on-demand percentage above it 100 → 0',
          'spot strategy lowest-price → price-capacity-optimized',
          'new instances protected false → true',
        ],
      ],
      [
        'the hook taken',
        () => groups.send(new DeleteLifecycleHookCommand({ ...at, LifecycleHookName: 'batchctl-drain' })),
        ['lifecycle hook batchctl-drain is missing'],
      ],
      [
        'a hook that waits less',
        () => {
          const hook = { LifecycleHookName: 'batchctl-drain', HeartbeatTimeout: 30 };
          return groups.send(new PutLifecycleHookCommand({ ...at, ...hook }));
        },
        ['lifecycle hook batchctl-drain differs'],
      ],
      [
        'zones rebalanced',
        () => groups.send(new ResumeProcessesCommand({ ...at, ScalingProcesses: ['AZRebalance'] })),
        ['zones are rebalanced'],
      ],
      ['no metrics', () => groups.send(new DisableMetricsCollectionCommand(at)), ['metrics are not collected']],
      [
        'a tag of the group',
        () => groups.send(new CreateOrUpdateTagsCommand({ Tags: [tag('team', 'theirs')] })),
        ['tag team theirs → ours'],
      ],
    ];
    for (const [what, change, says] of changes) {
      await change();
      expect(differing(await looks(resources.grid)), what).to.deep.equal(says);
      await up(resources.grid);
      expect(await looks(resources.grid), `${what}, mended`).to.deep.equal(resources.grid.map(() => asItShould));
    }
  });

  it('keeps on-demand instances that replace spot, reports them, and repairs unwanted changes', async () => {
    resources = await openResources(cloud, { groups: { default: { onDemandBase: 1 } } });
    await up(resources.grid);
    const buys = (base: number) => update({ MixedInstancesPolicy: { InstancesDistribution: split(base) } });
    const split = (base: number) => ({
      ...{ OnDemandBaseCapacity: base, OnDemandPercentageAboveBaseCapacity: 0 },
      ...{ OnDemandAllocationStrategy: 'prioritized', SpotAllocationStrategy: 'price-capacity-optimized' },
    });
    const standIn = (value: string) =>
      scaling().then((client) => client.send(new CreateOrUpdateTagsCommand({ Tags: [tag(STAND_IN_TAG, value)] })));
    const baseNow = async () => (await groupNow())?.MixedInstancesPolicy?.InstancesDistribution?.OnDemandBaseCapacity;
    await standIn('6 1700000000000');
    await buys(5);
    expect(await resources.grid[2]?.look()).to.deep.equal({
      ...asItShould,
      notes: ['5 on demand instead of spot, for a deadline (configuration: 1)'],
    });
    await up(resources.grid);
    expect(await baseNow()).to.equal(5);
    await buys(7);
    expect(differing(await looks(resources.grid)), 'more than the tag says').to.deep.equal(['on-demand base 7 → 1']);
    await buys(5);
    await standIn('none');
    expect(differing(await looks(resources.grid)), 'taken back').to.deep.equal(['on-demand base 5 → 1']);
    await up(resources.grid);
    expect(await baseNow()).to.equal(1);
  });

  it('reports a process that a person suspended, and leaves it suspended', async () => {
    resources = await openResources(cloud);
    await up(resources.grid);
    const suspend = { AutoScalingGroupName: name(), ScalingProcesses: ['Launch'] };
    await (await scaling()).send(new SuspendProcessesCommand(suspend));
    expect(await resources.grid[2]?.look()).to.deep.equal({ ...asItShould, notes: ['Launch is suspended'] });
  });

  it("refuses someone else's Auto Scaling group, and doesn't remove it", async () => {
    resources = await openResources(cloud);
    await up(resources.grid.slice(0, 2));
    const { subnets } = await new (await import('../../src/infra/network.ts')).Network(resources.parts).facts();
    const theirs = {
      ...{ AutoScalingGroupName: name(), MinSize: 0, MaxSize: 1, VPCZoneIdentifier: subnets[0]?.id },
      MixedInstancesPolicy: {
        LaunchTemplate: {
          LaunchTemplateSpecification: { LaunchTemplateName: name(), Version: '1' },
          Overrides: [{ InstanceType: 'c7g.large' }],
        },
      },
    };
    await (await scaling()).send(new CreateAutoScalingGroupCommand(theirs));
    for (const refused of [
      await rejection(resources.grid[2]?.look() ?? Promise.resolve()),
      await rejection(up(resources.grid)),
    ]) {
      expect(refused).to.include({ kind: 'refused' });
    }
    expect(await down(resources.grid.slice(2))).to.deep.equal([`group ${name()}: was not made by batchctl`]);
    expect(await sizeNow()).to.deep.equal([0, 1, 0]);
    await update({});
  });

  it('releases a second address that was allocated because an answer was lost', async () => {
    resources = await openResources(cloud, { manager: {} });
    await up(resources.manager);
    const Tags = [
      { Key: 'batchctl:stack', Value: resources.profile.stack },
      { Key: 'batchctl:group', Value: 'manager' },
    ];
    const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags }];
    await (await ec2()).send(new AllocateAddressCommand({ Domain: 'vpc', TagSpecifications }));
    const [found] = await looks(resources.manager.slice(1));
    expect(differing(found === undefined ? [] : [found])[0]).to.match(/^[\d.]+ is superfluous$/);
    await resources.manager[1]?.apply();
    expect(await resources.manager[1]?.look()).to.deep.equal(asItShould);
    const Filters = [{ Name: 'tag:batchctl:stack', Values: [resources.profile.stack] }];
    expect((await (await ec2()).send(new DescribeAddressesCommand({ Filters }))).Addresses).to.have.length(1);
  });
});
