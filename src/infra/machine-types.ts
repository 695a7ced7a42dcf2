import type { InstanceTypeInfo } from '@aws-sdk/client-ec2';
import { nullOnError } from '../adapters/aws/errors.ts';
import { BatchctlError } from '../errors.ts';
import { OnceMap, once } from '../lib/once.ts';
import { type AwsContext, callAws, callEc2, collectPages } from './call-aws.ts';

export type Architecture = 'arm64' | 'x86_64';

export interface TypeFacts {
  readonly architecture: Architecture;
  /** Whether each of them can have dedicated bandwidth to its volumes. */
  readonly ebsOptimized: boolean;
}

/** The instance types of a stack, each looked up once. */
export class MachineTypes {
  readonly #place: AwsContext;
  readonly #known = new OnceMap<TypeFacts>();
  /** The zones of the region that offer each type of the profile. */
  readonly zones = once(() => this.#zonesOfAll());

  constructor(place: AwsContext) {
    this.#place = place;
  }

  /** `where` is their field: `groups.gpu.instances`. Throws `config` for unknown types, and for mixed architectures. */
  of(where: string, types: readonly string[]): Promise<TypeFacts> {
    return this.#known.get(where, () => this.#factsOf(where, types));
  }

  async #factsOf(where: string, types: readonly string[]): Promise<TypeFacts> {
    const found = await this.#lookUp(types);
    const missing = types.filter((type) => !found.some(({ InstanceType }) => InstanceType === type));
    const { region } = this.#place.profile;
    if (missing.length > 0) {
      throw new BatchctlError('config', `${where}: no such instance type in ${region}: ${missing.join(', ')}`, {
        hint: `aws ec2 describe-instance-type-offerings --region ${region} lists the types`,
      });
    }
    const architectures = new Map(found.map((type) => [String(type.InstanceType), architectureOf(type)]));
    const [architecture, ...others] = new Set(architectures.values());
    if (architecture === undefined || architecture === null || others.length > 0) {
      const each = [...architectures].map(([type, is]) => `${type} is ${is ?? 'neither arm64 nor x86_64'}`).join(', ');
      throw new BatchctlError('config', `${where}: expected a single architecture, found: ${each}`, {
        hint: 'make one group per architecture: an image, and what a setup script installs, is for one',
      });
    }
    const ebsOptimized = found.every(
      ({ EbsInfo }) => (EbsInfo?.EbsOptimizedSupport ?? 'unsupported') !== 'unsupported',
    );
    return { architecture, ebsOptimized };
  }

  async #lookUp(types: readonly string[]): Promise<readonly InstanceTypeInfo[]> {
    const doing = { what: 'read instance types', action: 'ec2:DescribeInstanceTypes', resource: 'instance-type/*' };
    return callEc2(this.#place, doing, async (sdk, client) => {
      // By a filter: when types are named directly, the error about an unknown one may not say which it is.
      const Filters = [{ Name: 'instance-type', Values: [...types] }];
      return collectPages(sdk.paginateDescribeInstanceTypes({ client }, { Filters }), (page) => page.InstanceTypes);
    });
  }

  async #zonesOfAll(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const { groups, manager } = this.#place.profile;
    const types = new Set(Object.values(groups).flatMap(({ instances }) => instances));
    if (manager !== null) types.add(manager.instance);
    const action = 'ec2:DescribeInstanceTypeOfferings';
    return callEc2(
      this.#place,
      { what: 'find the zones of instance types', action, resource: '*' },
      async (sdk, client) => {
        const Filters = [{ Name: 'instance-type', Values: [...types] }];
        const LocationType = 'availability-zone';
        const zones = new Map<string, Set<string>>([...types].map((type) => [type, new Set()]));
        for await (const page of sdk.paginateDescribeInstanceTypeOfferings({ client }, { LocationType, Filters })) {
          for (const { InstanceType = '', Location = '' } of page.InstanceTypeOfferings ?? []) {
            zones.get(InstanceType)?.add(Location);
          }
        }
        return zones;
      },
    );
  }
}

/** 64-bit types may also run 32-bit code (EC2: ProcessorInfo.SupportedArchitectures). */
function architectureOf({ ProcessorInfo }: InstanceTypeInfo): Architecture | null {
  const supported = ProcessorInfo?.SupportedArchitectures ?? [];
  if (supported.includes('arm64')) return 'arm64';
  return supported.includes('x86_64') ? 'x86_64' : null;
}

export interface ImageFacts {
  readonly id: string;
  /** The name of its root device: `/dev/xvda`. */
  readonly rootDevice: string;
  /** GiB of the root volume's snapshot: the minimum size of a root volume. */
  readonly rootSize: number;
  /** The SSM parameter that names the image, and may change; null if the profile names the image. */
  readonly parameter: string | null;
}

/** The SSM parameter of Amazon Linux 2023 (SSM: public parameters of AL2023). */
const amazonLinuxParameter = (architecture: Architecture): string =>
  `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`;

/** The images of a stack, each looked up once. */
export class Images {
  readonly #place: AwsContext;
  readonly #known = new OnceMap<ImageFacts>();

  constructor(place: AwsContext) {
    this.#place = place;
  }

  /**
   * A group's image: its `ami`, or the latest Amazon Linux 2023. `where` is the configuration field: `groups.gpu`.
   * Throws `config` for an image or a parameter that doesn't exist, an image of another architecture, and a `disk`
   * (bytes) too small for it.
   */
  async of(where: string, ami: string | null, architecture: Architecture, disk: number): Promise<ImageFacts> {
    const said = ami ?? `ssm:${amazonLinuxParameter(architecture)}`;
    const found = await this.#known.get(`${said} ${architecture}`, () => this.#lookUp(where, said, architecture));
    if (volumeSize(disk) >= found.rootSize) return found;
    throw new BatchctlError(
      'config',
      `${where}.disk is ${volumeSize(disk)} GiB, but the image ${found.id} needs ${found.rootSize} GiB`,
      { hint: `set ${where}.disk to ${found.rootSize}GiB or more` },
    );
  }

  async #lookUp(where: string, said: string, architecture: Architecture): Promise<ImageFacts> {
    const parameter = said.startsWith('ssm:') ? said.slice('ssm:'.length) : null;
    const id = parameter === null ? said : await this.#parameter(where, parameter);
    const doing = { what: `read the image ${id}`, action: 'ec2:DescribeImages', resource: `image/${id}` };
    const image = await callEc2(this.#place, doing, async (sdk, client) => {
      const answer = client.send(new sdk.DescribeImagesCommand({ ImageIds: [id] }));
      const known = await nullOnError(
        answer,
        'InvalidAMIID.NotFound',
        'InvalidAMIID.Unavailable',
        'InvalidAMIID.Malformed',
      );
      return known?.Images?.[0] ?? null;
    });
    const { region } = this.#place.profile;
    if (image === null) {
      throw new BatchctlError(
        'config',
        `${where}.ami: image ${id} does not exist in ${region}, or is not shared with you`,
        { hint: `set ${where}.ami to an image of ${region}, or omit it for Amazon Linux 2023` },
      );
    }
    if (image.Architecture !== architecture) {
      throw new BatchctlError(
        'config',
        `${where}.ami: the image ${id} is ${image.Architecture}, but the instance types are ${architecture}`,
        { hint: `choose an image for ${architecture}, or other instances` },
      );
    }
    const rootDevice = image.RootDeviceName ?? '/dev/xvda';
    const root = image.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === rootDevice);
    return { id, rootDevice, rootSize: root?.Ebs?.VolumeSize ?? 0, parameter };
  }

  async #parameter(where: string, name: string): Promise<string> {
    const resource = `parameter/${name.replace(/^\//, '')}`;
    const doing = { what: `look up the image in ${name}`, action: 'ssm:GetParameter', resource };
    const found = await callAws(this.#place, doing, async () => {
      const [sdk, client] = await Promise.all([import('@aws-sdk/client-ssm'), this.#place.clients.ssm()]);
      const answer = client.send(new sdk.GetParameterCommand({ Name: name }));
      return await nullOnError(answer, 'ParameterNotFound', 'ParameterVersionNotFound');
    });
    const value = found?.Parameter?.Value ?? '';
    if (/^ami-[0-9a-f]+$/.test(value)) return value;
    const what = found === null ? 'does not exist' : `contains ${JSON.stringify(value)}, which is not an image id`;
    throw new BatchctlError('config', `${where}.ami: the parameter ${name} ${what}`, {
      hint: `set ${where}.ami to ami-..., or to ssm: with a parameter that contains an image id`,
    });
  }
}

/** GiB, rounded up: EC2 sizes volumes in whole GiB. */
export const volumeSize = (bytes: number): number => Math.ceil(bytes / 2 ** 30);
