import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  SetDesiredCapacityCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CreateLaunchTemplateCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSubnetsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  IAMClient,
} from '@aws-sdk/client-iam';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import type { AwsProfile } from '../../../src/config/load-config.ts';
import type { Finding } from '../../../src/infra/finding.ts';
import { type GridParts, gridFacts, gridResources, managerResources } from '../../../src/infra/grid.ts';
import { InstanceProfileResource } from '../../../src/infra/instance-profile.ts';
import type { Resource, ResourceState, StackPart } from '../../../src/infra/resource.ts';
import { RoleResource } from '../../../src/infra/role.ts';
import { resourcesOf } from '../../../src/infra/stack.ts';
import { validateStack } from '../../../src/infra/validate.ts';
import { randomId } from '../../../src/lib/id.ts';
import { CREDENTIALS, signWithAnyKeys } from '../aws-keys.ts';
import { awsProfile } from '../aws-profile.ts';
import { type Cloud, type CloudOptions, startCloud } from './cloud.ts';
import type { GridInstance } from './grid.ts';

/** An emulated account with clients, a launch template and an instance profile. */
export interface Account {
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

export async function openAccount(options: CloudOptions = {}): Promise<Account> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const cloud = await startCloud(options);
  const client = {
    ...{ region: 'us-east-1', endpoint: cloud.url, maxAttempts: 1 },
    credentials: CREDENTIALS,
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
  return {
    ...{ cloud, scaling, ec2, iam, subnets, serves: cloud.grid.serves.bind(cloud.grid) },
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
      return cloud.grid.serves(name, size);
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

export const RELEASE = { sha256: 'a'.repeat(64), setups: {}, ca: null };

/** What `infra` makes for a profile in an emulated account, without the command line. */
export interface StackResources {
  readonly profile: AwsProfile;
  readonly parts: GridParts;
  readonly grid: readonly Resource[];
  readonly manager: readonly Resource[];
  close(): Promise<void>;
}

/** `release`: what new instances run. */
export async function openResources(
  cloud: Cloud,
  settings: Readonly<Record<string, unknown>> = {},
  release: Partial<typeof RELEASE> = {},
): Promise<StackResources> {
  signWithAnyKeys();
  const lab = { region: 'us-east-1', account: cloud.account, stack: `s${randomId(5)}`, bucket: 'lab' };
  const profile = await awsProfile({ ...lab, ...settings }, { AWS_ENDPOINT_URL: cloud.url });
  const { region, endpoints } = profile;
  const clients = new AwsClients({ region, endpoints, profile: null, account: cloud.account });
  const parts = { profile, clients, release: async () => ({ ...RELEASE, ...release }) };
  const facts = gridFacts(parts);
  for (const who of ['worker', 'manager'] as const) {
    await new RoleResource(who, profile, clients).apply();
    await new InstanceProfileResource(who, profile, clients).apply();
  }
  return {
    ...{ profile, parts, grid: gridResources(parts, facts), manager: managerResources(parts, facts) },
    close: () => clients.close(),
  };
}

/** What is put into the bucket is another's test. */
const NO_RELEASES = {
  ...{ wanted: async () => RELEASE, inForce: async () => RELEASE, missing: async () => null },
  ...{ look: async () => ({ current: null, differences: [], note: null }), make: async () => null },
  remove: async () => {},
};
const NO_TABLES = { open: async () => null, drop: async () => null };

/** All that `infra up` makes of a profile whose ledger has no tables, but the release. */
export function stackResources(profile: AwsProfile, clients: AwsClients): readonly Resource[] {
  const all = resourcesOf({ profile, clients, tables: NO_TABLES, releases: NO_RELEASES }, null, 'wanted');
  return all.filter(({ kind }) => kind !== 'release');
}

/** Makes all that isn't as it should be, in order; answers the kinds of what was made or changed. */
export async function up(resources: readonly Resource[]): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const resource of resources) {
    if ((await resource.look()).state === 'asItShould') continue;
    await resource.apply();
    changed.push(resource.kind);
  }
  return changed;
}

/** Removes all of it, last made first. */
export async function down(resources: readonly Resource[], force = true): Promise<readonly string[]> {
  const left: string[] = [];
  for (const resource of [...resources].reverse()) {
    const stays = await resource.remove({ deleteData: true, force, note: () => {} });
    if (stays !== null) left.push(`${resource.kind} ${resource.name}: ${stays.why}`);
  }
  return left;
}

export const looks = (resources: readonly Resource[]): Promise<readonly ResourceState[]> =>
  Promise.all(resources.map((resource) => resource.look()));

/** What validating a profile of these settings finds, of all parts or of one. */
export async function validated(
  cloud: Cloud,
  settings: Readonly<Record<string, unknown>>,
  only: StackPart | null = null,
): Promise<readonly Finding[]> {
  const { parts, close } = await openResources(cloud, settings);
  try {
    return await validateStack(parts, gridFacts(parts), only);
  } finally {
    await close();
  }
}

/** What the account has of a stack's worker group, asked without what is tested. */
export function groupOf(resources: () => StackResources) {
  const name = (group = 'default'): string => `${resources().profile.stack}-${group}`;
  const ec2 = () => resources().parts.clients.ec2();
  const scaling = () => resources().parts.clients.autoScaling();
  const groupNow = async (which = name()) => {
    const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [which] });
    return (await (await scaling()).send(asked)).AutoScalingGroups?.[0];
  };
  const sizeNow = async () => {
    const group = await groupNow();
    return [group?.MinSize, group?.MaxSize, group?.DesiredCapacity];
  };
  const update = async (change: object): Promise<void> => {
    await (await scaling()).send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: name(), ...change }));
  };
  const versions = async (which = name()) => {
    const asked = new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateName: which });
    return (await (await ec2()).send(asked)).LaunchTemplateVersions ?? [];
  };
  return { name, ec2, scaling, groupNow, sizeNow, update, versions };
}

/** Every difference that was found, in words; `?` for what is absent or foreign. */
export function differing(found: readonly ResourceState[]): readonly string[] {
  return found.flatMap((each) =>
    each.state === 'differs' ? each.differences : each.state === 'asItShould' ? [] : ['?'],
  );
}
