import {
  EC2,
  type LaunchTemplateVersion,
  type ResponseLaunchTemplateData,
  type RunInstancesCommandInput,
  type Tag,
} from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { invalid } from '../query.ts';
import type { TemplateRef } from './groups.ts';

/** The credentials with which groups launch instances. */
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

/** Launches instances of moto's EC2 from its launch templates. */
export class Launcher {
  readonly #url: string;
  readonly #clients = new Map<string, EC2>();
  readonly #iam: IAM;

  constructor(url: string) {
    this.#url = url;
    this.#iam = new IAM({ region: 'us-east-1', endpoint: url, credentials: SERVICE });
  }

  /** The version of a launch template. Fails like the creation of a group. */
  async version(region: string, { id, name, version }: TemplateRef): Promise<LaunchTemplateVersion> {
    const which = { ...(id === '' ? { LaunchTemplateName: name } : { LaunchTemplateId: id }), Versions: [version] };
    const answer = await this.#ec2(region)
      .describeLaunchTemplateVersions(which)
      .catch((error: Error) => {
        throw invalid(`You must use a valid fully-formed launch template. ${error.message}`);
      });
    const found = answer.LaunchTemplateVersions?.[0];
    if (found === undefined) throw invalid('You must use a valid fully-formed launch template.');
    return found;
  }

  /** The zones of subnets, in the same order. */
  async zones(region: string, subnets: readonly string[]): Promise<readonly string[]> {
    const answer = await this.#ec2(region)
      .describeSubnets({ SubnetIds: [...subnets] })
      .catch((error: Error) => {
        throw invalid(error.message);
      });
    return subnets.map((id) => answer.Subnets?.find(({ SubnetId }) => SubnetId === id)?.AvailabilityZone ?? '');
  }

  /** The role of an instance profile; undefined if the profile does not exist, null if it has no role. */
  async roleOf(profile: string): Promise<string | null | undefined> {
    const answer = await this.#iam.getInstanceProfile({ InstanceProfileName: profile }).catch(() => undefined);
    return answer && (answer.InstanceProfile?.Roles?.[0]?.RoleName ?? null);
  }

  async run({ region, version, type, subnet, lifeCycle, tags, count }: Order): Promise<readonly Started[]> {
    const data = version.LaunchTemplateData ?? {};
    const ec2 = this.#ec2(region);
    const own = tagsFor(data, 'volume');
    const input: RunInstancesCommandInput = {
      MinCount: count,
      MaxCount: count,
      ImageId: data.ImageId,
      UserData: data.UserData,
      InstanceType: type as NonNullable<RunInstancesCommandInput['InstanceType']>,
      EbsOptimized: data.EbsOptimized,
      InstanceInitiatedShutdownBehavior: data.InstanceInitiatedShutdownBehavior,
      IamInstanceProfile: data.IamInstanceProfile && { ...data.IamInstanceProfile },
      ...network(data, subnet),
      BlockDeviceMappings: data.BlockDeviceMappings?.map(({ Ebs, DeviceName }) => ({
        DeviceName,
        // By default, a volume is deleted with its instance (EC2: EbsBlockDevice).
        Ebs: { DeleteOnTermination: true, ...Ebs },
      })),
      ...(lifeCycle === 'spot' && { InstanceMarketOptions: { MarketType: 'spot' } }),
      TagSpecifications: [
        { ResourceType: 'instance', Tags: toTags(tags) },
        ...(own.length > 0 ? [{ ResourceType: 'volume' as const, Tags: own }] : []),
      ],
    };
    const answer = await ec2.runInstances(input);
    const started = answer.Instances ?? [];
    const interfaces = started.flatMap(({ NetworkInterfaces = [] }) => NetworkInterfaces);
    const interfaceTags = tagsFor(data, 'network-interface');
    if (interfaceTags.length > 0 && interfaces.length > 0) {
      const Resources = interfaces.flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []);
      await ec2.createTags({ Resources, Tags: interfaceTags });
    }
    return started.map(({ InstanceId = '', Placement, PrivateIpAddress = '' }) => ({
      id: InstanceId,
      zone: Placement?.AvailabilityZone ?? '',
      address: PrivateIpAddress,
    }));
  }

  async end(region: string, instance: string): Promise<void> {
    await this.#ec2(region).terminateInstances({ InstanceIds: [instance] });
  }

  close(): void {
    this.#iam.destroy();
    for (const client of this.#clients.values()) client.destroy();
  }

  #ec2(region: string): EC2 {
    const known = this.#clients.get(region);
    if (known !== undefined) return known;
    const made = new EC2({ region, endpoint: this.#url, credentials: SERVICE, maxAttempts: 1 });
    this.#clients.set(region, made);
    return made;
  }
}

/** The subnet belongs to the template's network interface, if it has one (EC2: RunInstances, NetworkInterfaces). */
function network(data: ResponseLaunchTemplateData, subnet: string): Partial<RunInstancesCommandInput> {
  const [first] = data.NetworkInterfaces ?? [];
  if (first === undefined) return { SubnetId: subnet, SecurityGroupIds: data.SecurityGroupIds };
  return {
    NetworkInterfaces: [
      {
        DeviceIndex: first.DeviceIndex ?? 0,
        SubnetId: subnet,
        Groups: first.Groups,
        AssociatePublicIpAddress: first.AssociatePublicIpAddress,
        DeleteOnTermination: first.DeleteOnTermination ?? true,
      },
    ],
  };
}

/** The tags of a template for a kind of resource. */
export function tagsFor(data: ResponseLaunchTemplateData, kind: string): Tag[] {
  return (data.TagSpecifications ?? [])
    .filter(({ ResourceType }) => ResourceType === kind)
    .flatMap((one) => one.Tags ?? []);
}

const toTags = (tags: Readonly<Record<string, string>>): Tag[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
