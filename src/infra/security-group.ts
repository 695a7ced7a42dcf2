import type { IpPermission, SecurityGroup } from '@aws-sdk/client-ec2';
import { nullOnError } from '../adapters/aws/errors.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { canonicalCidr } from '../lib/cidr.ts';
import { roleName } from '../lib/stack-names.ts';
import { type AwsContext, callEc2, retryUntilConsistent, waitUntilVisible } from './call-aws.ts';
import type { Network } from './network.ts';
import { foreignOwner, requireOurs } from './owner.ts';
import { type KeptReason, type Resource, type ResourceState, stateFromDifferences } from './resource.ts';
import { fromTagList, tagDifferences, tagsOf, toTagList } from './tags.ts';

const MANAGER_PORT = 443;

interface SecurityGroupPlan {
  readonly name: string;
  readonly description: string;
  readonly incoming: readonly Rule[];
  readonly outgoing: readonly Rule[];
}

export function securityGroupPlan(who: 'worker' | 'manager', { stack, manager }: AwsProfile): SecurityGroupPlan {
  const allow = who === 'manager' ? new Set((manager?.allow ?? []).map(canonicalCidr)) : new Set<string>();
  return {
    name: roleName(stack, who),
    description: `batchctl: the ${who === 'worker' ? 'workers' : 'manager'} of the stack ${stack}`,
    incoming: [...allow].map((cidr) => tcpRule(MANAGER_PORT, cidr, 'manager.allow')),
    outgoing: [EVERYTHING],
  };
}

/**
 * Nothing may reach the workers; what the profile's `manager.allow` names may reach the manager, at its port. Both
 * reach everything. Rules that others add are removed.
 */
export class SecurityGroupResource implements Resource {
  readonly part: 'grid' | 'manager';
  readonly kind = 'securityGroup';
  readonly name: string;
  readonly #plan: SecurityGroupPlan;
  readonly #place: AwsContext;
  readonly #network: Network;
  /** Of a newly created group, which EC2 may not list yet (EC2: eventual consistency). */
  #made: string | null = null;

  constructor(who: 'worker' | 'manager', place: AwsContext, network: Network) {
    this.part = who === 'worker' ? 'grid' : 'manager';
    this.#plan = securityGroupPlan(who, place.profile);
    this.name = this.#plan.name;
    this.#place = place;
    this.#network = network;
  }

  async look(): Promise<ResourceState> {
    const found = await this.#find();
    if (found === null) return { state: 'absent' };
    await this.#requireOurs(found);
    const { opened, closed } = this.#drift(found);
    const differences = [
      ...opened.map(({ direction, rule }) => `${direction} rule ${rule.text} is missing`),
      ...closed.map(({ direction, rule }) => `${direction} rule ${rule.text} was added by someone else`),
      ...tagDifferences(fromTagList(found.Tags), tagsOf(this.#place.profile)),
    ];
    return stateFromDifferences(differences);
  }

  async apply(): Promise<void> {
    const found = (await this.#find()) ?? (await this.#create());
    await this.#requireOurs(found);
    const { opened, closed } = this.#drift(found);
    for (const { direction, rule } of opened) await this.#change(found, direction, rule, 'Authorize');
    for (const { direction, rule } of closed) await this.#change(found, direction, rule, 'Revoke');
    const tags = tagsOf(this.#place.profile);
    if (tagDifferences(fromTagList(found.Tags), tags).length === 0) return;
    await this.#callEc2('tag', 'CreateTags', async (sdk, client) => {
      await client.send(new sdk.CreateTagsCommand({ Resources: [found.GroupId ?? ''], Tags: toTagList(tags) }));
    });
  }

  /** A network interface that is being deleted still holds it (EC2: DeleteSecurityGroup, DependencyViolation). */
  async remove(): Promise<KeptReason | null> {
    this.#made = null;
    // In any VPC, so that a change of subnets leaves none behind.
    const all = await this.#search([]);
    let theirs: string | null = null;
    for (const { GroupId, Tags } of all) {
      const owner = await foreignOwner(this.#place, fromTagList(Tags));
      if (owner === null) await this.#delete(GroupId);
      theirs ??= owner;
    }
    return theirs === null ? null : { why: theirs };
  }

  async #delete(GroupId: string | undefined): Promise<void> {
    await this.#callEc2('remove', 'DeleteSecurityGroup', async (sdk, client) => {
      const sent = retryUntilConsistent(
        () => client.send(new sdk.DeleteSecurityGroupCommand({ GroupId })),
        ['DependencyViolation'],
      );
      await nullOnError(sent, 'InvalidGroup.NotFound');
    });
  }

  /** Its id; null until it exists. */
  async id(): Promise<string | null> {
    return (await this.#find())?.GroupId ?? this.#made;
  }

  #drift(found: SecurityGroup): { readonly opened: readonly Change[]; readonly closed: readonly Change[] } {
    const { incoming, outgoing } = this.#plan;
    const [inward, outward] = [rulesOf(found.IpPermissions ?? []), rulesOf(found.IpPermissionsEgress ?? [])];
    const both = (wanted: readonly Rule[], is: readonly Rule[], direction: Direction, alsoFine: string | null) => ({
      opened: wanted.filter(({ text }) => !is.some((rule) => rule.text === text)).map((rule) => ({ direction, rule })),
      closed: is
        .filter(({ text }) => text !== alsoFine && !wanted.some((rule) => rule.text === text))
        .map((rule) => ({ direction, rule })),
    });
    const into = both(incoming, inward, 'incoming', null);
    const out = both(outgoing, outward, 'outgoing', EVERYTHING_V6);
    return { opened: [...into.opened, ...out.opened], closed: [...into.closed, ...out.closed] };
  }

  /** A rule that another `up` has already added or removed counts as done. */
  async #change(found: SecurityGroup, direction: Direction, rule: Rule, verb: 'Authorize' | 'Revoke'): Promise<void> {
    const way = direction === 'incoming' ? 'Ingress' : 'Egress';
    await this.#callEc2('set rules of', `${verb}SecurityGroup${way}`, async (sdk, client) => {
      const at = { GroupId: found.GroupId, IpPermissions: [rule.permission] satisfies IpPermission[] };
      const changes = {
        AuthorizeIngress: () => client.send(new sdk.AuthorizeSecurityGroupIngressCommand(at)),
        AuthorizeEgress: () => client.send(new sdk.AuthorizeSecurityGroupEgressCommand(at)),
        RevokeIngress: () => client.send(new sdk.RevokeSecurityGroupIngressCommand(at)),
        RevokeEgress: () => client.send(new sdk.RevokeSecurityGroupEgressCommand(at)),
      };
      const sent = retryUntilConsistent<unknown>(
        changes[`${verb}${way}`],
        verb === 'Authorize' ? ['InvalidGroup.NotFound'] : [],
      );
      await nullOnError(sent, 'InvalidPermission.Duplicate', 'InvalidPermission.NotFound');
    });
  }

  /** With its tags from the start, and with EC2's default rule: all outbound traffic (EC2: CreateSecurityGroup). */
  async #create(): Promise<SecurityGroup> {
    const { vpc } = await this.#network.facts();
    return this.#callEc2('make', 'CreateSecurityGroup', async (sdk, client) => {
      const Tags = toTagList(tagsOf(this.#place.profile));
      const TagSpecifications = [{ ResourceType: 'security-group' as const, Tags }];
      const asked = { GroupName: this.name, Description: this.#plan.description, VpcId: vpc, TagSpecifications };
      const answer = client.send(new sdk.CreateSecurityGroupCommand(asked));
      // It may exist from our own first try, whose answer was lost, or from another `up`.
      const made = await nullOnError(answer, 'InvalidGroup.Duplicate');
      this.#made = made?.GroupId ?? null;
      if (made !== null) return { ...made, Tags, IpPermissionsEgress: [EVERYTHING.permission] };
      return waitUntilVisible(() => this.#find());
    });
  }

  #requireOurs({ Tags }: SecurityGroup): Promise<void> {
    const others = ', or your own group in network.securityGroups';
    return requireOurs(this.#place, `the security group ${this.name}`, Tags, others);
  }

  async #find(): Promise<SecurityGroup | null> {
    const { vpc } = await this.#network.facts();
    return (await this.#search([{ Name: 'vpc-id', Values: [vpc] }]))[0] ?? null;
  }

  async #search(filters: readonly { Name: string; Values: string[] }[]): Promise<readonly SecurityGroup[]> {
    return this.#callEc2('look at', 'DescribeSecurityGroups', async (sdk, client) => {
      const Filters = [{ Name: 'group-name', Values: [this.name] }, ...filters];
      const { SecurityGroups = [] } = await client.send(new sdk.DescribeSecurityGroupsCommand({ Filters }));
      return SecurityGroups;
    });
  }

  #callEc2<T>(verb: string, action: string, work: Parameters<typeof callEc2<T>>[2]): Promise<T> {
    const what = `${verb} the security group ${this.name}`;
    return callEc2(this.#place, { what, action: `ec2:${action}`, resource: 'security-group/*' }, work);
  }
}

type Direction = 'incoming' | 'outgoing';

interface Change {
  readonly direction: Direction;
  readonly rule: Rule;
}

/** One rule: one protocol, one range of ports, one peer. */
export interface Rule {
  /** For people, the same for the same rule: `tcp 443 203.0.113.0/24`. */
  readonly text: string;
  readonly permission: IpPermission;
}

const ALL = '-1';
const EVERYWHERE = '0.0.0.0/0';

/** EC2's permissions as single rules: EC2 groups those of the same ports. */
export function rulesOf(permissions: readonly IpPermission[]): readonly Rule[] {
  return permissions.flatMap((found) => {
    const { IpProtocol = ALL, FromPort, ToPort } = found;
    const ports = { IpProtocol, ...(FromPort !== undefined && { FromPort }), ...(ToPort !== undefined && { ToPort }) };
    const to = (peer: string, where: IpPermission): Rule => ({
      text: `${portsText(ports)} ${peer}`,
      permission: { ...ports, ...where },
    });
    return [
      ...(found.IpRanges ?? []).map(({ CidrIp = '' }) => to(CidrIp, { IpRanges: [{ CidrIp }] })),
      ...(found.Ipv6Ranges ?? []).map(({ CidrIpv6 = '' }) => to(CidrIpv6, { Ipv6Ranges: [{ CidrIpv6 }] })),
      ...(found.PrefixListIds ?? []).map(({ PrefixListId = '' }) =>
        to(PrefixListId, { PrefixListIds: [{ PrefixListId }] }),
      ),
      ...(found.UserIdGroupPairs ?? []).map(({ GroupId = '', UserId }) =>
        to(GroupId, { UserIdGroupPairs: [{ GroupId, ...(UserId !== undefined && { UserId }) }] }),
      ),
    ];
  });
}

/** A port that a block of addresses may reach. */
export function tcpRule(port: number, cidr: string, description: string): Rule {
  const ports = { IpProtocol: 'tcp', FromPort: port, ToPort: port };
  const peer = cidr.includes(':')
    ? { Ipv6Ranges: [{ CidrIpv6: cidr, Description: description }] }
    : { IpRanges: [{ CidrIp: cidr, Description: description }] };
  return { text: `${portsText(ports)} ${cidr}`, permission: { ...ports, ...peer } };
}

/** All destinations and protocols, as in a new security group (EC2: CreateSecurityGroup). */
const EVERYTHING: Rule = {
  text: `all ${EVERYWHERE}`,
  permission: { IpProtocol: ALL, IpRanges: [{ CidrIp: EVERYWHERE }] },
};
/** The same for IPv6; a new group in a VPC with such addresses has it too. */
const EVERYTHING_V6 = 'all ::/0';

function portsText({ IpProtocol = ALL, FromPort, ToPort }: IpPermission): string {
  if (IpProtocol === ALL) return 'all';
  if (FromPort === undefined || (FromPort === -1 && ToPort === -1)) return IpProtocol;
  return `${IpProtocol} ${FromPort === ToPort ? FromPort : `${FromPort}-${ToPort}`}`;
}
