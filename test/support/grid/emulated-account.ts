import type { CreateAutoScalingGroupCommandInput } from '@aws-sdk/client-auto-scaling';
import { KEYS } from '../aws-keys.ts';
import { type AccountClients, accountClients } from './account-clients.ts';
import { type Cloud, type CloudOptions, startCloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';

/** An emulated account with clients, a launch template and an instance profile, both called `work`. */
export interface Account extends AccountClients {
  readonly cloud: Cloud;
  readonly subnets: readonly string[];
  /** Waits until the group has exactly `count` instances, all in service. */
  serves(group: string, count: number): Promise<readonly GridInstance[]>;
  /** Creates a group whose instances are protected, and held by a hook when they end. Waits until all are in service. */
  makeGroup(
    name: string,
    size: number,
    fields?: Partial<CreateAutoScalingGroupCommandInput>,
  ): Promise<readonly GridInstance[]>;
  /** The same for a group of one instance. */
  makeInstance(group: string, fields?: Partial<CreateAutoScalingGroupCommandInput>): Promise<GridInstance>;
  resize(group: string, size: number): Promise<void>;
  close(): Promise<void>;
}

export const HOOK = 'drain';

/** A hook that holds an ending instance until its action is completed, or for `seconds` after the last heartbeat. */
export const terminationHook = (name: string, seconds = 600) => ({
  LifecycleHookName: name,
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
  HeartbeatTimeout: seconds,
  DefaultResult: 'CONTINUE',
});

export async function openAccount(options: CloudOptions = {}): Promise<Account> {
  const cloud = await startCloud(options);
  const clients = accountClients(cloud, { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, maxAttempts: 1 });
  const { scaling, ec2, iam } = clients;
  const { Subnets = [] } = await ec2.describeSubnets({});
  const subnets = Subnets.flatMap(({ SubnetId }) => SubnetId ?? []).slice(0, 2);
  await iam.createRole({ RoleName: 'work', AssumeRolePolicyDocument: '{}' });
  await iam.createInstanceProfile({ InstanceProfileName: 'work' });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: 'work', RoleName: 'work' });
  const Tags = [{ Key: 'team', Value: 'finance' }];
  await ec2.createLaunchTemplate({
    LaunchTemplateName: 'work',
    LaunchTemplateData: {
      ImageId: 'ami-12c6146b',
      InstanceType: 'c7g.large',
      UserData: Buffer.from('#!/bin/sh\necho up\n').toString('base64'),
      IamInstanceProfile: { Name: 'work' },
      MetadataOptions: { HttpTokens: 'required', InstanceMetadataTags: 'enabled' },
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 30, VolumeType: 'gp3', Encrypted: true } }],
      NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: false, DeleteOnTermination: true }],
      TagSpecifications: (['instance', 'volume', 'network-interface'] as const).map((kind) => ({
        ResourceType: kind,
        Tags,
      })),
    },
  });
  const makeGroup: Account['makeGroup'] = async (name, size, fields = {}) => {
    await scaling.createAutoScalingGroup({
      AutoScalingGroupName: name,
      MinSize: 0,
      MaxSize: 20,
      DesiredCapacity: size,
      LaunchTemplate: { LaunchTemplateName: 'work', Version: '1' },
      VPCZoneIdentifier: subnets.join(','),
      NewInstancesProtectedFromScaleIn: true,
      LifecycleHookSpecificationList: [terminationHook(HOOK)],
      ...fields,
    });
    return cloud.grid.serves(name, size);
  };
  return {
    ...clients,
    cloud,
    subnets,
    serves: cloud.grid.serves.bind(cloud.grid),
    makeGroup,
    makeInstance: async (group, fields) => {
      const [instance] = await makeGroup(group, 1, fields);
      if (instance === undefined) throw new Error('the group has no instance');
      return instance;
    },
    resize: async (AutoScalingGroupName, DesiredCapacity) => {
      await scaling.setDesiredCapacity({ AutoScalingGroupName, DesiredCapacity });
    },
    close: async () => {
      clients.close();
      await cloud.close();
    },
  };
}
