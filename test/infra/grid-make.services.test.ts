// Protects: infra up creates groups that are encrypted, closed to outsiders and drained before they shrink.
import type { IpPermission } from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { findAddresses, findSecurityGroup, spotDistribution } from '../support/grid/account-clients.ts';
import { terminationHook } from '../support/grid/emulated-account.ts';
import { failsWith } from '../support/rejection.ts';
import { until } from '../support/until.ts';
import { ABSENT, down, expectAll, GridLab, UP_TO_DATE, up } from './grid-lab.ts';

describe('the grid that up creates', () => {
  const lab = new GridLab();

  /** The newest version of a launch template. */
  const templateData = async (name = lab.name()) => (await lab.versions(name))[0]?.LaunchTemplateData ?? {};
  const addresses = () => findAddresses(lab.clients, lab.stack);
  const rulesOf = async (name: string) => {
    const group = await findSecurityGroup(lab.clients, name);
    const texts = (permissions: readonly IpPermission[] = []) =>
      permissions.flatMap(({ IpProtocol, FromPort = '', IpRanges = [], Ipv6Ranges = [] }) =>
        [...IpRanges.map(({ CidrIp }) => CidrIp), ...Ipv6Ranges.map(({ CidrIpv6 }) => CidrIpv6)].map(
          (peer) => `${IpProtocol} ${FromPort} ${peer}`,
        ),
      );
    return { id: group?.GroupId, incoming: texts(group?.IpPermissions), outgoing: texts(group?.IpPermissionsEgress) };
  };

  it('is created once, and then kept without another change', async () => {
    await lab.open({ manager: {} });
    await expectAll(lab.all, ABSENT);
    const grid = ['securityGroup', 'launchTemplate', 'group'];
    expect(await up(lab.all)).to.deep.equal([...grid, 'securityGroup', 'address', 'launchTemplate', 'group']);
    await expectAll(lab.all, UP_TO_DATE);
    lab.cloud.takeCalls();
    for (const each of lab.all) await each.apply();
    expect(lab.cloud.takeChanges().map(({ action }) => action)).to.deep.equal([]);
  });

  it('has a template with an encrypted volume of the configured size, metadata tokens, a role, tags, and no SSH key', async () => {
    const groups = { default: { disk: '40GB', instances: ['c7g.large', 'm7g.large'] } };
    await lab.create({ groups, tags: { CostCenter: '4711' }, network: { publicIp: true } });
    const data = await templateData();
    expect((await lab.versions()).map(({ VersionNumber }) => VersionNumber)).to.deep.equal([1]);
    const { id, ...rules } = await rulesOf(lab.name('worker'));
    expect(rules).to.deep.equal({ incoming: [], outgoing: ['-1  0.0.0.0/0'] });
    expect(data).to.deep.include({
      MetadataOptions: {
        HttpEndpoint: 'enabled',
        HttpTokens: 'required',
        HttpPutResponseHopLimit: 1,
        InstanceMetadataTags: 'enabled',
      },
      NetworkInterfaces: [{ AssociatePublicIpAddress: true, DeleteOnTermination: true, DeviceIndex: 0, Groups: [id] }],
      IamInstanceProfile: { Name: lab.name('worker') },
      InstanceInitiatedShutdownBehavior: 'terminate',
      EbsOptimized: true,
    });
    expect(data).not.to.have.any.keys('KeyName', 'InstanceType', 'SecurityGroupIds');
    // 40 GB are 37.3 GiB, and volumes have whole GiB.
    const Ebs = { Encrypted: true, DeleteOnTermination: true, VolumeSize: 38, VolumeType: 'gp3' };
    expect(data.BlockDeviceMappings).to.deep.equal([{ DeviceName: '/dev/xvda', Ebs }]);
    const home = 'us-east-1/lab/';
    const tags = {
      'batchctl:stack': lab.stack,
      'batchctl:home': home,
      'batchctl:group': 'default',
      CostCenter: '4711',
    };
    for (const kind of ['instance', 'volume', 'network-interface']) {
      const found = data.TagSpecifications?.find(({ ResourceType }) => ResourceType === kind)?.Tags ?? [];
      expect(Object.fromEntries(found.map(({ Key, Value }) => [Key, Value])), kind).to.deep.equal({
        ...tags,
        Name: lab.name(),
        'batchctl:release': 'aaaaaaaaaaaa',
      });
    }
    expect(decodeUserData(data.UserData ?? '')).to.match(/^#!\/bin\/bash\n/);
  });

  it('has a group that mixes types and spot, protects and drains instances, has metrics, and does not rebalance zones', async () => {
    const groups = { default: { instances: ['c7g.large', 'm7g.large'], onDemandBase: 2, min: 1, max: 30 } };
    await lab.create({ groups });
    const group = await lab.group();
    expect(group).to.deep.include({ MinSize: 1, MaxSize: 30, DesiredCapacity: 1 });
    expect(group).to.deep.include({ NewInstancesProtectedFromScaleIn: true, DefaultInstanceWarmup: 0 });
    const { InstancesDistribution, LaunchTemplate } = group?.MixedInstancesPolicy ?? {};
    expect(InstancesDistribution).to.deep.include(spotDistribution(2));
    expect(LaunchTemplate?.LaunchTemplateSpecification?.Version).to.equal('1');
    const types = LaunchTemplate?.Overrides?.map(({ InstanceType }) => InstanceType);
    expect(types).to.deep.equal(['c7g.large', 'm7g.large']);
    expect(group?.SuspendedProcesses?.map(({ ProcessName }) => ProcessName)).to.deep.equal(['AZRebalance']);
    expect(group?.EnabledMetrics).not.to.deep.equal([]);
    const tags = group?.Tags?.map(({ Key, Value, PropagateAtLaunch }) => `${Key} ${Value} ${PropagateAtLaunch}`);
    expect(tags).to.have.members([
      `batchctl:stack ${lab.stack} true`,
      'batchctl:home us-east-1/lab/ true',
      'batchctl:group default true',
      'batchctl:mode auto false',
      'batchctl:bounds 1 30 false',
    ]);
    const hooks = await lab.clients.scaling.describeLifecycleHooks({ AutoScalingGroupName: lab.name() });
    expect(hooks.LifecycleHooks?.[0]).to.deep.include(terminationHook('batchctl-drain', 600));
    const instance = await until('the group has an instance', () => lab.cloud.grid.instances(lab.name())[0]);
    expect(instance.tags).to.include({ 'batchctl:stack': lab.stack, 'batchctl:release': 'aaaaaaaaaaaa' });
    expect(instance.tags).not.to.have.property('batchctl:mode');
  });

  it('buys only on-demand instances if spot is turned off', async () => {
    await lab.create({ groups: { default: { spot: false } } });
    const distribution = (await lab.group())?.MixedInstancesPolicy?.InstancesDistribution;
    expect(distribution).to.deep.include({ OnDemandBaseCapacity: 0, OnDemandPercentageAboveBaseCapacity: 100 });
  });

  it("has the customer's key on volumes, the profile's security groups, and no address unless requested", async () => {
    await lab.open();
    const group = { GroupName: lab.name('theirs'), Description: 'theirs' };
    const { GroupId } = await lab.clients.ec2.createSecurityGroup(group);
    const kmsKey = `arn:aws:kms:us-east-1:${lab.cloud.account}:key/1`;
    await lab.reopen({ kmsKey, network: { securityGroups: [GroupId], publicIp: false } });
    expect(await up(lab.grid)).to.deep.equal(['launchTemplate', 'group']);
    const data = await templateData();
    expect(data.BlockDeviceMappings?.[0]?.Ebs).to.include({ Encrypted: true, KmsKeyId: kmsKey });
    expect(data.NetworkInterfaces?.[0]).to.deep.include({ Groups: [GroupId], AssociatePublicIpAddress: false });
  });

  it("starts instances without tags in their metadata if a tag's name is not allowed there", async () => {
    await lab.create({ tags: { 'cost center': '1' } });
    expect((await templateData()).MetadataOptions?.InstanceMetadataTags).to.equal('disabled');
  });

  it('starts burstable instances so that EC2 never slows busy ones down, and says so of no other type', async () => {
    const credits = async (instances: readonly string[]) => {
      await lab.create({ groups: { default: { instances } } });
      expect(await lab.resource('launchTemplate').look()).to.deep.equal(UP_TO_DATE);
      return (await templateData()).CreditSpecification?.CpuCredits;
    };
    expect(await credits(['t4g.small', 't4g.medium'])).to.equal('unlimited');
    // EC2 refuses the setting for the other type.
    expect(await credits(['t4g.small', 'c7g.large'])).to.equal(undefined);
    expect(await credits(['c7g.large', 'm7g.large'])).to.equal(undefined);
  });

  it('makes the manager a group of one, reachable at its port from the allowed networks', async () => {
    await lab.open({ manager: { allow: ['203.0.113.7/24', '2001:DB8:0::1/32'] } });
    await up(lab.all);
    const { id, incoming } = await rulesOf(lab.name('manager'));
    expect(incoming).to.have.members(['tcp 443 203.0.113.0/24', 'tcp 443 2001:db8::/32']);
    expect(await lab.group(lab.name('manager'))).to.deep.include({
      MinSize: 1,
      MaxSize: 1,
      DesiredCapacity: 1,
      NewInstancesProtectedFromScaleIn: false,
    });
    const [address, ...others] = await addresses();
    expect(others).to.deep.equal([]);
    const data = await templateData(lab.name('manager'));
    expect(data.NetworkInterfaces?.[0]?.Groups).to.deep.equal([id]);
    expect(data.IamInstanceProfile?.Name).to.equal(lab.name('manager'));
    expect(decodeUserData(data.UserData ?? '')).to.include(address?.AllocationId);
  });

  it('detaches an address in use from its instance before releasing it', async () => {
    await lab.open({ manager: {} });
    await up(lab.manager);
    const { ec2 } = lab.clients;
    const [{ AllocationId } = {}] = await addresses();
    const { Instances = [] } = await ec2.runInstances({ ImageId: 'ami-03cf127a', MinCount: 1, MaxCount: 1 });
    await ec2.associateAddress({ AllocationId, InstanceId: Instances[0]?.InstanceId });
    expect(await down(lab.manager)).to.deep.equal([]);
    expect(await addresses()).to.deep.equal([]);
  });

  it("refuses other owners' resources under its names, and doesn't remove them", async () => {
    await lab.open();
    const { ec2 } = lab.clients;
    await ec2.createSecurityGroup({ GroupName: lab.name('worker'), Description: 'theirs' });
    await ec2.createLaunchTemplate({
      LaunchTemplateName: lab.name(),
      LaunchTemplateData: { ImageId: 'ami-03cf127a' },
    });
    for (const [kind, words] of [
      ['securityGroup', 'security group'],
      ['launchTemplate', 'launch template'],
    ] as const) {
      const resource = lab.resource(kind);
      for (const error of [await failsWith('refused', resource.look()), await failsWith('refused', resource.apply())])
        expect(error.message).to.include(`the ${words}`).and.include('was not made by batchctl');
    }
    expect(await down(lab.grid)).to.deep.equal([
      `launchTemplate ${lab.name()}: was not made by batchctl`,
      `securityGroup ${lab.name('worker')}: was not made by batchctl`,
    ]);
    const { LaunchTemplates } = await ec2.describeLaunchTemplates({ LaunchTemplateNames: [lab.name()] });
    expect(LaunchTemplates).to.have.length(1);
  });

  it('keeps a group with instances unless asked to terminate them', async () => {
    await lab.create({ groups: { default: { min: 1 } } });
    await until('the group has an instance', () => lab.cloud.grid.instances(lab.name()).length === 1);
    expect(await down(lab.grid.slice(2), false)).to.deep.equal([`group ${lab.name()}: it has 1 instance`]);
    expect(await down(lab.grid)).to.deep.equal([]);
    await expectAll(lab.grid, ABSENT);
  });
});
