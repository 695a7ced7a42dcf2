// Protects: infra plan names every manual change to a group, and infra up repairs it without touching others' resources.
import { expect } from 'chai';
import { Network } from '../../src/infra/network.ts';
import { DRAIN_HOOK, GROUP_TAG, HOME_TAG, STACK_TAG, STAND_IN_TAG } from '../../src/lib/stack-names.ts';
import { findAddresses, mixedPolicy, spotDistribution } from '../support/grid/account-clients.ts';
import { failsWith } from '../support/rejection.ts';
import { differencesOf, down, expectAll, GridLab, UP_TO_DATE, up } from './grid-lab.ts';

describe('a grid that someone changed', () => {
  const lab = new GridLab();
  const setTag = (Key: string, Value: string) => {
    const tag = { ResourceId: lab.name(), ResourceType: 'auto-scaling-group', Key, Value, PropagateAtLaunch: false };
    return lab.clients.scaling.createOrUpdateTags({ Tags: [tag] });
  };

  it('is reported in words, change by change, and repaired', async () => {
    await lab.create({ groups: { default: { max: 9 } }, tags: { team: 'ours' } });
    expect(await lab.resource('securityGroup').look()).to.deep.equal(UP_TO_DATE);
    const rule = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    const all = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    const [{ LaunchTemplateData: data = {} } = {}] = await lab.versions();
    const GroupId = data.NetworkInterfaces?.[0]?.Groups?.[0];
    const { ec2, scaling } = lab.clients;
    const group = { AutoScalingGroupName: lab.name() };
    const hook = { ...group, LifecycleHookName: DRAIN_HOOK };
    type Change = readonly [label: string, change: () => Promise<unknown>, differences: readonly string[]];
    const changes: readonly Change[] = [
      [
        'a port opened to the world',
        () => ec2.authorizeSecurityGroupIngress({ GroupId, IpPermissions: [rule] }),
        ['incoming rule tcp 22 0.0.0.0/0 was added by someone else'],
      ],
      [
        'the outgoing rule removed',
        () => ec2.revokeSecurityGroupEgress({ GroupId, IpPermissions: [all] }),
        ['outgoing rule all 0.0.0.0/0 is missing'],
      ],
      [
        'a tag of the security group',
        () => ec2.createTags({ Resources: [GroupId ?? ''], Tags: [{ Key: 'team', Value: 'x' }] }),
        ['tag team x → ours'],
      ],
      [
        'a key and other user-data in a new version of the template',
        () =>
          ec2.createLaunchTemplateVersion({
            LaunchTemplateName: lab.name(),
            SourceVersion: '1',
            LaunchTemplateData: { KeyName: 'mine', MetadataOptions: { HttpTokens: 'optional' } },
          }),
        [
          'metadata service none → enabled',
          'metadata tokens optional → required',
          'metadata hops none → 1',
          'metadata tags none → enabled',
          'KeyName is set, but not by batchctl',
          "launch template's version 1 → the next",
        ],
      ],
      [
        'types, strategy and protection',
        () =>
          lab.update({
            NewInstancesProtectedFromScaleIn: false,
            MixedInstancesPolicy: mixedPolicy(lab.name(), ['m7g.large'], { SpotAllocationStrategy: 'lowest-price' }),
          }),
        [
          "launch template's version 1 → 3",
          'instance types m7g.large → c7g.large m7g.large',
          'on-demand percentage above it 100 → 0',
          'spot strategy lowest-price → price-capacity-optimized',
          'new instances protected false → true',
        ],
      ],
      ['the hook deleted', () => scaling.deleteLifecycleHook(hook), ['lifecycle hook batchctl-drain is missing']],
      [
        'a shorter timeout of the hook',
        () => scaling.putLifecycleHook({ ...hook, HeartbeatTimeout: 30 }),
        ['lifecycle hook batchctl-drain differs'],
      ],
      [
        'zones rebalanced',
        () => scaling.resumeProcesses({ ...group, ScalingProcesses: ['AZRebalance'] }),
        ['zones are rebalanced'],
      ],
      ['no metrics', () => scaling.disableMetricsCollection(group), ['metrics are not collected']],
      ['a tag of the group', () => setTag('team', 'theirs'), ['tag team theirs → ours']],
    ];
    for (const [label, change, differences] of changes) {
      await change();
      expect(await differencesOf(lab.grid), label).to.deep.equal(differences);
      await up(lab.grid);
      await expectAll(lab.grid, UP_TO_DATE, `${label}, repaired`);
    }
  });

  it('keeps on-demand instances that replace spot, reports them, and repairs unwanted changes', async () => {
    await lab.create({ groups: { default: { onDemandBase: 1 } } });
    const setBase = (base: number) =>
      lab.update({ MixedInstancesPolicy: { InstancesDistribution: spotDistribution(base) } });
    const base = async () => (await lab.group())?.MixedInstancesPolicy?.InstancesDistribution?.OnDemandBaseCapacity;
    await setTag(STAND_IN_TAG, '6 1700000000000');
    await setBase(5);
    expect(await lab.groupState()).to.deep.equal({
      ...UP_TO_DATE,
      notes: ['5 on demand instead of spot, for a deadline (configuration: 1)'],
    });
    await up(lab.grid);
    expect(await base()).to.equal(5);
    await setBase(7);
    expect(await differencesOf(lab.grid), 'more than the tag allows').to.deep.equal(['on-demand base 7 → 1']);
    await setBase(5);
    await setTag(STAND_IN_TAG, 'none');
    expect(await differencesOf(lab.grid), 'no longer needed').to.deep.equal(['on-demand base 5 → 1']);
    await up(lab.grid);
    expect(await base()).to.equal(1);
  });

  it('reports a process that a person suspended, and leaves it suspended', async () => {
    await lab.create();
    await lab.clients.scaling.suspendProcesses({ AutoScalingGroupName: lab.name(), ScalingProcesses: ['Launch'] });
    expect(await lab.groupState()).to.deep.equal({ ...UP_TO_DATE, notes: ['Launch is suspended'] });
  });

  it("refuses someone else's Auto Scaling group, and doesn't remove it", async () => {
    await lab.open();
    await up(lab.grid.slice(0, 2));
    const { subnets } = await new Network(lab.resources.parts).facts();
    await lab.clients.scaling.createAutoScalingGroup({
      AutoScalingGroupName: lab.name(),
      MinSize: 0,
      MaxSize: 1,
      VPCZoneIdentifier: subnets[0]?.id,
      MixedInstancesPolicy: mixedPolicy(lab.name(), ['c7g.large']),
    });
    await failsWith('refused', lab.groupState());
    await failsWith('refused', up(lab.grid));
    expect(await down(lab.grid.slice(2))).to.deep.equal([`group ${lab.name()}: was not made by batchctl`]);
    expect(await lab.sizes()).to.deep.equal([0, 1, 0]);
    await lab.update({});
  });

  it('releases a second address that was allocated because an answer was lost', async () => {
    await lab.open({ manager: {} });
    await up(lab.manager);
    const Tags = [
      { Key: STACK_TAG, Value: lab.stack },
      { Key: HOME_TAG, Value: 'us-east-1/lab/' },
      { Key: GROUP_TAG, Value: 'manager' },
    ];
    const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags }];
    await lab.clients.ec2.allocateAddress({ Domain: 'vpc', TagSpecifications });
    const address = lab.resource('address', lab.manager);
    expect((await differencesOf([address]))[0]).to.match(/^[\d.]+ is superfluous$/);
    await address.apply();
    expect(await address.look()).to.deep.equal(UP_TO_DATE);
    expect(await findAddresses(lab.clients, lab.stack)).to.have.length(1);
  });
});
