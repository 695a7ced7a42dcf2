// Protects: the emulated AWS answers, delays and fails as AWS does, so that grid tests can be trusted.
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CreateLaunchTemplateVersionCommand,
  CreateSecurityGroupCommand,
  DeleteLaunchTemplateVersionsCommand,
  DeleteSecurityGroupCommand,
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeVolumesCommand,
  ModifyLaunchTemplateCommand,
  ReleaseAddressCommand,
} from '@aws-sdk/client-ec2';
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { CREDENTIALS } from '../aws-keys.ts';
import { forSuite } from '../fixture.ts';
import { rejection } from '../rejection.ts';
import { until } from '../until.ts';
import { openAccount } from './emulated-account.ts';

describe('the emulated cloud', () => {
  const account = forSuite(() => openAccount({ sqs: 'own', profileDelay: 400, pace: { notice: 20 } }));
  const work = { LaunchTemplateName: 'work' };

  const name = async (asked: Promise<unknown>): Promise<string> => (await rejection(asked)).name;
  const client = () => ({
    ...{ region: 'us-east-1', endpoint: account.cloud.url, maxAttempts: 1, forcePathStyle: true },
    credentials: CREDENTIALS,
  });

  it('answers for every service at one address, and records who asked what', async () => {
    const [s3, sqs] = [new S3Client(client()), new SQSClient(client())];
    account.cloud.takeCalls();
    await s3.send(new CreateBucketCommand({ Bucket: 'some' }));
    await sqs.send(new CreateQueueCommand({ QueueName: 'some' }));
    await account.ec2.send(new DescribeAddressesCommand({}));
    expect((await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).to.deep.equal(['some']);
    const seen = account.cloud
      .takeCalls()
      .map(({ service, action, status, accessKeyId }) => [service, action, status, accessKeyId]);
    expect(seen).to.deep.equal([
      ['s3', 'PUT', 200, 'AKIDEXAMPLE'],
      ['sqs', 'CreateQueue', 200, 'AKIDEXAMPLE'],
      ['ec2', 'DescribeAddresses', 200, 'AKIDEXAMPLE'],
      ['s3', 'GET', 200, 'AKIDEXAMPLE'],
    ]);
    s3.destroy();
    sqs.destroy();
  });

  it('lets groups use an instance profile only some time after it was made', async () => {
    const refused = await until('it is refused', async () => {
      try {
        await account.makeGroup('early', 0);
        return 'made';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
    });
    // Made just before: within the time, unless the machine was slow to come here.
    if (refused !== 'made') expect(refused).to.include('Invalid IAM Instance Profile name');
    await until('it is known', () =>
      account.makeGroup('early', 0).then(
        () => true,
        () => refused === 'made',
      ),
    );
  });

  it('keeps versions of a launch template: their numbers, the default, what they inherit', async () => {
    const make = new CreateLaunchTemplateVersionCommand({
      ...{ ...work, SourceVersion: '1', VersionDescription: 'second' },
      LaunchTemplateData: { ImageId: 'ami-2' },
    });
    const { LaunchTemplateVersion: made } = await account.ec2.send(make);
    expect(made?.VersionNumber).to.equal(2);
    expect(made?.LaunchTemplateData).to.deep.include({ ImageId: 'ami-2', InstanceType: 'c7g.large' });
    expect(made?.LaunchTemplateData?.BlockDeviceMappings?.[0]?.Ebs).to.include({ VolumeSize: 30, Encrypted: true });
    expect(made?.LaunchTemplateData?.TagSpecifications?.map(({ ResourceType }) => ResourceType)).to.deep.equal([
      ...['instance', 'volume', 'network-interface'],
    ]);
    await account.ec2.send(new ModifyLaunchTemplateCommand({ ...work, DefaultVersion: '2' }));
    const gone = await account.ec2.send(
      new DeleteLaunchTemplateVersionsCommand({ ...work, Versions: ['1', '2', '9'] }),
    );
    expect(gone.SuccessfullyDeletedLaunchTemplateVersions?.map(({ VersionNumber }) => VersionNumber)).to.deep.equal([
      1,
    ]);
    expect(gone.UnsuccessfullyDeletedLaunchTemplateVersions?.map((one) => one.ResponseError?.Code)).to.deep.equal([
      ...['unexpectedError', 'launchTemplateVersionDoesNotExist'],
    ]);
    // A number is never used twice.
    const source = new CreateLaunchTemplateVersionCommand({ ...work, SourceVersion: '2', LaunchTemplateData: {} });
    expect((await account.ec2.send(source)).LaunchTemplateVersion?.VersionNumber).to.equal(3);
    const look = new DescribeLaunchTemplateVersionsCommand({ ...work, Versions: ['1'] });
    expect(await name(account.ec2.send(look))).to.equal('InvalidLaunchTemplateId.VersionNotFound');
    const all = await account.ec2.send(new DescribeLaunchTemplateVersionsCommand(work));
    expect(
      all.LaunchTemplateVersions?.map(({ VersionNumber, DefaultVersion }) => [VersionNumber, DefaultVersion]),
    ).to.deep.equal([
      [3, false],
      [2, true],
    ]);
    const { LaunchTemplates } = await account.ec2.send(
      new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['work'] }),
    );
    expect(LaunchTemplates?.[0]).to.include({ DefaultVersionNumber: 2, LatestVersionNumber: 3 });
    const unknown = new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['none'] });
    expect(await name(account.ec2.send(unknown))).to.equal('InvalidLaunchTemplateName.NotFoundException');
  });

  it('ends what belongs to an instance with it, and keeps in place what is in use', async () => {
    const made = await account.ec2.send(new CreateSecurityGroupCommand({ GroupName: 'doors', Description: 'doors' }));
    const GroupId = made.GroupId ?? '';
    await account.ec2.send(
      new CreateLaunchTemplateVersionCommand({
        ...{ ...work, SourceVersion: '$Latest' },
        LaunchTemplateData: { NetworkInterfaces: [{ DeviceIndex: 0, Groups: [GroupId], DeleteOnTermination: true }] },
      }),
    );
    const [one, two] = await account.makeGroup('used', 2, {
      ...{ LaunchTemplate: { ...work, Version: '$Latest' }, LifecycleHookSpecificationList: [] },
    });
    const seen = await account.ec2.send(new DescribeInstancesCommand({ InstanceIds: [one?.id ?? ''] }));
    const instance = seen.Reservations?.[0]?.Instances?.[0];
    expect(instance?.SecurityGroups?.map((group) => group.GroupId)).to.deep.equal([GroupId]);
    const drop = new DeleteSecurityGroupCommand({ GroupId });
    expect(await name(account.ec2.send(drop))).to.equal('DependencyViolation');
    const { AllocationId } = await account.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    const take = (InstanceId = '', AllowReassociation?: boolean) =>
      account.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId, AllowReassociation }));
    const holder = async () =>
      (await account.ec2.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId ?? ''] }))).Addresses?.[0]
        ?.InstanceId;
    await take(one?.id);
    expect(await name(take(two?.id, false))).to.equal('Resource.AlreadyAssociated');
    expect(await holder()).to.equal(one?.id);
    await take(two?.id);
    expect(await holder()).to.equal(two?.id);
    expect(await name(account.ec2.send(new ReleaseAddressCommand({ AllocationId })))).to.equal(
      'InvalidIPAddress.InUse',
    );
    await account.resize('used', 0);
    for (const each of [one, two]) account.cloud.grid.kill(each?.id ?? '');
    await account.serves('used', 0);
    await until('it has let the address go', async () => ((await holder()) ?? '') === '');
    await account.ec2.send(new ReleaseAddressCommand({ AllocationId }));
    await until('interfaces and volumes are gone', async () => {
      const nics = await account.ec2.send(new DescribeNetworkInterfacesCommand({}));
      const volumes = await account.ec2.send(new DescribeVolumesCommand({}));
      return nics.NetworkInterfaces?.length === 0 && volumes.Volumes?.length === 0;
    });
    await account.ec2.send(drop);
  });

  it('answers nothing after a cut, and carries out the last request or not, as the test says', async () => {
    const make = (GroupName: string) =>
      account.ec2.send(new CreateSecurityGroupCommand({ GroupName, Description: 'doors' }));
    const cut = account.cloud.cutAfter(1);
    await make('one');
    expect(await name(make('two'))).to.equal('CutOff');
    expect((await cut.met).action).to.equal('CreateSecurityGroup');
    cut.end();
    await make('two');
    const lost = account.cloud.cutAfter(0, 'lost');
    const third = rejection(make('three'));
    await lost.met;
    await until('it was done', () => account.cloud.calls.some(({ body }) => body.includes('GroupName=three')));
    lost.end();
    await third;
    expect(await name(make('three'))).to.equal('InvalidGroup.Duplicate');
  });

  it('fails the next requests that match, in the error format of their service', async () => {
    account.cloud.failNext('ec2:DescribeAddresses', 503, 'RequestLimitExceeded', 'slow down');
    expect(await name(account.ec2.send(new DescribeAddressesCommand({})))).to.equal('RequestLimitExceeded');
    await account.ec2.send(new DescribeAddressesCommand({}));
    account.cloud.failNext(({ service }) => service === 'sqs', 400, 'AccessDenied', 'no');
    const sqs = new SQSClient(client());
    expect(await name(sqs.send(new CreateQueueCommand({ QueueName: 'other' })))).to.equal('AccessDenied');
    sqs.destroy();
  });
});
