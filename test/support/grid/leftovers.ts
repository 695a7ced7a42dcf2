import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVolumesCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { IAMClient, ListInstanceProfilesCommand, ListRolesCommand } from '@aws-sdk/client-iam';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Cloud } from './cloud.ts';

/** What an account holds that somebody made: asked of each service itself, whatever its tags. */
export async function leftovers(cloud: Cloud): Promise<readonly string[]> {
  const client = {
    ...{ region: 'us-east-1', endpoint: cloud.url },
    credentials: { accessKeyId: 'AKIDAUDITOR', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
  };
  const [ec2, scaling, iam] = [new EC2Client(client), new AutoScalingClient(client), new IAMClient(client)];
  const [s3, sqs] = [new S3Client({ ...client, forcePathStyle: true }), new SQSClient(client)];
  try {
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
    const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
    const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({}));
    const found: readonly (readonly [string, readonly (string | undefined)[]])[] = [
      ['instance', instances.filter(({ State }) => State?.Name !== 'terminated').map(({ InstanceId }) => InstanceId)],
      ['volume', ((await ec2.send(new DescribeVolumesCommand({}))).Volumes ?? []).map(({ VolumeId }) => VolumeId)],
      [
        'interface',
        ((await ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces ?? []).map(
          (one) => one.NetworkInterfaceId,
        ),
      ],
      ['address', ((await ec2.send(new DescribeAddressesCommand({}))).Addresses ?? []).map(({ PublicIp }) => PublicIp)],
      [
        'template',
        ((await ec2.send(new DescribeLaunchTemplatesCommand({}))).LaunchTemplates ?? []).map(
          (one) => one.LaunchTemplateName,
        ),
      ],
      // Every VPC has one of that name.
      ['security group', SecurityGroups.map(({ GroupName }) => GroupName).filter((name) => name !== 'default')],
      [
        'group',
        ((await scaling.send(new DescribeAutoScalingGroupsCommand({}))).AutoScalingGroups ?? []).map(
          (one) => one.AutoScalingGroupName,
        ),
      ],
      ['role', ((await iam.send(new ListRolesCommand({}))).Roles ?? []).map(({ RoleName }) => RoleName)],
      [
        'profile',
        ((await iam.send(new ListInstanceProfilesCommand({}))).InstanceProfiles ?? []).map(
          (one) => one.InstanceProfileName,
        ),
      ],
      ['queue', ((await sqs.send(new ListQueuesCommand({}))).QueueUrls ?? []).map((url) => url.split('/').at(-1))],
      ['bucket', ((await s3.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name }) => Name)],
    ];
    return found.flatMap(([kind, names]) => names.map((name) => `${kind} ${name}`));
  } finally {
    for (const each of [ec2, scaling, iam, s3, sqs]) each.destroy();
  }
}
