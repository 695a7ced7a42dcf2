// Protects: infra up creates groups that are encrypted, closed to outsiders and drained before they shrink.
import { DescribeLifecycleHooksCommand } from '@aws-sdk/client-auto-scaling';
import {
  AssociateAddressCommand,
  CreateLaunchTemplateCommand,
  CreateSecurityGroupCommand,
  DescribeAddressesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeSecurityGroupsCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { down, groupOf, looks, openResources, type StackResources, up } from '../support/grid/emulated-account.ts';
import { rejection } from '../support/rejection.ts';
import { until } from '../support/until.ts';

/** Requests that create, change or remove something. */
const isChange = ({ action }: { readonly action: string }): boolean => !/^(Describe|Get|List)/.test(action);
const asItShould = { state: 'asItShould' };
const GRID = ['securityGroup', 'launchTemplate', 'group'];
const MANAGER = ['securityGroup', 'address', 'launchTemplate', 'group'];

describe('the grid that up creates', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  let resources: StackResources;
  afterEach(async () => {
    await down([...resources.grid, ...resources.manager]);
    await resources.close();
  });

  const { name, ec2, scaling, groupNow, versions } = groupOf(() => resources);
  const templateNow = async (which = name()) => (await versions(which))[0];
  const addresses = async () => {
    const Filters = [{ Name: 'tag:batchctl:stack', Values: [resources.profile.stack] }];
    return (await (await ec2()).send(new DescribeAddressesCommand({ Filters }))).Addresses ?? [];
  };
  const rulesNow = async (which: string) => {
    const Filters = [{ Name: 'group-name', Values: [which] }];
    const [found] = (await (await ec2()).send(new DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? [];
    const of = (permissions = found?.IpPermissions) =>
      (permissions ?? []).flatMap(({ IpProtocol, FromPort, IpRanges = [], Ipv6Ranges = [] }) =>
        [...IpRanges.map(({ CidrIp }) => CidrIp), ...Ipv6Ranges.map(({ CidrIpv6 }) => CidrIpv6)].map(
          (peer) => `${IpProtocol} ${FromPort ?? ''} ${peer}`,
        ),
      );
    return { id: found?.GroupId, into: of(), out: of(found?.IpPermissionsEgress) };
  };

  it('is created once, and then kept without another change', async () => {
    resources = await openResources(cloud, { manager: {} });
    const all = [...resources.grid, ...resources.manager];
    expect(await looks(all)).to.deep.equal(all.map(() => ({ state: 'absent' })));
    expect(await up(all)).to.deep.equal([...GRID, ...MANAGER]);
    expect(await looks(all)).to.deep.equal(all.map(() => asItShould));
    cloud.takeCalls();
    for (const each of all) await each.apply();
    expect(
      cloud
        .takeCalls()
        .filter(isChange)
        .map(({ action }) => action),
    ).to.deep.equal([]);
  });

  it('has a template with an encrypted volume of the configured size, metadata tokens, a role, tags, and no SSH key', async () => {
    const groups = { default: { disk: '40GB', instances: ['c7g.large', 'm7g.large'] } };
    resources = await openResources(cloud, { groups, tags: { CostCenter: '4711' }, network: { publicIp: true } });
    await up(resources.grid);
    const { LaunchTemplateData: data = {}, VersionNumber } = (await templateNow()) ?? {};
    expect(VersionNumber).to.equal(1);
    const { id, into, out } = await rulesNow(name('worker'));
    expect({ into, out }).to.deep.equal({ into: [], out: ['-1  0.0.0.0/0'] });
    expect(data).to.deep.include({
      MetadataOptions: {
        ...{ HttpEndpoint: 'enabled', HttpTokens: 'required' },
        ...{ HttpPutResponseHopLimit: 1, InstanceMetadataTags: 'enabled' },
      },
      NetworkInterfaces: [{ AssociatePublicIpAddress: true, DeleteOnTermination: true, DeviceIndex: 0, Groups: [id] }],
      IamInstanceProfile: { Name: name('worker') },
      InstanceInitiatedShutdownBehavior: 'terminate',
      EbsOptimized: true,
    });
    expect(data).not.to.have.any.keys('KeyName', 'InstanceType', 'SecurityGroupIds');
    // 40 GB are 37.3 GiB, and volumes have whole GiB.
    const Ebs = { Encrypted: true, DeleteOnTermination: true, VolumeSize: 38, VolumeType: 'gp3' };
    expect(data.BlockDeviceMappings).to.deep.equal([{ DeviceName: '/dev/xvda', Ebs }]);
    const tags = { 'batchctl:stack': resources.profile.stack, 'batchctl:group': 'default', CostCenter: '4711' };
    for (const kind of ['instance', 'volume', 'network-interface']) {
      const found = data.TagSpecifications?.find(({ ResourceType }) => ResourceType === kind)?.Tags ?? [];
      expect(Object.fromEntries(found.map(({ Key, Value }) => [Key, Value])), kind).to.deep.equal({
        ...{ ...tags, Name: name(), 'batchctl:release': 'aaaaaaaaaaaa' },
      });
    }
    expect(decodeUserData(data.UserData ?? '')).to.match(/^#!\/bin\/bash\n/);
  });

  it('has a group that mixes types and spot, protects and drains instances, has metrics, and does not rebalance zones', async () => {
    const groups = { default: { instances: ['c7g.large', 'm7g.large'], onDemandBase: 2, min: 1, max: 30 } };
    resources = await openResources(cloud, { groups });
    await up(resources.grid);
    const group = await groupNow();
    expect(group).to.deep.include({ MinSize: 1, MaxSize: 30, DesiredCapacity: 1 });
    expect(group).to.deep.include({ NewInstancesProtectedFromScaleIn: true, DefaultInstanceWarmup: 0 });
    expect(group?.MixedInstancesPolicy?.InstancesDistribution).to.deep.include({
      ...{ OnDemandBaseCapacity: 2, OnDemandPercentageAboveBaseCapacity: 0 },
      SpotAllocationStrategy: 'price-capacity-optimized',
    });
    const { LaunchTemplateSpecification: named, Overrides } = group?.MixedInstancesPolicy?.LaunchTemplate ?? {};
    expect(named?.Version).to.equal('1');
    expect(Overrides?.map(({ InstanceType }) => InstanceType)).to.deep.equal(['c7g.large', 'm7g.large']);
    expect(group?.SuspendedProcesses?.map(({ ProcessName }) => ProcessName)).to.deep.equal(['AZRebalance']);
    expect(group?.EnabledMetrics).not.to.deep.equal([]);
    const tags = group?.Tags?.map(({ Key, Value, PropagateAtLaunch }) => `${Key} ${Value} ${PropagateAtLaunch}`);
    expect(tags).to.have.members([
      ...[`batchctl:stack ${resources.profile.stack} true`, 'batchctl:group default true'],
      ...['batchctl:mode auto false', 'batchctl:bounds 1 30 false'],
    ]);
    const asked = new DescribeLifecycleHooksCommand({ AutoScalingGroupName: name() });
    expect((await (await scaling()).send(asked)).LifecycleHooks?.[0]).to.deep.include({
      ...{ LifecycleHookName: 'batchctl-drain', HeartbeatTimeout: 600, DefaultResult: 'CONTINUE' },
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    });
    const instance = await until('one is in service', () => cloud.grid.instances(name())[0]);
    expect(instance.tags).to.include({ 'batchctl:stack': resources.profile.stack, 'batchctl:release': 'aaaaaaaaaaaa' });
    expect(instance.tags).not.to.have.property('batchctl:mode');
  });

  it('buys only on-demand instances if spot is turned off', async () => {
    resources = await openResources(cloud, { groups: { default: { spot: false } } });
    await up(resources.grid);
    const split = (await groupNow())?.MixedInstancesPolicy?.InstancesDistribution;
    expect(split).to.deep.include({ OnDemandBaseCapacity: 0, OnDemandPercentageAboveBaseCapacity: 100 });
  });

  it("has the customer's key on volumes, the profile's security groups, and no address unless requested", async () => {
    resources = await openResources(cloud);
    const made = await (await ec2()).send(
      new CreateSecurityGroupCommand({ GroupName: name('theirs'), Description: 'theirs' }),
    );
    const { stack } = resources.profile;
    await resources.close();
    const kmsKey = `arn:aws:kms:us-east-1:${cloud.account}:key/1`;
    resources = await openResources(cloud, {
      stack,
      kmsKey,
      network: { securityGroups: [made.GroupId], publicIp: false },
    });
    expect(await up(resources.grid)).to.deep.equal(['launchTemplate', 'group']);
    const { LaunchTemplateData: data = {} } = (await templateNow()) ?? {};
    expect(data.BlockDeviceMappings?.[0]?.Ebs).to.include({ Encrypted: true, KmsKeyId: kmsKey });
    expect(data.NetworkInterfaces?.[0]).to.deep.include({ Groups: [made.GroupId], AssociatePublicIpAddress: false });
  });

  it("starts instances without tags in their metadata if a tag's name is not allowed there", async () => {
    resources = await openResources(cloud, { tags: { 'cost center': '1' } });
    await up(resources.grid);
    expect((await templateNow())?.LaunchTemplateData?.MetadataOptions?.InstanceMetadataTags).to.equal('disabled');
  });

  it('makes the manager a group of one, reachable at its port from the allowed networks', async () => {
    resources = await openResources(cloud, { manager: { allow: ['203.0.113.7/24', '2001:DB8:0::1/32'] } });
    await up([...resources.grid, ...resources.manager]);
    const { id, into } = await rulesNow(name('manager'));
    expect(into).to.have.members(['tcp 443 203.0.113.0/24', 'tcp 443 2001:db8::/32']);
    expect(await groupNow(name('manager'))).to.deep.include({
      ...{ MinSize: 1, MaxSize: 1, DesiredCapacity: 1, NewInstancesProtectedFromScaleIn: false },
    });
    const [address, ...others] = await addresses();
    expect(others).to.deep.equal([]);
    const { LaunchTemplateData: data = {} } = (await templateNow(name('manager'))) ?? {};
    expect(data.NetworkInterfaces?.[0]?.Groups).to.deep.equal([id]);
    expect(data.IamInstanceProfile?.Name).to.equal(name('manager'));
    expect(decodeUserData(data.UserData ?? '')).to.include(address?.AllocationId);
  });

  it('detaches an address in use from its instance before releasing it', async () => {
    resources = await openResources(cloud, { manager: {} });
    await up(resources.manager);
    const client = await ec2();
    const [address] = await addresses();
    const run = new RunInstancesCommand({ ImageId: 'ami-03cf127a', MinCount: 1, MaxCount: 1 });
    const [instance] = (await client.send(run)).Instances ?? [];
    const { AllocationId } = address ?? {};
    await client.send(new AssociateAddressCommand({ AllocationId, InstanceId: instance?.InstanceId }));
    expect(await down(resources.manager)).to.deep.equal([]);
    expect(await addresses()).to.deep.equal([]);
  });

  it("refuses other owners' resources under its names, and doesn't remove them", async () => {
    resources = await openResources(cloud);
    const client = await ec2();
    await client.send(new CreateSecurityGroupCommand({ GroupName: name('worker'), Description: 'theirs' }));
    const data = { ImageId: 'ami-03cf127a' };
    const LaunchTemplateName = name();
    await client.send(new CreateLaunchTemplateCommand({ LaunchTemplateName, LaunchTemplateData: data }));
    for (const [at, what] of [
      [0, 'security group'],
      [1, 'launch template'],
    ] as const) {
      const resource = resources.grid[at];
      if (resource === undefined) throw new Error('the grid has less than a group');
      const refused = [await rejection(resource.look()), await rejection(resource.apply())];
      for (const error of refused) {
        expect(error).to.include({ kind: 'refused' });
        expect(error).to.have.property('message').that.includes(`the ${what}`).and.includes('was not made by batchctl');
      }
    }
    expect(await down(resources.grid)).to.deep.equal([
      `launchTemplate ${name()}: was not made by batchctl`,
      `securityGroup ${name('worker')}: was not made by batchctl`,
    ]);
    const { LaunchTemplates } = await client.send(
      new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [name()] }),
    );
    expect(LaunchTemplates).to.have.length(1);
  });

  it('keeps a group with instances unless asked to terminate them', async () => {
    resources = await openResources(cloud, { groups: { default: { min: 1 } } });
    await up(resources.grid);
    await until('one is there', () => cloud.grid.instances(name()).length === 1);
    expect(await down(resources.grid.slice(2), false)).to.deep.equal([`group ${name()}: it has 1 instance`]);
    expect(await down(resources.grid)).to.deep.equal([]);
    expect(await looks(resources.grid)).to.deep.equal(resources.grid.map(() => ({ state: 'absent' })));
  });
});
