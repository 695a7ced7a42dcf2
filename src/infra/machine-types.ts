import type { InstanceTypeInfo } from '@aws-sdk/client-ec2';
import { BatchctlError } from '../errors.ts';
import { MadeOnce, once } from '../lib/once.ts';
import { asked, type GridPlace } from './asked.ts';

export type Architecture = 'arm64' | 'x86_64';

/** What a group's instance types have in common. */
export interface TypeFacts {
  readonly architecture: Architecture;
  /** Whether each of them can have dedicated bandwidth to its volumes. */
  readonly ebsOptimized: boolean;
}

/** The instance types of a stack, each looked up once. */
export class MachineTypes {
  readonly #place: GridPlace;
  readonly #known = new MadeOnce<TypeFacts>();
  /** The zones of the region that offer each type of the profile. */
  readonly zones = once(() => this.#zonesOfAll());

  constructor(place: GridPlace) {
    this.#place = place;
  }

  /**
   * `where` is their configuration field: `groups.gpu.instances`. Throws `config` for unknown types, and for mixed
   * architectures.
   */
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
    return asked(this.#place, doing, async () => {
      const [sdk, client] = await this.#ec2();
      // By a filter: when types are named directly, the error about an unknown one may not say which it is.
      const Filters = [{ Name: 'instance-type', Values: [...types] }];
      const found: InstanceTypeInfo[] = [];
      for await (const page of sdk.paginateDescribeInstanceTypes({ client }, { Filters })) {
        found.push(...(page.InstanceTypes ?? []));
      }
      return found;
    });
  }

  async #zonesOfAll(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const { groups, manager } = this.#place.profile;
    const types = new Set(Object.values(groups).flatMap(({ instances }) => instances));
    if (manager !== null) types.add(manager.instance);
    const action = 'ec2:DescribeInstanceTypeOfferings';
    return asked(this.#place, { what: 'find the zones of instance types', action, resource: '*' }, async () => {
      const [sdk, client] = await this.#ec2();
      const Filters = [{ Name: 'instance-type', Values: [...types] }];
      const LocationType = 'availability-zone';
      const zones = new Map<string, Set<string>>([...types].map((type) => [type, new Set()]));
      for await (const page of sdk.paginateDescribeInstanceTypeOfferings({ client }, { LocationType, Filters })) {
        for (const { InstanceType = '', Location = '' } of page.InstanceTypeOfferings ?? []) {
          zones.get(InstanceType)?.add(Location);
        }
      }
      return zones;
    });
  }

  #ec2() {
    return Promise.all([import('@aws-sdk/client-ec2'), this.#place.clients.ec2()]);
  }
}

/** 64-bit types may also run 32-bit code (EC2: ProcessorInfo.SupportedArchitectures). */
function architectureOf({ ProcessorInfo }: InstanceTypeInfo): Architecture | null {
  const supported = ProcessorInfo?.SupportedArchitectures ?? [];
  if (supported.includes('arm64')) return 'arm64';
  return supported.includes('x86_64') ? 'x86_64' : null;
}
