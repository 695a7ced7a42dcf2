import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVolumesCommand,
  EC2Client,
  type Tag,
} from '@aws-sdk/client-ec2';
import { IAMClient, ListInstanceProfilesCommand, ListRolesCommand } from '@aws-sdk/client-iam';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Cloud } from './cloud.ts';

/** Clients of somebody else than who runs batchctl. */
export interface Others {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly iam: IAMClient;
  readonly ec2: EC2Client;
  readonly scaling: AutoScalingClient;
  close(): void;
}

export function othersIn({ url }: Pick<Cloud, 'url'>, region = 'us-east-1', accessKeyId = 'AKIDOTHER'): Others {
  const at = { region, endpoint: url, credentials: { accessKeyId, secretAccessKey: 'secret' } };
  const clients = {
    s3: new S3Client({ ...at, forcePathStyle: true }),
    sqs: new SQSClient(at),
    iam: new IAMClient(at),
    ec2: new EC2Client(at),
    scaling: new AutoScalingClient(at),
  };
  const close = (): void => {
    for (const client of Object.values(clients)) client.destroy();
  };
  return { ...clients, close };
}

/** What an account holds that somebody made: asked of each service itself, whatever its tags. */
export async function leftovers(cloud: Cloud): Promise<readonly string[]> {
  const auditor = othersIn(cloud, 'us-east-1', 'AKIDAUDITOR');
  try {
    return await holdings(auditor);
  } finally {
    auditor.close();
  }
}

/** The same, of which the name, or tag, is a stack's. */
export async function remainsOf(stack: string, others: Others): Promise<readonly string[]> {
  return (await holdings(others, stack)).filter((text) => text.includes(` ${stack}`)).sort();
}

/** Each as its kind and name; those that have no name, by their stack. SQS lists a thousand queues: here those whose names begin so. */
async function holdings({ s3, sqs, iam, ec2, scaling }: Others, queues?: string): Promise<readonly string[]> {
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: queues }));
  const { Roles = [] } = await iam.send(new ListRolesCommand({}));
  const { InstanceProfiles = [] } = await iam.send(new ListInstanceProfilesCommand({}));
  const { AutoScalingGroups = [] } = await scaling.send(new DescribeAutoScalingGroupsCommand({}));
  const { LaunchTemplates = [] } = await ec2.send(new DescribeLaunchTemplatesCommand({}));
  const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({}));
  const { Addresses = [] } = await ec2.send(new DescribeAddressesCommand({}));
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
  const { Volumes = [] } = await ec2.send(new DescribeVolumesCommand({}));
  const { NetworkInterfaces = [] } = await ec2.send(new DescribeNetworkInterfacesCommand({}));
  const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
  return [
    ...Buckets.map(({ Name }) => `bucket ${Name}`),
    ...QueueUrls.map((url) => `queue ${url.slice(url.lastIndexOf('/') + 1)}`),
    ...Roles.map(({ RoleName }) => `role ${RoleName}`),
    ...InstanceProfiles.map(({ InstanceProfileName }) => `profile ${InstanceProfileName}`),
    ...AutoScalingGroups.map(({ AutoScalingGroupName }) => `group ${AutoScalingGroupName}`),
    ...LaunchTemplates.map(({ LaunchTemplateName }) => `launchTemplate ${LaunchTemplateName}`),
    // Every VPC has one of that name.
    ...SecurityGroups.filter(({ GroupName }) => GroupName !== 'default').map((one) => `securityGroup ${one.GroupName}`),
    ...Addresses.map(({ Tags, PublicIp }) => `address ${stackOf(Tags) ?? PublicIp}`),
    ...instances
      .filter(({ State }) => State?.Name !== 'terminated')
      .map(({ Tags, InstanceId }) => `instance ${stackOf(Tags) ?? InstanceId}`),
    ...Volumes.map(({ VolumeId }) => `volume ${VolumeId}`),
    ...NetworkInterfaces.map(({ NetworkInterfaceId }) => `interface ${NetworkInterfaceId}`),
  ];
}

const stackOf = (tags: readonly Tag[] = []): string | undefined =>
  tags.find(({ Key }) => Key === 'batchctl:stack')?.Value;
