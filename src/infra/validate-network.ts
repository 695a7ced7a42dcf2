import type { Route, RouteTable, VpcEndpoint } from '@aws-sdk/client-ec2';
import type { AwsProfile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import { asked, type GridPlace } from './asked.ts';
import { type Finding, failing, warning } from './finding.ts';
import type { NetworkFacts } from './network.ts';

/** What leads out of a subnet. */
interface Way {
  readonly subnet: string;
  readonly table: string;
  /** `internet`: an internet gateway, of use to public addresses alone. `other`: NAT, or the like. */
  readonly leads: 'internet' | 'other' | null;
}

/**
 * Whether instances reach what they ask: by a public address and an internet gateway, by NAT or the like, or by an
 * endpoint of each service. Endpoints' own security groups and policies are not looked at.
 */
export async function validateWays(place: GridPlace, network: NetworkFacts): Promise<readonly Finding[]> {
  const { publicIp } = place.profile.network;
  const ways = await waysOf(place, network);
  const closed = ways.filter(({ leads }) => leads === null || (leads === 'internet' && !publicIp));
  return [...(closed.length === 0 ? [] : await lacking(place, network, closed)), ...managersReach(place.profile, ways)];
}

/** An Elastic IP is reached through an internet gateway alone (EC2: Elastic IP addresses). */
function managersReach({ manager }: AwsProfile, ways: readonly Way[]): readonly Finding[] {
  const private_ = ways.filter(({ leads }) => leads !== 'internet').map(({ subnet }) => subnet);
  if (manager === null || private_.length === 0) return [];
  const message = `in ${private_.join(', ')} nothing from outside reaches the manager's Elastic IP: no internet gateway`;
  return [warning(message, 'name subnets that have one, or reach the manager by its private address')];
}

async function lacking(place: GridPlace, { vpc }: NetworkFacts, closed: readonly Way[]): Promise<readonly Finding[]> {
  const endpoints = await endpointsOf(place, vpc);
  const { region, manager } = place.profile;
  const market = marketOf(place.profile);
  return servicesOf(place.profile, market).flatMap((service) => {
    const without = closed.filter((way) => !endpoints.some((endpoint) => serves(endpoint, service, way)));
    if (without.length === 0) return [];
    const subnets = without.map(({ subnet }) => subnet);
    const message = `${subnets.join(', ')}: no way to ${service}, neither by NAT nor by an endpoint`;
    if (service === 'sdb') {
      return [failing(message, 'SimpleDB has no VPC endpoints: add a route 0.0.0.0/0 to a NAT gateway')];
    }
    const make = `aws ec2 create-vpc-endpoint --region ${region} --vpc-id ${vpc} --service-name ${nameOf(service, region)}`;
    const tables = [...new Set(without.map(({ table }) => table))].join(' ');
    const mend =
      service === 's3'
        ? `${make} --vpc-endpoint-type Gateway --route-table-ids ${tables}`
        : `${make} --vpc-endpoint-type Interface --private-dns-enabled --subnet-ids ${subnets.join(' ')}`;
    if (service !== 'ec2' || manager !== null) return [failing(message, mend)];
    const why = `${message}: no price of spot is known, and what has a limit gets no machine`;
    return [market === 'always' ? failing(why, mend) : warning(`${why} (submit --max-cost sets one)`, mend)];
  });
}

/** What workers ask, and the manager: Amazon Linux's packages come out of S3 too. */
function servicesOf({ groups, manager, ledger, notify, metrics }: AwsProfile, market: Market): readonly string[] {
  const references = [
    ...Object.values(groups).flatMap(({ secrets }) => Object.values(secrets)),
    ...notify.flatMap(({ secret }) => secret ?? []),
  ];
  const asks = (kind: string): boolean => references.some((text) => text.startsWith(kind));
  return [
    ...['s3', 'sqs', 'autoscaling', 'sts'],
    ...(manager === null && market === 'never' ? [] : ['ec2']),
    ...(asks('ssm:') ? ['ssm'] : []),
    ...(asks('secretsmanager:') ? ['secretsmanager'] : []),
    ...(notify.some(({ to }) => to.startsWith('sns:')) ? ['sns'] : []),
    ...(metrics ? ['monitoring'] : []),
    ...(ledger.kind === 'simpledb' ? ['sdb'] : []),
  ];
}

/** Who asks EC2 what spot costs: workers whose jobs, or the stack's month, have a limit. Any job may have one. */
type Market = 'always' | 'limitedJobs' | 'never';

function marketOf({ groups, prices, budget }: AwsProfile): Market {
  // Where no market tells, the profile's prices do.
  const unknown = Object.values(groups).some(
    ({ spot, instances }) => spot && instances.some((type) => prices[type] === undefined),
  );
  if (!unknown) return 'never';
  return budget.month === null && budget.job === null ? 'limitedJobs' : 'always';
}

const nameOf = (service: string, region: string): string =>
  `${region.startsWith('cn-') && service !== 's3' ? 'cn.' : ''}com.amazonaws.${region}.${service}`;

/** A gateway serves those route tables that it is in; an interface with names of its own the whole VPC. */
function serves(endpoint: VpcEndpoint, service: string, { table }: Way): boolean {
  if (endpoint.State?.toLowerCase() !== 'available') return false;
  if (endpoint.ServiceName?.endsWith(`.${service}`) !== true) return false;
  if (endpoint.VpcEndpointType === 'Gateway') return endpoint.RouteTableIds?.includes(table) === true;
  return endpoint.PrivateDnsEnabled === true;
}

async function waysOf(place: GridPlace, { vpc, subnets }: NetworkFacts): Promise<readonly Way[]> {
  const doing = { what: 'look at the route tables', action: 'ec2:DescribeRouteTables', resource: 'route-table/*' };
  const tables = await asked(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-ec2'), place.clients.ec2()]);
    const found: RouteTable[] = [];
    const Filters = [{ Name: 'vpc-id', Values: [vpc] }];
    for await (const page of sdk.paginateDescribeRouteTables({ client }, { Filters })) {
      found.push(...(page.RouteTables ?? []));
    }
    return found;
  });
  // A subnet without a table of its own has the main one (VPC: route tables).
  const main = tables.find(({ Associations = [] }) => Associations.some(({ Main }) => Main === true));
  return subnets.map(({ id: subnet }) => {
    const own = tables.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnet));
    const table = own ?? main;
    return { subnet, table: table?.RouteTableId ?? 'none', leads: leadsTo(table?.Routes ?? []) };
  });
}

function leadsTo(routes: readonly Route[]): Way['leads'] {
  const route = routes.find(
    ({ DestinationCidrBlock, State }) => DestinationCidrBlock === '0.0.0.0/0' && State !== 'blackhole',
  );
  if (route === undefined) return null;
  return route.GatewayId?.startsWith('igw-') === true ? 'internet' : 'other';
}

async function endpointsOf(place: GridPlace, vpc: string): Promise<readonly VpcEndpoint[]> {
  const doing = { what: 'look at VPC endpoints', action: 'ec2:DescribeVpcEndpoints', resource: 'vpc-endpoint/*' };
  return asked(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-ec2'), place.clients.ec2()]);
    const found: VpcEndpoint[] = [];
    const Filters = [{ Name: 'vpc-id', Values: [vpc] }];
    for await (const page of sdk.paginateDescribeVpcEndpoints({ client }, { Filters })) {
      found.push(...(page.VpcEndpoints ?? []));
    }
    return found;
  });
}

/** The security groups that the profile names: there, and of the subnets' VPC. */
export async function validateSecurityGroups(place: GridPlace, { vpc }: NetworkFacts): Promise<readonly Finding[]> {
  const ids = place.profile.network.securityGroups;
  if (ids.length === 0) return [];
  const doing = { what: 'look at security groups', action: 'ec2:DescribeSecurityGroups', resource: 'security-group/*' };
  const found = await asked(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-ec2'), place.clients.ec2()]);
    const Filters = [{ Name: 'group-id', Values: [...ids] }];
    return (await client.send(new sdk.DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? [];
  });
  const wrong = ids.flatMap((id) => {
    const group = found.find(({ GroupId }) => GroupId === id);
    if (group === undefined) return [`${id} is not there`];
    return group.VpcId === vpc ? [] : [`${id} is of ${group.VpcId}`];
  });
  if (wrong.length === 0) return [];
  throw new BatchctlError('config', `network.securityGroups must be of ${vpc}, as the subnets: ${wrong.join(', ')}`, {
    hint: `aws ec2 describe-security-groups --filters Name=vpc-id,Values=${vpc} lists them; or leave the field out: one is made`,
  });
}
