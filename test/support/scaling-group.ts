import type { CreateAutoScalingGroupCommandInput } from '@aws-sdk/client-auto-scaling';
import { randomId } from '../../src/lib/id.ts';
import { GROUP_TAG, gridName, MODE_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { KEYS } from './aws-keys.ts';
import { AwsWorkspace } from './aws-workspace.ts';
import { accountClients, mixedPolicy, spotDistribution } from './grid/account-clients.ts';
import type { Cloud } from './grid/cloud.ts';

export interface ScalingGroupOptions {
  readonly group?: string;
  readonly min?: number;
  readonly max?: number;
  readonly desired?: number;
  readonly mode?: 'auto' | 'manual';
  readonly more?: Partial<CreateAutoScalingGroupCommandInput> | undefined;
}

/** An image that moto has from the start. */
const IMAGE = 'ami-12c6146b';

/** Creates an Auto Scaling group of a stack without batchctl. No worker starts on its instances. */
export async function createScalingGroup(cloud: Cloud, stack: string, made: ScalingGroupOptions = {}): Promise<string> {
  const { group = 'default', min = 0, max = 8, desired = 0, mode = 'auto', more = {} } = made;
  const name = gridName(stack, group);
  const { ec2, scaling, close } = accountClients(cloud, { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, maxAttempts: 1 });
  try {
    const data = { ImageId: IMAGE, InstanceType: 'c7g.large' } as const;
    await ec2.createLaunchTemplate({ LaunchTemplateName: name, LaunchTemplateData: data });
    const { Subnets = [] } = await ec2.describeSubnets({});
    const tag = (Key: string, Value: string) => ({ Key, Value, PropagateAtLaunch: false });
    await scaling.createAutoScalingGroup({
      AutoScalingGroupName: name,
      MinSize: min,
      MaxSize: max,
      DesiredCapacity: desired,
      LaunchTemplate: { LaunchTemplateName: name, Version: '1' },
      VPCZoneIdentifier: Subnets.slice(0, 2)
        .map(({ SubnetId }) => SubnetId)
        .join(','),
      Tags: [tag(STACK_TAG, stack), tag(GROUP_TAG, group), tag(MODE_TAG, mode)],
      ...more,
    });
    return name;
  } finally {
    close();
  }
}

/** Settings for a group that buys `base` on-demand instances, and then spot instances. */
export const spotPolicy = (stack: string, base: number, group = 'default'): ScalingGroupOptions['more'] => ({
  LaunchTemplate: undefined,
  MixedInstancesPolicy: mixedPolicy(gridName(stack, group), ['c7g.large', 'm7g.large'], spotDistribution(base)),
});

/** A workspace whose bucket, queues and groups are in the emulated account. */
export async function scalingWorkspace(
  cloud: Cloud,
  profile: Readonly<Record<string, unknown>> = {},
): Promise<AwsWorkspace> {
  const endpoints = Object.fromEntries(
    ['s3', 'sqs', 'ec2', 'autoscaling', 'iam', 'ssm', 'sts'].map((service) => [service, cloud.url]),
  );
  return AwsWorkspace.make({ s3: cloud.url, sqs: cloud.url, profile: { endpoints, ...profile } });
}

/** Waits until a workspace's group has exactly `count` instances, all in service. */
export const untilInService = (
  cloud: Cloud,
  { stack }: Pick<AwsWorkspace, 'stack'>,
  count: number,
  group = 'default',
) => cloud.grid.serves(gridName(stack, group), count);

/** The actions that changed groups since the last call. */
export const takeGroupCalls = (cloud: Cloud): readonly string[] =>
  cloud
    .takeChanges()
    .filter(({ service }) => service === 'autoscaling')
    .map(({ action }) => action);

/** A new name for a stack. */
export const newStackName = (): string => `lab-${randomId(6)}`;
