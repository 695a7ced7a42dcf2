import { createHash } from 'node:crypto';
import type {
  CreateLaunchTemplateCommandInput,
  LaunchTemplate,
  LaunchTemplateVersion,
  RequestLaunchTemplateData,
  ResponseLaunchTemplateData,
} from '@aws-sdk/client-ec2';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { gridName, RELEASE_TAG } from '../lib/stack-names.ts';
import { isBurstable } from '../model/cost/credits.ts';
import { type AwsContext, callEc2, retryUntilConsistent, waitUntilVisible } from './call-aws.ts';
import { type ImageFacts, type Images, type MachineTypes, type TypeFacts, volumeSize } from './machine-types.ts';
import { foreignOwner, requireOurs } from './owner.ts';
import type { KeptReason, Resource, ResourceState } from './resource.ts';
import type { MachineGroup } from './scaling-request.ts';
import { fromTagList, groupTags, tagDifferences, toTagList } from './tags.ts';
import { decodeUserData, encodeUserData } from './user-data.ts';

/** How many versions are kept: for a group to go back to, and for people to look up. */
const VERSIONS_KEPT = 5;
/** Versions per request (EC2: DeleteLaunchTemplateVersions). */
const DELETED_AT_ONCE = 200;
/** Until the security group, or the address, exists. */
const NOT_YET_CREATED = 'to be created';

export interface TemplateParts
  extends Pick<MachineGroup, 'part' | 'group' | 'where' | 'instances' | 'ami' | 'disk' | 'instanceProfile'> {
  /** Null until one is created. */
  readonly securityGroups: () => Promise<readonly string[] | null>;
  /** Null until it is known: the manager's address must exist first. */
  readonly boot: () => Promise<Boot | null>;
  readonly types: MachineTypes;
  readonly images: Images;
}

/**
 * The definition of a group's instances. A change makes a new version, and the group names a version's number, so that
 * running instances, and those started in the meantime, stay as they were.
 */
export class LaunchTemplateResource implements Resource {
  readonly part: 'grid' | 'manager';
  readonly kind = 'launchTemplate';
  readonly name: string;
  readonly group?: string;
  readonly #parts: TemplateParts;
  readonly #place: AwsContext;
  /** A new version, which EC2 may not list yet (EC2: eventual consistency). */
  #made: { readonly id: string; readonly version: number } | null = null;

  constructor(place: AwsContext, parts: TemplateParts) {
    this.part = parts.part;
    this.name = gridName(place.profile.stack, parts.group);
    if (parts.part === 'grid') this.group = parts.group;
    this.#parts = parts;
    this.#place = place;
  }

  async look(): Promise<ResourceState> {
    const template = await this.#find();
    if (template === null) return { state: 'absent' };
    await this.#requireOurs(template);
    const { drift, tags } = await this.#drift(template, await this.#wanted());
    const differences = [...drift.differences, ...tags];
    const newer = drift.newer === null ? [] : [drift.newer];
    if (differences.length + newer.length === 0) return { state: 'asItShould' };
    return { state: 'differs', differences, newer };
  }

  async apply(): Promise<void> {
    const wanted = await this.#wanted();
    if (JSON.stringify(wanted).includes(NOT_YET_CREATED)) {
      throw new BatchctlError(
        'notFound',
        `the launch template ${this.name} needs a security group and an address first`,
        { hint: 'batchctl infra up creates them first' },
      );
    }
    const template = (await this.#find()) ?? (await this.#create(wanted));
    if (template === null) return;
    await this.#requireOurs(template);
    const { drift, tags } = await this.#drift(template, wanted);
    if (drift.newer !== null || drift.differences.length > 0) await this.#addVersion(template, wanted);
    if (tags.length === 0) return;
    await this.#callEc2('tag', 'CreateTags', async (sdk, client) => {
      const Resources = [template.LaunchTemplateId ?? ''];
      await client.send(new sdk.CreateTagsCommand({ Resources, Tags: toTagList(this.#tags()) }));
    });
  }

  async remove(): Promise<KeptReason | null> {
    this.#made = null;
    const template = await this.#find();
    if (template === null) return null;
    const owner = await foreignOwner(this.#place, fromTagList(template.Tags));
    if (owner !== null) return { why: owner };
    await this.#callEc2('remove', 'DeleteLaunchTemplate', async (sdk, client) => {
      const asked = new sdk.DeleteLaunchTemplateCommand({ LaunchTemplateId: template.LaunchTemplateId });
      await nullOnError(client.send(asked), 'InvalidLaunchTemplateId.NotFound');
    });
    return null;
  }

  /** Its newest version, which the group should name; null until there is a template. */
  async newestVersion(): Promise<{ readonly id: string; readonly version: string } | null> {
    const template = await this.#find();
    const made = this.#made;
    const id = template?.LaunchTemplateId ?? made?.id;
    if (id === undefined) return null;
    const known = template?.LatestVersionNumber ?? 1;
    return { id, version: String(id === made?.id ? Math.max(known, made.version) : known) };
  }

  /** Deletes old versions, except the newest five, the default, which EC2 doesn't delete, and the named one. */
  async deleteOldVersions(named: string): Promise<void> {
    const template = await this.#find();
    if (template === null || (template.LatestVersionNumber ?? 1) <= VERSIONS_KEPT + 1) return;
    const LaunchTemplateId = template.LaunchTemplateId ?? '';
    await this.#callEc2('delete old versions of', 'DeleteLaunchTemplateVersions', async (sdk, client) => {
      const MaxVersion = String((template.LatestVersionNumber ?? 1) - VERSIONS_KEPT);
      const old: string[] = [];
      const pages = sdk.paginateDescribeLaunchTemplateVersions({ client }, { LaunchTemplateId, MaxVersion });
      for await (const { LaunchTemplateVersions = [] } of pages) {
        for (const { VersionNumber, DefaultVersion } of LaunchTemplateVersions) {
          if (DefaultVersion !== true && String(VersionNumber) !== named) old.push(String(VersionNumber));
        }
      }
      for (let from = 0; from < old.length; from += DELETED_AT_ONCE) {
        const Versions = old.slice(from, from + DELETED_AT_ONCE);
        await client.send(new sdk.DeleteLaunchTemplateVersionsCommand({ LaunchTemplateId, Versions }));
      }
    });
  }

  async #wanted(): Promise<RequestLaunchTemplateData> {
    const { where, group, instances, ami, disk, instanceProfile, types, images } = this.#parts;
    const facts = await types.of(`${where}.instances`, instances);
    const image = await images.of(where, ami, facts.architecture, disk);
    const [securityGroups, boot] = await Promise.all([this.#parts.securityGroups(), this.#parts.boot()]);
    return templateData(
      {
        name: this.name,
        group,
        instances,
        image,
        types: facts,
        disk,
        instanceProfile,
        securityGroups: securityGroups ?? [NOT_YET_CREATED],
        boot: boot ?? { text: NOT_YET_CREATED, release: NOT_YET_CREATED },
      },
      this.#place.profile,
    );
  }

  async #drift(template: LaunchTemplate, wanted: RequestLaunchTemplateData) {
    const version = await this.#version(template);
    const { image, differences } = templateDifferences(version.LaunchTemplateData ?? {}, wanted);
    const tags = tagDifferences(fromTagList(template.Tags), this.#tags());
    // A parameter names another image every few weeks: that isn't drift.
    const moved = image !== null && (this.#parts.ami ?? 'ssm:').startsWith('ssm:');
    const drift = moved
      ? { newer: `${image} (newer)`, differences }
      : { newer: null, differences: image === null ? differences : [image, ...differences] };
    return { drift, tags };
  }

  /** Null once it is created; the existing one if another `up` was faster. */
  async #create(LaunchTemplateData: RequestLaunchTemplateData): Promise<LaunchTemplate | null> {
    return this.#callEc2('make', 'CreateLaunchTemplate', async (sdk, client) => {
      const asked = templateRequest(this.name, LaunchTemplateData, this.#tags());
      const answer = client.send(new sdk.CreateLaunchTemplateCommand(asked));
      const made = await nullOnError(answer, 'InvalidLaunchTemplateName.AlreadyExistsException');
      if (made === null) return waitUntilVisible(() => this.#find());
      this.#made = { id: made.LaunchTemplate?.LaunchTemplateId ?? '', version: 1 };
      return null;
    });
  }

  async #addVersion(template: LaunchTemplate, LaunchTemplateData: RequestLaunchTemplateData): Promise<void> {
    await this.#callEc2('change', 'CreateLaunchTemplateVersion', async (sdk, client) => {
      const asked = { LaunchTemplateId: template.LaunchTemplateId, LaunchTemplateData };
      const { LaunchTemplateVersion: made } = await client.send(new sdk.CreateLaunchTemplateVersionCommand(asked));
      this.#made = { id: template.LaunchTemplateId ?? '', version: made?.VersionNumber ?? 1 };
    });
  }

  async #version({ LaunchTemplateId, LatestVersionNumber }: LaunchTemplate): Promise<LaunchTemplateVersion> {
    return this.#callEc2('look at', 'DescribeLaunchTemplateVersions', async (sdk, client) => {
      const Versions = [String(LatestVersionNumber ?? 1)];
      const asked = new sdk.DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId, Versions });
      const answer = await retryUntilConsistent(() => client.send(asked), ['InvalidLaunchTemplateId.VersionNotFound']);
      return answer.LaunchTemplateVersions?.[0] ?? {};
    });
  }

  #tags(): Readonly<Record<string, string>> {
    return groupTags(this.#place.profile, this.#parts.group);
  }

  #requireOurs({ Tags }: LaunchTemplate): Promise<void> {
    return requireOurs(this.#place, `the launch template ${this.name}`, Tags);
  }

  async #find(): Promise<LaunchTemplate | null> {
    return this.#callEc2('look at', 'DescribeLaunchTemplates', async (sdk, client) => {
      const answer = client.send(new sdk.DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [this.name] }));
      const found = await nullOnError(answer, 'InvalidLaunchTemplateName.NotFoundException');
      return found?.LaunchTemplates?.[0] ?? null;
    });
  }

  #callEc2<T>(verb: string, action: string, work: Parameters<typeof callEc2<T>>[2]): Promise<T> {
    const what = `${verb} the launch template ${this.name}`;
    return callEc2(this.#place, { what, action: `ec2:${action}`, resource: 'launch-template/*' }, work);
  }
}

export interface Boot {
  /** The user-data, plain. */
  readonly text: string;
  /** The bundle that it fetches, by the first 12 digits of its SHA-256. */
  readonly release: string;
}

interface LaunchSettings extends Pick<MachineGroup, 'group' | 'instances' | 'disk' | 'instanceProfile'> {
  /** The Auto Scaling group's name, which consoles show for its instances. */
  readonly name: string;
  readonly image: ImageFacts;
  readonly types: TypeFacts;
  readonly securityGroups: readonly string[];
  readonly boot: Boot;
}

export function templateRequest(name: string, data: RequestLaunchTemplateData, tags: Readonly<Record<string, string>>) {
  const TagSpecifications = [{ ResourceType: 'launch-template' as const, Tags: toTagList(tags) }];
  return {
    LaunchTemplateName: name,
    LaunchTemplateData: data,
    TagSpecifications,
  } satisfies CreateLaunchTemplateCommandInput;
}

export function templateData(launch: LaunchSettings, profile: AwsProfile): RequestLaunchTemplateData {
  const { image, types, boot } = launch;
  const tags = instanceTags(launch, profile);
  const { kmsKey, network } = profile;
  return {
    ImageId: image.id,
    IamInstanceProfile: { Name: launch.instanceProfile },
    // Only with tokens, and only from the instance itself (EC2: LaunchTemplateInstanceMetadataOptionsRequest).
    MetadataOptions: {
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
      InstanceMetadataTags: Object.keys(tags).every(fitsMetadata) ? 'enabled' : 'disabled',
    },
    BlockDeviceMappings: [
      {
        DeviceName: image.rootDevice,
        Ebs: {
          VolumeType: 'gp3',
          VolumeSize: volumeSize(launch.disk),
          Encrypted: true,
          DeleteOnTermination: true,
          ...(kmsKey !== null && { KmsKeyId: kmsKey }),
        },
      },
    ],
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        AssociatePublicIpAddress: network.publicIp,
        DeleteOnTermination: true,
        Groups: [...launch.securityGroups],
      },
    ],
    ...(types.ebsOptimized && { EbsOptimized: true }),
    // Otherwise T2 would slow busy workers down, and the others if the account's default says so. EC2 starts no instance of
    // another type with it (EC2: CreditSpecificationRequest).
    ...(launch.instances.every(isBurstable) && { CreditSpecification: { CpuCredits: 'unlimited' } }),
    // An instance that shuts itself down must not stay stopped, because its volume would be billed.
    InstanceInitiatedShutdownBehavior: 'terminate',
    TagSpecifications: (['instance', 'volume', 'network-interface'] as const).map((ResourceType) => ({
      ResourceType,
      Tags: toTagList(tags),
    })),
    UserData: encodeUserData(boot.text),
  };
}

function instanceTags({ name, group, boot }: LaunchSettings, profile: AwsProfile): Readonly<Record<string, string>> {
  return { Name: name, ...groupTags(profile, group), [RELEASE_TAG]: boot.release };
}

/** If metadata shows tags, an instance with other characters in a key fails to start (EC2: work-with-tags-in-IMDS). */
const fitsMetadata = (key: string): boolean => /^[A-Za-z0-9+\-=.,_:@]+$/.test(key) && !/^(\.|\.\.|_index)$/.test(key);

/** The differences, for people. Values that EC2 adds to a part don't count; a field that wasn't requested does. */
export function templateDifferences(
  found: ResponseLaunchTemplateData,
  wanted: RequestLaunchTemplateData,
): TemplateDrift {
  const [is, should] = [settingsOf(found), settingsOf(wanted)];
  const differences = [...new Set([...should.keys(), ...is.keys()])]
    .filter((what) => is.get(what) !== should.get(what))
    .map((what) => `${what} ${is.get(what) ?? 'none'} → ${should.get(what) ?? 'none'}`);
  const fields = Object.entries(found).filter(([field, value]) => !(field in wanted) && isSet(value));
  const others = fields.map(([field]) => `${field} is set, but not by batchctl`);
  const image = differences.find((text) => text.startsWith('image '));
  return { image: image ?? null, differences: [...differences.filter((text) => text !== image), ...others] };
}

interface TemplateDrift {
  /** The image's difference, which may come from its parameter and not from the template. */
  readonly image: string | null;
  readonly differences: readonly string[];
}

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0);

/** All settings, by their names for people. */
function settingsOf(data: ResponseLaunchTemplateData | RequestLaunchTemplateData): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  const put = (what: string, value: string | number | boolean | undefined): void => {
    if (value !== undefined) words.set(what, String(value));
  };
  put('image', data.ImageId);
  put('instance profile', data.IamInstanceProfile?.Name);
  put('metadata service', data.MetadataOptions?.HttpEndpoint);
  put('metadata tokens', data.MetadataOptions?.HttpTokens);
  put('metadata hops', data.MetadataOptions?.HttpPutResponseHopLimit);
  put('metadata tags', data.MetadataOptions?.InstanceMetadataTags);
  const [{ DeviceName, Ebs } = {}] = data.BlockDeviceMappings ?? [];
  put('root device', DeviceName);
  put('volume type', Ebs?.VolumeType);
  put('volume GiB', Ebs?.VolumeSize);
  put('volume encrypted', Ebs?.Encrypted);
  put('volume is deleted with its instance', Ebs?.DeleteOnTermination);
  put('volume key', Ebs?.KmsKeyId ?? 'of EBS');
  const [nic = {}] = data.NetworkInterfaces ?? [];
  put('public address', nic.AssociatePublicIpAddress);
  put('security groups', [...(nic.Groups ?? [])].sort().join(' ') || 'none');
  put('EBS optimized', data.EbsOptimized ?? false);
  put('CPU credits', data.CreditSpecification?.CpuCredits);
  put('shutdown', data.InstanceInitiatedShutdownBehavior);
  for (const { ResourceType, Tags } of data.TagSpecifications ?? []) {
    if (ResourceType === 'launch-template') continue;
    for (const [key, value] of Object.entries(fromTagList(Tags))) put(`${ResourceType}'s tag ${key}`, value);
  }
  // The digest of the text: another version of zlib compresses it to other bytes.
  put('user-data', data.UserData === undefined ? 'none' : shortDigest(decodeUserData(data.UserData)));
  return words;
}

const shortDigest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
