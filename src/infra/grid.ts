import type { AwsProfile } from '../config/load-config.ts';
import { once } from '../lib/once.ts';
import { MANAGER_GROUP, roleName } from '../lib/stack-names.ts';
import { AddressResource } from './address.ts';
import type { AwsContext } from './call-aws.ts';
import { type Boot, LaunchTemplateResource, type TemplateParts } from './launch-template.ts';
import { Images, MachineTypes } from './machine-types.ts';
import { Network } from './network.ts';
import type { Resource } from './resource.ts';
import { ScalingGroupResource } from './scaling-group.ts';
import type { MachineGroup } from './scaling-request.ts';
import { SecurityGroupResource } from './security-group.ts';
import { type BootRelease, managerUserData, workerUserData } from './user-data.ts';

export interface GridParts extends AwsContext {
  /** New instances' program: for `up` the release that it will have made current, for `status` the current one. */
  readonly release: () => Promise<BootRelease>;
}

/** Facts that the grid's resources look up once, and share. */
export interface GridFacts {
  readonly network: Network;
  readonly types: MachineTypes;
  readonly images: Images;
}

/** The manager's root volume, bytes: it holds only logs. */
export const MANAGER_DISK = 16 * 2 ** 30;

/** The machines of each worker group, then the manager's. */
export function machinesOf({ stack, iam, groups, manager }: AwsProfile): readonly MachineGroup[] {
  const workers = Object.entries(groups).map(
    ([group, { instances, ami, disk, spot, onDemandBase, min, max }]): MachineGroup => ({
      part: 'grid',
      group,
      where: `groups.${group}`,
      instances,
      ami,
      disk,
      spot,
      onDemandBase,
      min,
      max,
      instanceProfile: iam.workerProfile ?? roleName(stack, 'worker'),
      drains: true,
    }),
  );
  if (manager === null) return workers;
  return [
    ...workers,
    {
      part: 'manager',
      group: MANAGER_GROUP,
      where: 'manager',
      instances: [manager.instance],
      ami: null,
      disk: MANAGER_DISK,
      spot: false,
      onDemandBase: 0,
      min: 1,
      max: 1,
      drains: false,
      instanceProfile: iam.managerProfile ?? roleName(stack, 'manager'),
    },
  ];
}

export const workerBoot = (profile: AwsProfile, group: string, release: BootRelease): Boot => ({
  text: workerUserData(profile, group, release),
  release: shortOf(release),
});

/** The boot of the manager's instance, which takes the Elastic IP of this allocation id. */
export const managerBoot = (profile: AwsProfile, release: BootRelease, allocation: string): Boot => ({
  text: managerUserData(profile, release, allocation),
  release: shortOf(release),
});

export function gridFacts(place: AwsContext): GridFacts {
  return { network: new Network(place), types: new MachineTypes(place), images: new Images(place) };
}

/** Each worker group's launch template and Auto Scaling group, in the order of creation. */
export function gridResources(parts: GridParts, facts: GridFacts = gridFacts(parts)): readonly Resource[] {
  const { profile } = parts;
  const { network } = profile;
  const release = once(parts.release);
  const own = new SecurityGroupResource('worker', parts, facts.network);
  const made = network.securityGroups.length === 0;
  const securityGroups = made ? () => groupIds(own.id()) : async () => network.securityGroups;
  const each = machinesOf(profile)
    .filter(({ part }) => part === 'grid')
    .flatMap((machines) => {
      const boot = async () => workerBoot(profile, machines.group, await release());
      return machineResources(parts, facts, machines, { securityGroups, boot });
    });
  return made ? [own, ...each] : each;
}

/** The manager's security group, address, launch template and Auto Scaling group of one; nothing without a manager. */
export function managerResources(parts: GridParts, facts: GridFacts = gridFacts(parts)): readonly Resource[] {
  const { profile } = parts;
  const machines = machinesOf(profile).filter(({ part }) => part === 'manager');
  if (machines.length === 0) return [];
  const release = once(parts.release);
  const own = new SecurityGroupResource('manager', parts, facts.network);
  const address = new AddressResource(parts);
  // The profile's security groups too: they give access to what only they may reach, such as a database.
  const securityGroups = () => groupIds(own.id(), profile.network.securityGroups);
  const boot = async () => {
    const allocation = await address.allocation();
    return allocation === null ? null : managerBoot(profile, await release(), allocation);
  };
  return [own, address, ...machines.flatMap((each) => machineResources(parts, facts, each, { securityGroups, boot }))];
}

function machineResources(
  parts: GridParts,
  facts: GridFacts,
  machines: MachineGroup,
  made: Pick<TemplateParts, 'securityGroups' | 'boot'>,
): readonly Resource[] {
  const template = new LaunchTemplateResource(parts, { ...machines, ...facts, ...made });
  const subnets = () => subnetsFor(facts, machines.instances);
  return [template, new ScalingGroupResource(parts, { ...machines, template, subnets })];
}

/** In a default VPC, only subnets in zones that offer one of the types: some zones lack the newer ones. */
export async function subnetsFor(
  { network, types }: GridFacts,
  instances: readonly string[],
): Promise<readonly string[]> {
  const { subnets, named } = await network.facts();
  const all = subnets.map(({ id }) => id);
  if (named) return all;
  const zones = await types.zones();
  const offered = subnets.filter(({ zone }) => instances.some((type) => zones.get(type)?.has(zone)));
  return offered.length === 0 ? all : offered.map(({ id }) => id);
}

async function groupIds(
  own: Promise<string | null>,
  others: readonly string[] = [],
): Promise<readonly string[] | null> {
  const id = await own;
  return id === null ? null : [id, ...others];
}

/** The form in the tag of instances. */
const shortOf = ({ sha256 }: BootRelease): string => sha256.slice(0, 12);
