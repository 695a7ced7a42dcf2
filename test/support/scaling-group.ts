import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  type CreateAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { CreateLaunchTemplateCommand, DescribeSubnetsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { randomId } from '../../src/lib/id.ts';
import { GROUP_TAG, gridName, MODE_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { CREDENTIALS } from './aws-keys.ts';
import { AwsWorkspace } from './aws-workspace.ts';
import type { Cloud } from './grid/cloud.ts';

export interface MadeGroup {
  readonly group?: string;
  readonly min?: number;
  readonly max?: number;
  readonly desired?: number;
  readonly mode?: 'auto' | 'manual';
  readonly more?: Partial<CreateAutoScalingGroupCommandInput> | undefined;
}

/** An image that moto has from the start. */
const IMAGE = 'ami-12c6146b';

/** Makes a stack's Auto Scaling group by hand, on whatever the emulated account has: no worker starts on its instances. */
export async function makeScalingGroup(cloud: Cloud, stack: string, made: MadeGroup = {}): Promise<string> {
  const { group = 'default', min = 0, max = 8, desired = 0, mode = 'auto', more = {} } = made;
  const name = gridName(stack, group);
  const at = { region: 'us-east-1', endpoint: cloud.url, credentials: CREDENTIALS, maxAttempts: 1 };
  const [ec2, scaling] = [new EC2Client(at), new AutoScalingClient(at)];
  try {
    const data = { ImageId: IMAGE, InstanceType: 'c7g.large' } as const;
    await ec2.send(new CreateLaunchTemplateCommand({ LaunchTemplateName: name, LaunchTemplateData: data }));
    const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}));
    const tag = (Key: string, Value: string) => ({ Key, Value, PropagateAtLaunch: false });
    await scaling.send(
      new CreateAutoScalingGroupCommand({
        ...{ AutoScalingGroupName: name, MinSize: min, MaxSize: max, DesiredCapacity: desired },
        LaunchTemplate: { LaunchTemplateName: name, Version: '1' },
        VPCZoneIdentifier: Subnets.slice(0, 2)
          .map(({ SubnetId }) => SubnetId)
          .join(','),
        Tags: [tag(STACK_TAG, stack), tag(GROUP_TAG, group), tag(MODE_TAG, mode)],
        ...more,
      }),
    );
    return name;
  } finally {
    ec2.destroy();
    scaling.destroy();
  }
}

/** A group's policy to buy spot, beyond so many on demand; in place of its launch template alone. */
export const spotPolicy = (stack: string, base: number, group = 'default'): MadeGroup['more'] => ({
  LaunchTemplate: undefined,
  MixedInstancesPolicy: {
    LaunchTemplate: {
      LaunchTemplateSpecification: { LaunchTemplateName: gridName(stack, group), Version: '1' },
      Overrides: [{ InstanceType: 'c7g.large' }, { InstanceType: 'm7g.large' }],
    },
    InstancesDistribution: {
      ...{ OnDemandBaseCapacity: base, OnDemandPercentageAboveBaseCapacity: 0 },
      SpotAllocationStrategy: 'price-capacity-optimized',
    },
  },
});

/** A workspace whose bucket, queues and groups are of the emulated account. */
export async function scalingWorkspace(
  cloud: Cloud,
  profile: Readonly<Record<string, unknown>> = {},
): Promise<AwsWorkspace> {
  const endpoints = Object.fromEntries(
    ['s3', 'sqs', 'ec2', 'autoscaling', 'iam', 'ssm', 'sts'].map((service) => [service, cloud.url]),
  );
  return AwsWorkspace.make({ s3: cloud.url, sqs: cloud.url, profile: { endpoints, ...profile } });
}

/** Waits until a workspace's group has just so many instances, all in service. */
export const inService = (cloud: Cloud, { stack }: Pick<AwsWorkspace, 'stack'>, count: number, group = 'default') =>
  cloud.grid.serves(gridName(stack, group), count);

/** What changed a group since the last time, by action. */
export const takeGroupChanges = (cloud: Cloud): readonly string[] =>
  cloud
    .takeCalls()
    .filter(({ service, action }) => service === 'autoscaling' && !action.startsWith('Describe'))
    .map(({ action }) => action);

/** A stack's name that nothing else has. */
export const freshStack = (): string => `lab-${randomId(6)}`;
