import { AutoScalingClient, DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  type Tag,
} from '@aws-sdk/client-ec2';
import { IAMClient, ListInstanceProfilesCommand, ListRolesCommand } from '@aws-sdk/client-iam';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Cloud } from '../support/grid/cloud.ts';

/** Clients of somebody else than who runs batchctl. */
export interface Others {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly iam: IAMClient;
  readonly ec2: EC2Client;
  readonly scaling: AutoScalingClient;
}

export function othersIn(cloud: Cloud, region = 'us-east-1'): Others {
  const credentials = { accessKeyId: 'AKIDOTHER', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
  const at = { region, endpoint: cloud.url, credentials };
  return {
    s3: new S3Client({ ...at, forcePathStyle: true }),
    sqs: new SQSClient(at),
    iam: new IAMClient(at),
    ec2: new EC2Client(at),
    scaling: new AutoScalingClient(at),
  };
}

/** All that an account has whose name, or tag, is a stack's; asked without what is tested. */
export async function remainsOf(stack: string, { s3, sqs, iam, ec2, scaling }: Others): Promise<readonly string[]> {
  const [buckets, queues, roles, profiles, templates, security, addresses, groups, instances] = await Promise.all([
    s3.send(new ListBucketsCommand({})),
    sqs.send(new ListQueuesCommand({})),
    iam.send(new ListRolesCommand({})),
    iam.send(new ListInstanceProfilesCommand({})),
    ec2.send(new DescribeLaunchTemplatesCommand({})),
    ec2.send(new DescribeSecurityGroupsCommand({})),
    ec2.send(new DescribeAddressesCommand({})),
    scaling.send(new DescribeAutoScalingGroupsCommand({})),
    ec2.send(new DescribeInstancesCommand({})),
  ]);
  const found = [
    ...(buckets.Buckets ?? []).map(({ Name }) => `bucket ${Name}`),
    ...(queues.QueueUrls ?? []).map((url) => `queue ${url.slice(url.lastIndexOf('/') + 1)}`),
    ...(roles.Roles ?? []).map(({ RoleName }) => `role ${RoleName}`),
    ...(profiles.InstanceProfiles ?? []).map(({ InstanceProfileName }) => `profile ${InstanceProfileName}`),
    ...(templates.LaunchTemplates ?? []).map(({ LaunchTemplateName }) => `launchTemplate ${LaunchTemplateName}`),
    ...(security.SecurityGroups ?? []).map(({ GroupName }) => `securityGroup ${GroupName}`),
    ...(groups.AutoScalingGroups ?? []).map(({ AutoScalingGroupName }) => `group ${AutoScalingGroupName}`),
    ...(addresses.Addresses ?? []).map(({ Tags }) => `address ${stackOf(Tags)}`),
    ...(instances.Reservations ?? [])
      .flatMap(({ Instances = [] }) => Instances)
      .filter(({ State }) => State?.Name !== 'terminated')
      .map(({ Tags }) => `instance ${stackOf(Tags)}`),
  ];
  return found.filter((text) => text.includes(` ${stack}`)).sort();
}

const stackOf = (tags: readonly Tag[] = []): string => tags.find(({ Key }) => Key === 'batchctl:stack')?.Value ?? '';
