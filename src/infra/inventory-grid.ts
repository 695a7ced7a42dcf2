import { GROUP_TAG, gridName, MANAGER_GROUP, roleName, STACK_TAG } from '../lib/stack-names.ts';
import { asked } from './asked.ts';
import { tagsOfEc2 } from './ec2-tags.ts';
import type { InventoryPlace, Item } from './inventory.ts';

/** States of instances that AWS charges for, or whose volumes it does (EC2: instance lifecycle). */
const ALIVE = ['pending', 'running', 'stopping', 'stopped'];

type Tags = Parameters<typeof tagsOfEc2>[0];

/** What EC2 and Auto Scaling have with the stack's tag. */
export async function gridInventory(place: InventoryPlace): Promise<readonly Item[]> {
  const looks = [groups(place), instances(place), volumes(place), interfaces(place), addresses(place)];
  const all = [...looks, templates(place), securityGroups(place)];
  await Promise.allSettled(all);
  return (await Promise.all(all)).flat();
}

/** What `kind` a found thing is, with its tags. The manager's is told by its name. */
function itemOf(
  { profile: { stack } }: InventoryPlace,
  kind: Item['kind'],
  name: string,
  tags: Tags,
  costs: boolean,
): Item {
  const group = tagsOfEc2(tags)[GROUP_TAG] ?? null;
  const managers = [gridName(stack, MANAGER_GROUP), roleName(stack, 'manager')];
  const part = group === MANAGER_GROUP || managers.includes(name) || kind === 'address' ? 'manager' : 'grid';
  return { part, kind, name, group: part === 'manager' ? null : group, costs };
}

const byTag = ({ profile: { stack } }: InventoryPlace) => ({ Name: `tag:${STACK_TAG}`, Values: [stack] });

async function groups(place: InventoryPlace): Promise<readonly Item[]> {
  const doing = ask('autoscaling:DescribeAutoScalingGroups', 'Auto Scaling groups');
  return asked(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-auto-scaling'), place.clients.autoScaling()]);
    const found: Item[] = [];
    for await (const page of sdk.paginateDescribeAutoScalingGroups({ client }, { Filters: [byTag(place)] })) {
      for (const { AutoScalingGroupName = '', Tags } of page.AutoScalingGroups ?? []) {
        // It costs what its instances do, and starts them again as long as it is there.
        found.push(itemOf(place, 'group', AutoScalingGroupName, Tags, true));
      }
    }
    return found;
  });
}

/** Those that have not ended. */
export async function instances(place: InventoryPlace): Promise<readonly Item[]> {
  return asked(place, ask('ec2:DescribeInstances', 'instances'), async () => {
    const [sdk, client] = await ec2(place);
    const Filters = [byTag(place), { Name: 'instance-state-name', Values: ALIVE }];
    const found: Item[] = [];
    for await (const page of sdk.paginateDescribeInstances({ client }, { Filters })) {
      for (const { InstanceId = '', Tags } of (page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances)) {
        found.push(itemOf(place, 'instance', InstanceId, Tags, true));
      }
    }
    return found;
  });
}

async function volumes(place: InventoryPlace): Promise<readonly Item[]> {
  return asked(place, ask('ec2:DescribeVolumes', 'volumes'), async () => {
    const [sdk, client] = await ec2(place);
    const found: Item[] = [];
    for await (const page of sdk.paginateDescribeVolumes({ client }, { Filters: [byTag(place)] })) {
      for (const { VolumeId = '', Tags } of page.Volumes ?? [])
        found.push(itemOf(place, 'volume', VolumeId, Tags, true));
    }
    return found;
  });
}

async function interfaces(place: InventoryPlace): Promise<readonly Item[]> {
  return asked(place, ask('ec2:DescribeNetworkInterfaces', 'network interfaces'), async () => {
    const [sdk, client] = await ec2(place);
    const found: Item[] = [];
    for await (const page of sdk.paginateDescribeNetworkInterfaces({ client }, { Filters: [byTag(place)] })) {
      for (const { NetworkInterfaceId = '', TagSet } of page.NetworkInterfaces ?? []) {
        found.push(itemOf(place, 'networkInterface', NetworkInterfaceId, TagSet, false));
      }
    }
    return found;
  });
}

async function addresses(place: InventoryPlace): Promise<readonly Item[]> {
  return asked(place, ask('ec2:DescribeAddresses', 'addresses'), async () => {
    const [sdk, client] = await ec2(place);
    const { Addresses = [] } = await client.send(new sdk.DescribeAddressesCommand({ Filters: [byTag(place)] }));
    // Charged by the hour, whether it is used or not (EC2: public IPv4 addresses).
    return Addresses.map(({ PublicIp = '', Tags }) => itemOf(place, 'address', PublicIp, Tags, true));
  });
}

async function templates(place: InventoryPlace): Promise<readonly Item[]> {
  return asked(place, ask('ec2:DescribeLaunchTemplates', 'launch templates'), async () => {
    const [sdk, client] = await ec2(place);
    const found: Item[] = [];
    for await (const page of sdk.paginateDescribeLaunchTemplates({ client }, { Filters: [byTag(place)] })) {
      for (const { LaunchTemplateName = '', Tags } of page.LaunchTemplates ?? []) {
        found.push(itemOf(place, 'launchTemplate', LaunchTemplateName, Tags, false));
      }
    }
    return found;
  });
}

async function securityGroups(place: InventoryPlace): Promise<readonly Item[]> {
  return asked(place, ask('ec2:DescribeSecurityGroups', 'security groups'), async () => {
    const [sdk, client] = await ec2(place);
    const found: Item[] = [];
    for await (const page of sdk.paginateDescribeSecurityGroups({ client }, { Filters: [byTag(place)] })) {
      for (const { GroupName = '', Tags } of page.SecurityGroups ?? []) {
        found.push(itemOf(place, 'securityGroup', GroupName, Tags, false));
      }
    }
    return found;
  });
}

const ask = (action: string, what: string) => ({ what: `look for ${what} of the stack`, action, resource: '*' });

const ec2 = ({ clients }: InventoryPlace) => Promise.all([import('@aws-sdk/client-ec2'), clients.ec2()]);
