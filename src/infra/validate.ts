import { nullOnError } from '../adapters/aws/errors.ts';
import { quotaUseOf, quotaWarning, readQuotas } from '../adapters/aws/vcpu-quotas.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { isKind } from '../errors.ts';
import { GROUP_TAG, MANAGER_GROUP, roleName, STACK_TAG } from '../lib/stack-names.ts';
import { formatMany } from '../lib/units.ts';
import { type Finding, fail, warn } from '../model/finding.ts';
import { type AwsContext, callAws, callEc2, collectPages, loadAutoScaling } from './call-aws.ts';
import { collectFindings } from './findings.ts';
import { type GridFacts, machinesOf } from './grid.ts';
import { foreignOwner } from './owner.ts';
import type { StackPart } from './resource.ts';
import { missingActions } from './role.ts';
import type { MachineGroup } from './scaling-request.ts';
import { fromTagList, validateTags } from './tags.ts';
import { validateKey } from './validate-key.ts';
import { validateLedger } from './validate-ledger.ts';
import { validateRoutes, validateSecurityGroups } from './validate-network.ts';

/** Elastic IPs per region by default (EC2: quotas). */
const ADDRESSES = 5;

/**
 * What would not work, or might not, in the parts that are to be made. Changes nothing. Throws `unavailable`, and
 * `credentials` if they have expired.
 */
export async function validateStack(
  place: AwsContext,
  facts: GridFacts,
  only: StackPart | null,
): Promise<readonly Finding[]> {
  const makes = (part: StackPart): boolean => only === null || only === part;
  const { profile } = place;
  const makesRole = makes('iam') && profile.iam.workerProfile === null;
  const machines = machinesOf(profile).filter(({ part }) => makes(part));
  const hasManager = profile.manager !== null;
  const checks: readonly (readonly [isNeeded: boolean, check: () => Promise<readonly Finding[]>])[] = [
    [
      makes('data') || machines.length > 0,
      () => validateLedger(place, { data: makes('data'), machines: machines.length > 0 }),
    ],
    [makes('iam'), () => validateBoundary(place)],
    [makes('grid') || makesRole, () => validateFormerGroups(place, makes('iam'))],
    [machines.length > 0, () => validateNetwork(place, facts)],
    [machines.length > 0, () => validateKey(place)],
    ...machines.map((machine) => [true, () => validateMachines(facts, machine)] as const),
    [machines.length > 0, () => validateQuotas(place, makes)],
    [only === 'grid', () => validateInstanceProfile(place, 'worker')],
    [only === 'manager' && hasManager, () => validateInstanceProfile(place, 'manager')],
    [makes('manager') && hasManager, () => validateAddress(place)],
  ];
  const needed = checks.filter(([isNeeded]) => isNeeded);
  const found = await Promise.all(needed.map(([, check]) => collectFindings(check)));
  return [...validateTags(profile, makes), ...(makes('manager') ? validateAllow(profile) : []), ...found.flat()];
}

/** IPv4 blocks of fewer bits have more than 16 million addresses; IPv6 blocks, more than any organisation. */
const SHORTEST_PREFIX = { v4: 8, v6: 16 } as const;

/** Warns of blocks that let nearly anyone reach the manager, who may then try tokens. */
export function validateAllow({ manager }: Pick<AwsProfile, 'manager'>): readonly Finding[] {
  const wide = (manager?.allow ?? []).filter((block) => {
    const shortest = block.includes(':') ? SHORTEST_PREFIX.v6 : SHORTEST_PREFIX.v4;
    return Number(block.split('/')[1]) < shortest;
  });
  if (wide.length === 0) return [];
  return [
    warn(
      `manager.allow has ${wide.join(', ')}: nearly anyone on the internet may reach the manager and try tokens`,
      'list the networks of your office or VPN: "allow": ["203.0.113.0/24"]',
    ),
  ];
}

/** All further checks need the subnets: without them there is one finding. */
async function validateNetwork(place: AwsContext, { network: net }: GridFacts): Promise<readonly Finding[]> {
  const known = await net.facts();
  const looks = [validateSecurityGroups, validateRoutes].map((look) => collectFindings(() => look(place, known)));
  return (await Promise.all(looks)).flat();
}

async function validateMachines({ network: net, types, images }: GridFacts, machines: MachineGroup) {
  const { where, instances, ami, disk } = machines;
  const { architecture } = await types.of(`${where}.instances`, instances);
  await images.of(where, ami, architecture, disk);
  // Missing subnets are a finding of their own.
  const known = await net.facts().catch((error: unknown) => {
    if (isKind(error, 'config')) return null;
    throw error;
  });
  if (known === null) return [];
  const zones = await types.zones();
  const offered = (type: string): boolean => known.subnets.some(({ zone }) => zones.get(type)?.has(zone) === true);
  const nowhere = instances.filter((type) => !offered(type));
  const list = [...new Set(known.subnets.map(({ zone }) => zone))].join(', ');
  if (nowhere.length === instances.length) {
    const message = `${where}.instances: none of ${nowhere.join(', ')} is offered in ${list}`;
    return [
      fail(message, `use other types, or subnets in other zones (${zonesOf(nowhere, zones) || 'no zone has them'})`),
    ];
  }
  const bare = known.subnets.filter(({ zone }) => !instances.some((type) => zones.get(type)?.has(zone) === true));
  const found: Finding[] = [];
  if (nowhere.length > 0) {
    found.push(warn(`${where}.instances: ${namesWithVerb(nowhere)} not offered in ${list}`, 'use other types'));
  }
  if (bare.length > 0 && known.named) {
    const ids = bare.map(({ id }) => id).join(', ');
    found.push(warn(`${where}: no instance can start in ${ids}, as none of its types is offered there`, null));
  }
  return found;
}

/** Whether the account's quotas allow what the configuration may start. An emulator of EC2 alone has no quotas. */
async function validateQuotas({ profile, clients }: AwsContext, makes: (part: StackPart) => boolean) {
  if (clients.endpoint('ec2') !== undefined && clients.endpoint('servicequotas') === undefined) return [];
  const { groups, manager, region } = profile;
  const uses = makes('grid') ? Object.entries(groups).map(([group, of]) => quotaUseOf(of, `groups.${group}`)) : [];
  if (makes('manager') && manager !== null) {
    uses.push({ where: 'manager', instances: [manager.instance], spot: 0, onDemand: 1 });
  }
  const needs = await readQuotas(clients, uses);
  return needs.flatMap((need) => {
    const found = quotaWarning(need, region);
    return found === null ? [] : [warn(found.message, found.fix)];
  });
}

const namesWithVerb = (names: readonly string[]): string => `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'}`;

function zonesOf(types: readonly string[], zones: ReadonlyMap<string, ReadonlySet<string>>): string {
  return [...new Set(types.flatMap((type) => [...(zones.get(type) ?? [])]))].sort().join(', ');
}

/** A boundary without a needed action denies it to the role, whatever the role's own policy says. */
async function validateBoundary(place: AwsContext): Promise<readonly Finding[]> {
  const { iam, manager } = place.profile;
  const { permissionsBoundary: PolicyArn } = iam;
  if (PolicyArn === null) return [];
  const what = 'read the permissions boundary';
  const resource = PolicyArn.slice(PolicyArn.lastIndexOf(':') + 1);
  const [sdk, client] = await Promise.all([import('@aws-sdk/client-iam'), place.clients.iam()]);
  const found = await callAws(place, { what, action: 'iam:GetPolicy', resource }, () =>
    nullOnError(client.send(new sdk.GetPolicyCommand({ PolicyArn })), 'NoSuchEntityException', 'NoSuchEntity'),
  );
  if (found === null)
    return [
      fail(`iam.permissionsBoundary: the policy ${PolicyArn} does not exist`, 'correct it, or create the policy'),
    ];
  const VersionId = found.Policy?.DefaultVersionId;
  const { PolicyVersion } = await callAws(place, { what, action: 'iam:GetPolicyVersion', resource }, () =>
    client.send(new sdk.GetPolicyVersionCommand({ PolicyArn, VersionId })),
  );
  const document = PolicyVersion?.Document ?? '';
  const made = [
    ...(iam.workerProfile === null ? (['worker'] as const) : []),
    ...(manager !== null && iam.managerProfile === null ? (['manager'] as const) : []),
  ];
  return made.flatMap((who) => {
    const missing = missingActions([document], who, place.profile);
    if (missing.length === 0) return [];
    const role = roleName(place.profile.stack, who);
    return [
      warn(
        `iam.permissionsBoundary does not allow ${missing.join(', ')}, which the role ${role} needs`,
        `ask the owner of ${PolicyArn} to add them; batchctl infra policies --for ${who} prints the resources that need them`,
      ),
    ];
  });
}

/** Making only the grid needs the profile made by another part: without it, the group would never get instances. */
async function validateInstanceProfile(place: AwsContext, who: 'worker' | 'manager'): Promise<readonly Finding[]> {
  const { iam, stack } = place.profile;
  const name = iam[`${who}Profile`] ?? roleName(stack, who);
  const doing = { what: `read the instance profile ${name}`, action: 'iam:GetInstanceProfile' };
  const found = await callAws(place, { ...doing, resource: `instance-profile/${name}` }, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-iam'), place.clients.iam()]);
    const answer = client.send(new sdk.GetInstanceProfileCommand({ InstanceProfileName: name }));
    return await nullOnError(answer, 'NoSuchEntityException', 'NoSuchEntity');
  });
  if ((found?.InstanceProfile?.Roles ?? []).length > 0) return [];
  const what =
    found === null ? `the instance profile ${name} does not exist` : `the instance profile ${name} has no role`;
  return [fail(what, 'ask someone with the permissions to run batchctl infra up --only iam')];
}

async function validateAddress(place: AwsContext): Promise<readonly Finding[]> {
  const doing = { what: 'read the Elastic IPs', action: 'ec2:DescribeAddresses', resource: 'elastic-ip/*' };
  const found = await callEc2(place, doing, async (sdk, client) => {
    return (await client.send(new sdk.DescribeAddressesCommand({}))).Addresses ?? [];
  });
  if (found.length < ADDRESSES) return [];
  for (const { Tags } of found) if ((await foreignOwner(place, fromTagList(Tags))) === null) return [];
  const message = `the region has ${found.length} Elastic IPs already, and allows ${ADDRESSES} unless a higher quota was requested`;
  return [warn(message, 'release one, or request a higher quota from AWS: L-0263D0A3 of ec2')];
}

/**
 * Worker groups of the stack that are no longer in the configuration. With the role (`iam`), their workers would lose
 * the right to their queue, to their program, and to end their own machines, which would be billed until someone
 * notices.
 */
async function validateFormerGroups(place: AwsContext, iam: boolean): Promise<readonly Finding[]> {
  const { stack, groups, iam: given } = place.profile;
  const action = 'autoscaling:DescribeAutoScalingGroups';
  const found = await callAws(place, { what: 'find groups of the stack', action, resource: '*' }, async () => {
    const [sdk, client] = await loadAutoScaling(place);
    const Filters = [{ Name: `tag:${STACK_TAG}`, Values: [stack] }];
    return collectPages(
      sdk.paginateDescribeAutoScalingGroups({ client }, { Filters }),
      (page) => page.AutoScalingGroups,
    );
  });
  const owners = await Promise.all(found.map(({ Tags }) => foreignOwner(place, fromTagList(Tags))));
  const ours = found.filter((_, at) => owners[at] === null);
  return ours.flatMap(({ Instances = [], Tags }) => {
    const group = fromTagList(Tags)[GROUP_TAG] ?? '';
    if (group === '' || group === MANAGER_GROUP || Object.hasOwn(groups, group)) return [];
    const count = Instances.length;
    const message = `group ${group} is no longer in the configuration, but still exists, with ${formatMany(count, 'instance')}`;
    const fix = `drain and remove it with batchctl infra down --group ${group} --confirm ${stack}; or add it to the configuration again`;
    return [iam && given.workerProfile === null && count > 0 ? fail(message, fix) : warn(message, fix)];
  });
}
