import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  SetDesiredCapacityCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateLaunchTemplateCommand, DescribeSubnetsCommand, EC2Client } from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  IAMClient,
} from '@aws-sdk/client-iam';
import { until } from '../until.ts';
import { type Cloud, type CloudOptions, startCloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';

/** A cloud with clients, a launch template and a profile, for tests of groups. */
export interface GridDesk {
  readonly cloud: Cloud;
  readonly scaling: AutoScalingClient;
  readonly ec2: EC2Client;
  readonly iam: IAMClient;
  readonly subnets: readonly string[];
  /** Waits until the group holds so many in service, and none besides. */
  serves(group: string, count: number): Promise<readonly GridInstance[]>;
  /** A group from the template `work`, protected, with a hook that holds ending instances; in service at once. */
  makeGroup(
    name: string,
    size: number,
    fields?: Partial<CreateAutoScalingGroupCommand['input']>,
  ): Promise<readonly GridInstance[]>;
  resize(group: string, size: number): Promise<void>;
  close(): Promise<void>;
}

export const HOOK = 'drain';

export async function openGridDesk(options: CloudOptions = {}): Promise<GridDesk> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const cloud = await startCloud(options);
  const client = {
    ...{ region: 'us-east-1', endpoint: cloud.url, maxAttempts: 1 },
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
  };
  const [scaling, ec2, iam] = [new AutoScalingClient(client), new EC2Client(client), new IAMClient(client)];
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}));
  const subnets = Subnets.flatMap(({ SubnetId }) => SubnetId ?? []).slice(0, 2);
  await iam.send(new CreateRoleCommand({ RoleName: 'work', AssumeRolePolicyDocument: '{}' }));
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'work' }));
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'work', RoleName: 'work' }));
  await ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'work',
      LaunchTemplateData: {
        ImageId: 'ami-12c6146b',
        InstanceType: 'c7g.large',
        UserData: Buffer.from('#!/bin/sh\necho up\n').toString('base64'),
        IamInstanceProfile: { Name: 'work' },
        MetadataOptions: { HttpTokens: 'required', InstanceMetadataTags: 'enabled' },
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 30, VolumeType: 'gp3', Encrypted: true } }],
        NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: false, DeleteOnTermination: true }],
        TagSpecifications: [
          { ResourceType: 'instance', Tags: [{ Key: 'team', Value: 'finance' }] },
          { ResourceType: 'volume', Tags: [{ Key: 'team', Value: 'finance' }] },
          { ResourceType: 'network-interface', Tags: [{ Key: 'team', Value: 'finance' }] },
        ],
      },
    }),
  );
  const serves = (group: string, count: number): Promise<readonly GridInstance[]> =>
    until(`${group} has ${count} in service`, () => {
      const there = cloud.grid.instances(group);
      return there.length === count && there.every(({ state }) => state === 'InService') && there;
    });
  return {
    ...{ cloud, scaling, ec2, iam, subnets, serves },
    makeGroup: async (name, size, fields = {}) => {
      await scaling.send(
        new CreateAutoScalingGroupCommand({
          ...{ AutoScalingGroupName: name, MinSize: 0, MaxSize: 20, DesiredCapacity: size },
          LaunchTemplate: { LaunchTemplateName: 'work', Version: '1' },
          VPCZoneIdentifier: subnets.join(','),
          NewInstancesProtectedFromScaleIn: true,
          LifecycleHookSpecificationList: [
            {
              ...{ LifecycleHookName: HOOK, LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING' },
              ...{ HeartbeatTimeout: 600, DefaultResult: 'CONTINUE' },
            },
          ],
          ...fields,
        }),
      );
      return serves(name, size);
    },
    resize: async (AutoScalingGroupName, DesiredCapacity) => {
      await scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity }));
    },
    close: async () => {
      for (const each of [scaling, ec2, iam]) each.destroy();
      await cloud.close();
    },
  };
}
