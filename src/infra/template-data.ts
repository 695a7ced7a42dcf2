import { createHash } from 'node:crypto';
import type {
  CreateLaunchTemplateCommandInput,
  RequestLaunchTemplateData,
  ResponseLaunchTemplateData,
} from '@aws-sdk/client-ec2';
import type { AwsProfile } from '../config.ts';
import { RELEASE_TAG } from '../lib/stack-names.ts';
import { ec2Tags, tagsOfEc2 } from './ec2-tags.ts';
import { type ImageFacts, volumeSize } from './image.ts';
import type { TypeFacts } from './machine-types.ts';
import { groupTags } from './tags.ts';
import { decodeUserData, encodeUserData } from './user-data.ts';

/** What an instance runs at its boot. */
export interface Boot {
  /** The user-data, plain. */
  readonly text: string;
  /** The bundle that it fetches, by the first 12 digits of its checksum. */
  readonly release: string;
}

/** What instances of a template are made of. */
export interface Launch {
  /** The Auto Scaling group's name, which instances show in consoles. */
  readonly name: string;
  readonly group: string;
  readonly image: ImageFacts;
  readonly types: TypeFacts;
  /** Bytes. */
  readonly disk: number;
  readonly instanceProfile: string;
  readonly securityGroups: readonly string[];
  readonly boot: Boot;
}

/** A launch template as it is made. */
export function templateRequest(name: string, data: RequestLaunchTemplateData, tags: Readonly<Record<string, string>>) {
  const TagSpecifications = [{ ResourceType: 'launch-template' as const, Tags: ec2Tags(tags) }];
  return {
    LaunchTemplateName: name,
    LaunchTemplateData: data,
    TagSpecifications,
  } satisfies CreateLaunchTemplateCommandInput;
}

/** As EC2 takes it. */
export function templateData(launch: Launch, profile: AwsProfile): RequestLaunchTemplateData {
  const { image, types, boot } = launch;
  const tags = instanceTags(launch, profile);
  const { kmsKey, network } = profile;
  return {
    ImageId: image.id,
    IamInstanceProfile: { Name: launch.instanceProfile },
    // Tokens alone, and no further than the instance itself (EC2: LaunchTemplateInstanceMetadataOptionsRequest).
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
    // An instance that shuts itself down is not left stopped, which its volume is paid for.
    InstanceInitiatedShutdownBehavior: 'terminate',
    TagSpecifications: (['instance', 'volume', 'network-interface'] as const).map((ResourceType) => ({
      ResourceType,
      Tags: ec2Tags(tags),
    })),
    UserData: encodeUserData(boot.text),
  };
}

function instanceTags({ name, group, boot }: Launch, profile: AwsProfile): Readonly<Record<string, string>> {
  return { Name: name, ...groupTags(profile, group), [RELEASE_TAG]: boot.release };
}

/** With a key that has other characters, an instance whose metadata tell its tags doesn't start (EC2: work-with-tags-in-IMDS). */
const fitsMetadata = (key: string): boolean => /^[A-Za-z0-9+\-=.,_:@]+$/.test(key) && !/^(\.|\.\.|_index)$/.test(key);

/** What differs, in words. What EC2 adds of its own to a part is no difference; a field that nobody asked for is. */
export function templateDifferences(
  found: ResponseLaunchTemplateData,
  wanted: RequestLaunchTemplateData,
): TemplateDrift {
  const [is, should] = [wordsOf(found), wordsOf(wanted)];
  const differences = [...new Set([...should.keys(), ...is.keys()])]
    .filter((what) => is.get(what) !== should.get(what))
    .map((what) => `${what} ${is.get(what) ?? 'none'} → ${should.get(what) ?? 'none'}`);
  const fields = Object.entries(found).filter(([field, value]) => !(field in wanted) && says(value));
  const others = fields.map(([field]) => `${field} is set, and not by us`);
  const image = differences.find((text) => text.startsWith('image '));
  return { image: image ?? null, differences: [...differences.filter((text) => text !== image), ...others] };
}

export interface TemplateDrift {
  /** The image's difference, which may be none of the template's own doing. */
  readonly image: string | null;
  readonly differences: readonly string[];
}

const says = (value: unknown): boolean =>
  value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0);

/** Each thing that is set, by its name in words. */
function wordsOf(data: ResponseLaunchTemplateData | RequestLaunchTemplateData): ReadonlyMap<string, string> {
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
  put('volume goes with its instance', Ebs?.DeleteOnTermination);
  put('volume key', Ebs?.KmsKeyId ?? 'of EBS');
  const [nic = {}] = data.NetworkInterfaces ?? [];
  put('public address', nic.AssociatePublicIpAddress);
  put('security groups', [...(nic.Groups ?? [])].sort().join(' ') || 'none');
  put('EBS optimized', data.EbsOptimized ?? false);
  put('shutdown', data.InstanceInitiatedShutdownBehavior);
  for (const { ResourceType, Tags } of data.TagSpecifications ?? []) {
    if (ResourceType === 'launch-template') continue;
    for (const [key, value] of Object.entries(tagsOfEc2(Tags))) put(`${ResourceType}'s tag ${key}`, value);
  }
  // Of the text: another version of zlib compresses it to other bytes.
  put('user-data', data.UserData === undefined ? 'none' : shortDigest(decodeUserData(data.UserData)));
  return words;
}

const shortDigest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
