// Protects: the emulated AWS answers, delays and fails as AWS does, so that grid tests can be trusted.
import { expect } from 'chai';
import { forSuite } from '../fixture.ts';
import { rejection } from '../rejection.ts';
import { until } from '../until.ts';
import { addressHolder } from './account-clients.ts';
import { openAccount } from './emulated-account.ts';

describe('the emulated cloud', () => {
  let isNewProfile = false;
  const account = forSuite(() => openAccount({ sqs: 'own', isNewProfile: () => isNewProfile, pace: { notice: 20 } }));
  const work = { LaunchTemplateName: 'work' };
  const errorName = async (request: Promise<unknown>): Promise<string> => (await rejection(request)).name;

  it('answers for every service at one address, and records requests and their callers', async () => {
    const { s3, sqs } = account;
    account.cloud.takeCalls();
    await s3.createBucket({ Bucket: 'some' });
    await sqs.createQueue({ QueueName: 'some' });
    await account.ec2.describeAddresses({});
    expect((await s3.listBuckets({})).Buckets?.map(({ Name }) => Name)).to.deep.equal(['some']);
    const calls = account.cloud.takeCalls();
    expect(
      calls.map(({ service, action, status, accessKeyId }) => [service, action, status, accessKeyId]),
    ).to.deep.equal([
      ['s3', 'PUT', 200, 'AKIDEXAMPLE'],
      ['sqs', 'CreateQueue', 200, 'AKIDEXAMPLE'],
      ['ec2', 'DescribeAddresses', 200, 'AKIDEXAMPLE'],
      ['s3', 'GET', 200, 'AKIDEXAMPLE'],
    ]);
  });

  it('refuses groups with an instance profile that EC2 does not know yet', async () => {
    isNewProfile = true;
    const { message } = await rejection(account.makeGroup('early', 0));
    isNewProfile = false;
    expect(message).to.include('Invalid IAM Instance Profile name');
    await account.makeGroup('early', 0);
  });

  it('keeps versions of a launch template: their numbers, the default, what they inherit', async () => {
    const { ec2 } = account;
    const { LaunchTemplateVersion: created } = await ec2.createLaunchTemplateVersion({
      ...work,
      SourceVersion: '1',
      VersionDescription: 'second',
      LaunchTemplateData: { ImageId: 'ami-2' },
    });
    expect(created?.VersionNumber).to.equal(2);
    const { BlockDeviceMappings, TagSpecifications, ...data } = created?.LaunchTemplateData ?? {};
    expect(data).to.deep.include({ ImageId: 'ami-2', InstanceType: 'c7g.large' });
    expect(BlockDeviceMappings?.[0]?.Ebs).to.include({ VolumeSize: 30, Encrypted: true });
    const tagged = TagSpecifications?.map(({ ResourceType }) => ResourceType);
    expect(tagged).to.deep.equal(['instance', 'volume', 'network-interface']);
    await ec2.modifyLaunchTemplate({ ...work, DefaultVersion: '2' });
    const deletion = await ec2.deleteLaunchTemplateVersions({ ...work, Versions: ['1', '2', '9'] });
    const deleted = deletion.SuccessfullyDeletedLaunchTemplateVersions?.map(({ VersionNumber }) => VersionNumber);
    expect(deleted).to.deep.equal([1]);
    const errors = deletion.UnsuccessfullyDeletedLaunchTemplateVersions?.map((one) => one.ResponseError?.Code);
    expect(errors).to.deep.equal(['unexpectedError', 'launchTemplateVersionDoesNotExist']);
    // A number is never used twice.
    const third = await ec2.createLaunchTemplateVersion({ ...work, SourceVersion: '2', LaunchTemplateData: {} });
    expect(third.LaunchTemplateVersion?.VersionNumber).to.equal(3);
    expect(await errorName(ec2.describeLaunchTemplateVersions({ ...work, Versions: ['1'] }))).to.equal(
      'InvalidLaunchTemplateId.VersionNotFound',
    );
    const all = await ec2.describeLaunchTemplateVersions(work);
    const numbers = all.LaunchTemplateVersions?.map(({ VersionNumber, DefaultVersion }) => [
      VersionNumber,
      DefaultVersion,
    ]);
    expect(numbers).to.deep.equal([
      [3, false],
      [2, true],
    ]);
    const { LaunchTemplates } = await ec2.describeLaunchTemplates({ LaunchTemplateNames: ['work'] });
    expect(LaunchTemplates?.[0]).to.include({ DefaultVersionNumber: 2, LatestVersionNumber: 3 });
    expect(await errorName(ec2.describeLaunchTemplates({ LaunchTemplateNames: ['none'] }))).to.equal(
      'InvalidLaunchTemplateName.NotFoundException',
    );
  });

  it('ends what belongs to an instance with it, and refuses to remove what is in use', async () => {
    const { ec2 } = account;
    const { GroupId = '' } = await ec2.createSecurityGroup({ GroupName: 'doors', Description: 'doors' });
    await ec2.createLaunchTemplateVersion({
      ...work,
      SourceVersion: '$Latest',
      LaunchTemplateData: { NetworkInterfaces: [{ DeviceIndex: 0, Groups: [GroupId], DeleteOnTermination: true }] },
    });
    const [one, two] = await account.makeGroup('used', 2, {
      LaunchTemplate: { ...work, Version: '$Latest' },
      LifecycleHookSpecificationList: [],
    });
    const { Reservations } = await ec2.describeInstances({ InstanceIds: [one?.id ?? ''] });
    const instance = Reservations?.[0]?.Instances?.[0];
    expect(instance?.SecurityGroups?.map((group) => group.GroupId)).to.deep.equal([GroupId]);
    expect(await errorName(ec2.deleteSecurityGroup({ GroupId }))).to.equal('DependencyViolation');
    const { AllocationId = '' } = await ec2.allocateAddress({ Domain: 'vpc' });
    const associate = (InstanceId = '', AllowReassociation?: boolean) =>
      ec2.associateAddress({ AllocationId, InstanceId, AllowReassociation });
    const holder = () => addressHolder(account, AllocationId);
    await associate(one?.id);
    expect(await errorName(associate(two?.id, false))).to.equal('Resource.AlreadyAssociated');
    expect(await holder()).to.equal(one?.id);
    await associate(two?.id);
    expect(await holder()).to.equal(two?.id);
    expect(await errorName(ec2.releaseAddress({ AllocationId }))).to.equal('InvalidIPAddress.InUse');
    await account.resize('used', 0);
    for (const each of [one, two]) account.cloud.grid.kill(each?.id ?? '');
    await account.serves('used', 0);
    await until('the address is free', async () => ((await holder()) ?? '') === '');
    await ec2.releaseAddress({ AllocationId });
    await until('interfaces and volumes are gone', async () => {
      const { NetworkInterfaces } = await ec2.describeNetworkInterfaces({});
      const { Volumes } = await ec2.describeVolumes({});
      return NetworkInterfaces?.length === 0 && Volumes?.length === 0;
    });
    await ec2.deleteSecurityGroup({ GroupId });
  });

  it('answers no request after a cut, and carries out the last one if it is lost', async () => {
    const create = (GroupName: string) => account.ec2.createSecurityGroup({ GroupName, Description: 'doors' });
    const cut = account.cloud.cutAfter(1);
    await create('one');
    expect(await errorName(create('two'))).to.equal('CutOff');
    expect((await cut.met).action).to.equal('CreateSecurityGroup');
    cut.end();
    await create('two');
    const lost = account.cloud.cutAfter(0, 'lost');
    const third = rejection(create('three'));
    await lost.met;
    await until('the request is carried out', () =>
      account.cloud.calls.some(({ body }) => body.includes('GroupName=three')),
    );
    lost.end();
    await third;
    expect(await errorName(create('three'))).to.equal('InvalidGroup.Duplicate');
  });

  it('fails the next requests that match, in the error format of their service', async () => {
    account.cloud.failNext('ec2:DescribeAddresses', 503, 'RequestLimitExceeded', 'slow down');
    expect(await errorName(account.ec2.describeAddresses({}))).to.equal('RequestLimitExceeded');
    await account.ec2.describeAddresses({});
    account.cloud.failNext(({ service }) => service === 'sqs', 400, 'AccessDenied', 'no');
    expect(await errorName(account.sqs.createQueue({ QueueName: 'other' }))).to.equal('AccessDenied');
  });
});
