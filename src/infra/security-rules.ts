import type { IpPermission } from '@aws-sdk/client-ec2';

/** One rule: one protocol, one range of ports, one peer. */
export interface Rule {
  /** In words, the same for the same rule: `tcp 443 203.0.113.0/24`. */
  readonly text: string;
  readonly permission: IpPermission;
}

const ALL = '-1';
const EVERYWHERE = '0.0.0.0/0';

/** The rules of what EC2 tells, which puts those of the same ports together. */
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

/** To everywhere, by whatever protocol: what a new security group has (EC2: CreateSecurityGroup). */
export const EVERYTHING: Rule = {
  text: `all ${EVERYWHERE}`,
  permission: { IpProtocol: ALL, IpRanges: [{ CidrIp: EVERYWHERE }] },
};
/** The same by IPv6; a new group of a VPC with such addresses has it too. */
export const EVERYTHING_V6 = 'all ::/0';

function portsText({ IpProtocol = ALL, FromPort, ToPort }: IpPermission): string {
  if (IpProtocol === ALL) return 'all';
  if (FromPort === undefined || (FromPort === -1 && ToPort === -1)) return IpProtocol;
  return `${IpProtocol} ${FromPort === ToPort ? FromPort : `${FromPort}-${ToPort}`}`;
}
