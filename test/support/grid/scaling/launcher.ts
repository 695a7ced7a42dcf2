import {
  CreateTagsCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSubnetsCommand,
  EC2Client,
  type LaunchTemplateVersion,
  type ResponseLaunchTemplateData,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  type Tag,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { GetInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam';
import { invalid } from '../query.ts';
import type { TemplateRef } from './groups.ts';

/** What the group itself launches with: the account's administrator. */
const SERVICE = { accessKeyId: 'AKIAIOSFODNN7SERVICE', secretAccessKey: 'service' };

interface Order {
  readonly region: string;
  readonly version: LaunchTemplateVersion;
  readonly type: string;
  readonly subnet: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  readonly tags: Readonly<Record<string, string>>;
  readonly count: number;
}

interface Started {
  readonly id: string;
  readonly zone: string;
  readonly address: string;
}

/** EC2 behind the groups: real instances of moto, from real launch templates. */
export class Launcher {
  readonly #url: string;
  readonly #clients = new Map<string, EC2Client>();
  readonly #iam: IAMClient;

  constructor(url: string) {
    this.#url = url;
    this.#iam = new IAMClient({ region: 'us-east-1', endpoint: url, credentials: SERVICE });
  }

  /** The version that a group would launch from now; refused as a group's creation is. */
  async version(region: string, { id, name, version }: TemplateRef): Promise<LaunchTemplateVersion> {
    const which = { ...(id === '' ? { LaunchTemplateName: name } : { LaunchTemplateId: id }), Versions: [version] };
    const answer = await this.#ec2(region)
      .send(new DescribeLaunchTemplateVersionsCommand(which))
      .catch((error: Error) => {
        throw invalid(`You must use a valid fully-formed launch template. ${error.message}`);
      });
    const found = answer.LaunchTemplateVersions?.[0];
    if (found === undefined) throw invalid('You must use a valid fully-formed launch template.');
    return found;
  }

  /** The zones of subnets, in their order. */
  async zones(region: string, subnets: readonly string[]): Promise<readonly string[]> {
    const answer = await this.#ec2(region)
      .send(new DescribeSubnetsCommand({ SubnetIds: [...subnets] }))
      .catch((error: Error) => {
        throw invalid(error.message);
      });
    return subnets.map((id) => answer.Subnets?.find(({ SubnetId }) => SubnetId === id)?.AvailabilityZone ?? '');
  }

  /** The role of an instance profile; undefined: there is no such profile, null: it holds none. */
  async roleOf(profile: string): Promise<string | null | undefined> {
    const answer = await this.#iam
      .send(new GetInstanceProfileCommand({ InstanceProfileName: profile }))
      .catch(() => undefined);
    return answer && (answer.InstanceProfile?.Roles?.[0]?.RoleName ?? null);
  }

  async run({ region, version, type, subnet, lifeCycle, tags, count }: Order): Promise<readonly Started[]> {
    const data = version.LaunchTemplateData ?? {};
    const ec2 = this.#ec2(region);
    const own = tagsFor(data, 'volume');
    const input: RunInstancesCommandInput = {
      ...{ MinCount: count, MaxCount: count, ImageId: data.ImageId, UserData: data.UserData },
      InstanceType: type as NonNullable<RunInstancesCommandInput['InstanceType']>,
      EbsOptimized: data.EbsOptimized,
      InstanceInitiatedShutdownBehavior: data.InstanceInitiatedShutdownBehavior,
      IamInstanceProfile: data.IamInstanceProfile && { ...data.IamInstanceProfile },
      ...network(data, subnet),
      BlockDeviceMappings: data.BlockDeviceMappings?.map(({ Ebs, DeviceName }) => ({
        DeviceName,
        // Unless it is said, a volume that comes with an instance goes with it (EC2: EbsBlockDevice).
        Ebs: { DeleteOnTermination: true, ...Ebs },
      })),
      ...(lifeCycle === 'spot' && { InstanceMarketOptions: { MarketType: 'spot' } }),
      TagSpecifications: [
        { ResourceType: 'instance', Tags: toTags(tags) },
        ...(own.length > 0 ? [{ ResourceType: 'volume' as const, Tags: own }] : []),
      ],
    };
    const answer = await ec2.send(new RunInstancesCommand(input));
    const started = answer.Instances ?? [];
    const interfaces = started.flatMap(({ NetworkInterfaces = [] }) => NetworkInterfaces);
    const interfaceTags = tagsFor(data, 'network-interface');
    if (interfaceTags.length > 0 && interfaces.length > 0) {
      const Resources = interfaces.flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []);
      await ec2.send(new CreateTagsCommand({ Resources, Tags: interfaceTags }));
    }
    return started.map(({ InstanceId = '', Placement, PrivateIpAddress = '' }) => ({
      ...{ id: InstanceId, zone: Placement?.AvailabilityZone ?? '', address: PrivateIpAddress },
    }));
  }

  /** Ends those that EC2 still knows. */
  async end(region: string, instance: string): Promise<void> {
    await this.#ec2(region).send(new TerminateInstancesCommand({ InstanceIds: [instance] }));
  }

  async isGone(region: string, instance: string): Promise<boolean> {
    const answer = await this.#ec2(region).send(new DescribeInstancesCommand({ InstanceIds: [instance] }));
    return answer.Reservations?.[0]?.Instances?.[0]?.State?.Name === 'terminated';
  }

  close(): void {
    this.#iam.destroy();
    for (const client of this.#clients.values()) client.destroy();
  }

  #ec2(region: string): EC2Client {
    const known = this.#clients.get(region);
    if (known !== undefined) return known;
    const made = new EC2Client({ region, endpoint: this.#url, credentials: SERVICE, maxAttempts: 1 });
    this.#clients.set(region, made);
    return made;
  }
}

/** An interface of the template takes the subnet; without one it stands for itself (EC2: RunInstances, NetworkInterfaces). */
function network(data: ResponseLaunchTemplateData, subnet: string): Partial<RunInstancesCommandInput> {
  const [first] = data.NetworkInterfaces ?? [];
  if (first === undefined) return { SubnetId: subnet, SecurityGroupIds: data.SecurityGroupIds };
  return {
    NetworkInterfaces: [
      {
        ...{ DeviceIndex: first.DeviceIndex ?? 0, SubnetId: subnet, Groups: first.Groups },
        AssociatePublicIpAddress: first.AssociatePublicIpAddress,
        DeleteOnTermination: first.DeleteOnTermination ?? true,
      },
    ],
  };
}

/** What a template puts on one kind of resource. */
export function tagsFor(data: ResponseLaunchTemplateData, kind: string): Tag[] {
  return (data.TagSpecifications ?? [])
    .filter(({ ResourceType }) => ResourceType === kind)
    .flatMap((one) => one.Tags ?? []);
}

const toTags = (tags: Readonly<Record<string, string>>): Tag[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
