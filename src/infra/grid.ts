import type { AwsGroup } from '../config.ts';
import { MANAGER_GROUP, roleName } from '../lib/stack-names.ts';
import { AddressResource } from './address.ts';
import { type GridPlace, once } from './asked.ts';
import { Images } from './image.ts';
import { LaunchTemplateResource } from './launch-template.ts';
import { MachineTypes } from './machine-types.ts';
import { Network } from './network.ts';
import type { Resource } from './resource.ts';
import { ScalingGroupResource } from './scaling-group.ts';
import { SecurityGroupResource } from './security-group.ts';
import { type BootRelease, managerUserData, userDataFor } from './user-data.ts';

export interface GridParts extends GridPlace {
  /** What new instances run: for `up` what it will have made current, for `status` what is current. */
  readonly release: () => Promise<BootRelease>;
}

/** What the grid's resources look up once, and share. */
export interface GridFacts {
  readonly network: Network;
  readonly types: MachineTypes;
  readonly images: Images;
}

/** The manager's root volume, bytes: it keeps nothing there but its logs. */
export const MANAGER_DISK = 16 * 2 ** 30;

export function gridFacts(place: GridPlace): GridFacts {
  return { network: new Network(place), types: new MachineTypes(place), images: new Images(place) };
}

/** Each worker group's launch template and Auto Scaling group, in the order in which they are made. */
export function gridResources(parts: GridParts, facts: GridFacts = gridFacts(parts)): readonly Resource[] {
  const { groups, network } = parts.profile;
  const release = once(parts.release);
  const own = new SecurityGroupResource('worker', parts, facts.network);
  const made = network.securityGroups.length === 0;
  const securityGroups = made ? () => listed(own.id()) : async () => network.securityGroups;
  const each = Object.entries(groups).flatMap(([group, settings]) =>
    groupResources({ ...parts, release }, facts, group, settings, securityGroups),
  );
  return made ? [own, ...each] : each;
}

function groupResources(
  parts: GridParts,
  facts: GridFacts,
  group: string,
  settings: AwsGroup,
  securityGroups: () => Promise<readonly string[] | null>,
): readonly Resource[] {
  const { profile } = parts;
  const { instances, ami, disk, spot, onDemandBase, min, max } = settings;
  const template = new LaunchTemplateResource(parts, {
    ...{ part: 'grid', group, where: `groups.${group}`, instances, ami, disk, securityGroups, ...facts },
    instanceProfile: profile.iam.workerProfile ?? roleName(profile.stack, 'worker'),
    boot: async () => {
      const release = await parts.release();
      return { text: userDataFor({ profile, group, release }), release: shortOf(release) };
    },
  });
  return [
    template,
    new ScalingGroupResource(parts, {
      ...{ part: 'grid', group, template, instances, spot, onDemandBase, min, max, drains: true },
      subnets: () => subnetsFor(facts, instances),
    }),
  ];
}

/** The manager's security group, address, launch template and group of one; nothing without a manager. */
export function managerResources(parts: GridParts, facts: GridFacts = gridFacts(parts)): readonly Resource[] {
  const { profile } = parts;
  if (profile.manager === null) return [];
  const release = once(parts.release);
  const own = new SecurityGroupResource('manager', parts, facts.network);
  const address = new AddressResource(parts);
  const instances = [profile.manager.instance];
  const template = new LaunchTemplateResource(parts, {
    ...{ part: 'manager', group: MANAGER_GROUP, where: 'manager', instances, ami: null, disk: MANAGER_DISK, ...facts },
    instanceProfile: profile.iam.managerProfile ?? roleName(profile.stack, 'manager'),
    // Those of the profile besides: by them it reaches what only they may, such as a database.
    securityGroups: () => listed(own.id(), profile.network.securityGroups),
    boot: async () => {
      const allocation = await address.allocation();
      if (allocation === null) return null;
      const known = await release();
      return { text: managerUserData({ profile, release: known, allocation }), release: shortOf(known) };
    },
  });
  const group = new ScalingGroupResource(parts, {
    ...{ part: 'manager', group: MANAGER_GROUP, template, instances, spot: false, onDemandBase: 0, min: 1, max: 1 },
    drains: false,
    subnets: () => subnetsFor(facts, instances),
  });
  return [own, address, template, group];
}

/** Of a default VPC, those in zones that offer one of the types: in some zones the newer ones lack. */
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

async function listed(own: Promise<string | null>, others: readonly string[] = []): Promise<readonly string[] | null> {
  const id = await own;
  return id === null ? null : [id, ...others];
}

/** As the tag of instances tells it. */
const shortOf = ({ sha256 }: BootRelease): string => sha256.slice(0, 12);
