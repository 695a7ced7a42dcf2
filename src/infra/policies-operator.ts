import type { AwsProfile } from '../config.ts';
import { gridName, MANAGER_GROUP } from '../lib/stack-names.ts';
import type { Arns } from './arns.ts';
import { measuring, ofStack, prices, QUEUE, quotas, RESUME, working } from './policies-shared.ts';
import { allow, type Statement } from './policy.ts';

/** What `doctor` looks at, and a resumed upload. */
const LOOK = [
  ...['s3:GetLifecycleConfiguration', 's3:GetBucketVersioning', 's3:GetBucketPublicAccessBlock'],
  ...['s3:GetBucketPolicyStatus', 's3:ListBucketMultipartUploads'],
];
const SCALE = [
  'autoscaling:SetDesiredCapacity',
  'autoscaling:UpdateAutoScalingGroup',
  'autoscaling:CreateOrUpdateTags',
];
const END_INSTANCE = 'autoscaling:TerminateInstanceInAutoScalingGroup';
const LOOK_AT_GROUPS = ['autoscaling:DescribeAutoScalingGroups', 'autoscaling:DescribeScalingActivities'];

export function operatorPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    ...objects(arns),
    allow('Look', LOOK, [arns.bucket]),
    allow('Queues', [...QUEUE, 'sqs:PurgeQueue'], arns.queues),
    // Who rolls a release out ends instances that have no worker.
    allow('Scale', [...SCALE, END_INSTANCE], arns.groups),
    allow('LookAtGroups', LOOK_AT_GROUPS, ['*']),
    allow('LookAtTypes', ['ec2:DescribeInstanceTypes'], ['*']),
    quotas(arns),
    prices(profile),
    ...working(profile, arns),
    ...measuring(profile),
  ];
}

/**
 * It does for people what they may do, but purges no queue and rolls no release out; and takes the address that it is
 * reached at.
 */
export function managerPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    ...objects(arns),
    allow('Look', ['s3:ListBucketMultipartUploads'], [arns.bucket]),
    allow('Queues', QUEUE, arns.queues),
    allow('Scale', SCALE, arns.groups),
    allow('LookAtGroups', LOOK_AT_GROUPS, ['*']),
    prices(profile),
    // One that can't be set up ends itself.
    allow('Self', [END_INSTANCE], [arns.group(gridName(profile.stack, MANAGER_GROUP))]),
    allow('LookAtAddress', ['ec2:DescribeAddresses'], ['*']),
    allow(
      'TakeAddress',
      ['ec2:AssociateAddress'],
      ['elastic-ip/*', 'instance/*', 'network-interface/*'].map((of) => arns.ec2(of)),
      // Each of the three has the tag: the template gives it to instance and interface.
      ofStack(profile),
    ),
    ...working(profile, arns),
    ...measuring(profile),
  ];
}

const objects = (arns: Arns): readonly Statement[] => [
  allow('Objects', ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', ...RESUME], arns.objects('*')),
];
