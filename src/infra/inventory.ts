import { nullOnError } from '../adapters/aws/errors.ts';
import { isBatchctlError } from '../errors.ts';
import { homeOf } from '../lib/home.ts';
import { GROUP_TAG, gridName, HOME_TAG, MANAGER_GROUP, roleName, STACK_TAG } from '../lib/stack-names.ts';
import { within } from '../lib/wait.ts';
import { BucketResource } from './bucket.ts';
import { type AwsContext, callAws, callEc2, collectPages, describeAlive, loadAutoScaling } from './call-aws.ts';
import { IamAccess } from './iam.ts';
import { profileOwner } from './instance-profile.ts';
import { domainsOf, existingDomains } from './ledger.ts';
import { foreignOwner, formerHome } from './owner.ts';
import { MISSING_QUEUE } from './queue.ts';
import type { Kind, StackPart } from './resource.ts';
import { RoleAccess } from './role.ts';
import { fromTagList } from './tags.ts';

/** An existing resource of this home, by its tags, or by its name if it has none. */
export interface InventoryItem {
  readonly part: StackPart;
  readonly kind: Kind | 'instance' | 'volume' | 'networkInterface' | 'objects';
  readonly name: string;
  /** Its worker group; null if it belongs to the whole stack, or nothing tells. */
  readonly group: string | null;
  readonly costs: boolean;
}

const INVENTORIES = {
  data: dataInventory,
  iam: iamInventory,
  grid: gridInventory,
};

/** A resource with the stack's tag. `tags`: null once it is known to be this home's. */
interface Found {
  readonly item: InventoryItem;
  readonly tags: Readonly<Record<string, string>> | null;
}

/** The resources of one home in its region, and the other homes whose stack of the same name has anything there. */
export interface Census {
  readonly items: readonly InventoryItem[];
  readonly others: readonly string[];
}

/**
 * Asks each service what it has of the stack, whether the configuration names it or not. With `only`, asks the services
 * of that part alone: the caller may have no right to ask the others.
 */
export async function takeCensus(place: AwsContext, only: StackPart | null = null): Promise<Census> {
  // The manager's resources are found among the others, and recognized by name.
  const wanted = only === 'manager' ? 'grid' : only;
  const looks = Object.entries(INVENTORIES).flatMap(([part, look]) =>
    wanted === null || wanted === part ? [look(place)] : [],
  );
  await Promise.allSettled(looks);
  const found = (await Promise.all(looks)).flat().filter(({ item: { part } }) => only === null || part === only);
  const homes = found.flatMap(({ tags }) => tags?.[HOME_TAG] ?? []);
  const own = homeOf(place.profile);
  return { items: await ofThisHome(place, found), others: [...new Set(homes)].filter((home) => home !== own) };
}

export const takeInventory = async (place: AwsContext, only: StackPart | null = null) =>
  (await takeCensus(place, only)).items;

async function ofThisHome(place: AwsContext, found: readonly Found[]): Promise<readonly InventoryItem[]> {
  const isFormer = formerHome(place);
  const ours = found.map(async ({ item, tags }) =>
    tags === null || (await foreignOwner(place, tags, isFormer)) === null ? [item] : [],
  );
  return (await Promise.all(ours)).flat();
}

const known = (item: InventoryItem): Found => ({ item, tags: null });

/** How long to wait for SimpleDB if the profile doesn't use it, milliseconds. */
const PATIENCE_MS = 5_000;

async function dataInventory(place: AwsContext): Promise<readonly Found[]> {
  const looks = [bucket(place), queues(place), domains(place)];
  await Promise.allSettled(looks);
  return (await Promise.all(looks)).flat();
}

async function bucket({ profile, clients }: AwsContext): Promise<readonly Found[]> {
  const { name } = profile.bucket;
  const { isOurs, below } = await new BucketResource(profile, clients).holdings();
  const shared = { part: 'data', group: null } as const;
  const itself: InventoryItem = { ...shared, kind: 'bucket', name, costs: false };
  return [
    ...(isOurs ? [known(itself)] : []),
    ...(below === null ? [] : [known({ ...shared, kind: 'objects', name: `s3://${name}/${below}`, costs: true })]),
  ];
}

/** SQS lists by name prefix, which other stacks' queues may share, so the tag decides. */
async function queues(place: AwsContext): Promise<readonly Found[]> {
  const { stack } = place.profile;
  const doing = { what: 'find queues of the stack', action: 'sqs:ListQueues', resource: '*' };
  return callAws(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-sqs'), place.clients.sqs('control')]);
    const found: Found[] = [];
    // Without MaxResults there is no token for more than a thousand queues (SQS: ListQueues).
    const listed = sdk.paginateListQueues({ client, pageSize: 1_000 }, { QueueNamePrefix: `${stack}-` });
    for await (const { QueueUrls = [] } of listed) {
      for (const QueueUrl of QueueUrls) {
        // A deleted queue stays listed for a while (SQS: DeleteQueue takes up to 60 seconds).
        const answer = client.send(new sdk.ListQueueTagsCommand({ QueueUrl }));
        const tags = (await nullOnError(answer, MISSING_QUEUE))?.Tags ?? {};
        if (tags[STACK_TAG] !== stack) continue;
        const name = QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
        const group = name.slice(stack.length + 1);
        found.push({ tags, item: { part: 'data', kind: 'queue', name, group, costs: false } });
      }
    }
    return found;
  });
}

/**
 * Includes those of an earlier ledger of the profile. If the profile uses no SimpleDB now, the region may have none or
 * the caller no right to ask: that isn't an error, and isn't waited for.
 */
async function domains({ profile, clients }: AwsContext): Promise<readonly Found[]> {
  const there = existingDomains(profile, clients);
  const names = domainsOf(profile).length > 0 ? await there : await emptyIfUnanswered(there);
  return names.map((name) => known({ part: 'data', kind: 'domain', name, group: null, costs: true }));
}

async function emptyIfUnanswered(names: Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await within(names, PATIENCE_MS, () => []);
  } catch (error) {
    if (isBatchctlError(error)) return [];
    throw error;
  }
}

type Tags = Parameters<typeof fromTagList>[0];

async function gridInventory(place: AwsContext): Promise<readonly Found[]> {
  const looks = [groups(place), instances(place), volumes(place), interfaces(place), addresses(place)];
  const all = [...looks, templates(place), securityGroups(place)];
  await Promise.allSettled(all);
  return (await Promise.all(all)).flat();
}

/** The item for a found resource and its tags. The manager's is recognized by name. */
function itemOf(
  { profile: { stack } }: AwsContext,
  kind: InventoryItem['kind'],
  name: string,
  list: Tags,
  costs: boolean,
): Found {
  const tags = fromTagList(list);
  const group = tags[GROUP_TAG] ?? null;
  const managers = [gridName(stack, MANAGER_GROUP), roleName(stack, 'manager')];
  const part = group === MANAGER_GROUP || managers.includes(name) || kind === 'address' ? 'manager' : 'grid';
  return { tags, item: { part, kind, name, group: part === 'manager' ? null : group, costs } };
}

const stackFilter = ({ profile: { stack } }: AwsContext) => ({ Name: `tag:${STACK_TAG}`, Values: [stack] });

async function groups(place: AwsContext): Promise<readonly Found[]> {
  const doing = findCall('autoscaling:DescribeAutoScalingGroups', 'Auto Scaling groups');
  return callAws(place, doing, async () => {
    const [sdk, client] = await loadAutoScaling(place);
    const pages = sdk.paginateDescribeAutoScalingGroups({ client }, { Filters: [stackFilter(place)] });
    const all = await collectPages(pages, (page) => page.AutoScalingGroups);
    // It costs what its instances cost, and keeps starting them while it exists.
    return all.map(({ AutoScalingGroupName = '', Tags }) => itemOf(place, 'group', AutoScalingGroupName, Tags, true));
  });
}

/** The home's instances that have not terminated. */
export const aliveInstances = async (place: AwsContext): Promise<readonly InventoryItem[]> =>
  ofThisHome(place, await instances(place));

async function instances(place: AwsContext): Promise<readonly Found[]> {
  return callEc2(place, findCall('ec2:DescribeInstances', 'instances'), async (sdk, client) => {
    const all = await describeAlive(sdk, client, [stackFilter(place)]);
    return all.map(({ InstanceId = '', Tags }) => itemOf(place, 'instance', InstanceId, Tags, true));
  });
}

async function volumes(place: AwsContext): Promise<readonly Found[]> {
  return callEc2(place, findCall('ec2:DescribeVolumes', 'volumes'), async (sdk, client) => {
    const pages = sdk.paginateDescribeVolumes({ client }, { Filters: [stackFilter(place)] });
    const all = await collectPages(pages, (page) => page.Volumes);
    return all.map(({ VolumeId = '', Tags }) => itemOf(place, 'volume', VolumeId, Tags, true));
  });
}

async function interfaces(place: AwsContext): Promise<readonly Found[]> {
  return callEc2(place, findCall('ec2:DescribeNetworkInterfaces', 'network interfaces'), async (sdk, client) => {
    const pages = sdk.paginateDescribeNetworkInterfaces({ client }, { Filters: [stackFilter(place)] });
    const all = await collectPages(pages, (page) => page.NetworkInterfaces);
    return all.map(({ NetworkInterfaceId = '', TagSet }) =>
      itemOf(place, 'networkInterface', NetworkInterfaceId, TagSet, false),
    );
  });
}

async function addresses(place: AwsContext): Promise<readonly Found[]> {
  return callEc2(place, findCall('ec2:DescribeAddresses', 'addresses'), async (sdk, client) => {
    const { Addresses = [] } = await client.send(new sdk.DescribeAddressesCommand({ Filters: [stackFilter(place)] }));
    // Billed by the hour, used or not (EC2: public IPv4 addresses).
    return Addresses.map(({ PublicIp = '', Tags }) => itemOf(place, 'address', PublicIp, Tags, true));
  });
}

async function templates(place: AwsContext): Promise<readonly Found[]> {
  return callEc2(place, findCall('ec2:DescribeLaunchTemplates', 'launch templates'), async (sdk, client) => {
    const pages = sdk.paginateDescribeLaunchTemplates({ client }, { Filters: [stackFilter(place)] });
    const all = await collectPages(pages, (page) => page.LaunchTemplates);
    return all.map(({ LaunchTemplateName = '', Tags }) =>
      itemOf(place, 'launchTemplate', LaunchTemplateName, Tags, false),
    );
  });
}

async function securityGroups(place: AwsContext): Promise<readonly Found[]> {
  return callEc2(place, findCall('ec2:DescribeSecurityGroups', 'security groups'), async (sdk, client) => {
    const pages = sdk.paginateDescribeSecurityGroups({ client }, { Filters: [stackFilter(place)] });
    const all = await collectPages(pages, (page) => page.SecurityGroups);
    return all.map(({ GroupName = '', Tags }) => itemOf(place, 'securityGroup', GroupName, Tags, false));
  });
}

const findCall = (action: string, what: string) => ({ what: `find ${what} of the stack`, action, resource: '*' });

/** Resources in IAM with the stack's names and tag. IAM can't be searched by tags, and charges for nothing. */
async function iamInventory(place: AwsContext): Promise<readonly Found[]> {
  const looks = (['worker', 'manager'] as const).flatMap((who) => [role(place, who), instanceProfile(place, who)]);
  await Promise.allSettled(looks);
  return (await Promise.all(looks)).flat();
}

async function role({ profile, clients }: AwsContext, who: 'worker' | 'manager'): Promise<readonly Found[]> {
  const name = roleName(profile.stack, who);
  return new IamAccess(clients, { kind: 'role', name }).translated('look at', 'iam:GetRole', async () => {
    const access = new RoleAccess(who, profile, clients);
    const found = await access.read();
    const isOurs = found !== null && (await access.foreignOwner(found)) === null;
    return isOurs ? [known({ part: 'iam', kind: 'role', name, group: null, costs: false })] : [];
  });
}

async function instanceProfile({ profile, clients }: AwsContext, who: 'worker' | 'manager'): Promise<readonly Found[]> {
  const name = roleName(profile.stack, who);
  const iam = new IamAccess(clients, { kind: 'profile', name });
  return iam.translated('look at', 'iam:GetInstanceProfile', async () => {
    const [sdk, client] = await iam.open();
    const asked = new sdk.GetInstanceProfileCommand({ InstanceProfileName: name });
    const found = (await iam.nullIfMissing(client.send(asked)))?.InstanceProfile;
    const isOurs = found !== undefined && (await profileOwner(who, profile, clients, found)) === null;
    return isOurs ? [known({ part: 'iam', kind: 'profile', name, group: null, costs: false })] : [];
  });
}
