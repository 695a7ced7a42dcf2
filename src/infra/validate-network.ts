import type { Route, SecurityGroup, VpcEndpoint } from '@aws-sdk/client-ec2';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { cidrsOverlap } from '../lib/cidr.ts';
import { roleName } from '../lib/stack-names.ts';
import { type Finding, fail, warn } from '../model/finding.ts';
import { type AwsContext, callEc2, collectPages } from './call-aws.ts';
import { collectFindings } from './findings.ts';
import type { NetworkFacts, SubnetFacts } from './network.ts';
import { passwordOf } from './policy.ts';

interface SubnetRoute {
  readonly subnet: SubnetFacts;
  readonly table: string;
  /** `internet`: an internet gateway, which serves only public addresses. `other`: a transit gateway, or similar. */
  readonly leads: 'internet' | 'nat' | 'other' | null;
}

/**
 * Checks that instances reach the services that they use: by a public address and an internet gateway, by NAT or
 * similar, or by an endpoint of each service that admits them. Endpoint policies aren't checked.
 */
export async function validateRoutes(place: AwsContext, network: NetworkFacts): Promise<readonly Finding[]> {
  const { publicIp } = place.profile.network;
  const ways = await readRoutes(place, network);
  const closed = ways.filter(({ leads }) => leads === null || (leads === 'internet' && !publicIp));
  const paid = ways.filter(({ leads }) => leads === 'nat');
  const endpoints = closed.length + paid.length === 0 ? [] : await readEndpoints(place, network.vpc);
  return [
    ...(closed.length === 0 ? [] : await unreachableServices(place, network, closed, endpoints)),
    ...(closed.length === 0 ? [] : await collectFindings(() => validatePrivateNames(place, network))),
    ...natCostWarnings(place.profile, network, paid, endpoints),
    ...checkManagerAddress(place.profile, ways),
  ];
}

/** Attributes of a VPC without which the services' names don't lead to its endpoints (VPC: private DNS). */
const NAME_ATTRIBUTES = ['enableDnsSupport', 'enableDnsHostnames'] as const;

async function validatePrivateNames(place: AwsContext, { vpc }: NetworkFacts): Promise<readonly Finding[]> {
  const doing = { what: `read the attributes of ${vpc}`, action: 'ec2:DescribeVpcAttribute', resource: `vpc/${vpc}` };
  const isOn = (Attribute: (typeof NAME_ATTRIBUTES)[number]): Promise<boolean> =>
    callEc2(place, doing, async (sdk, client) => {
      const found = await client.send(new sdk.DescribeVpcAttributeCommand({ VpcId: vpc, Attribute }));
      return (Attribute === 'enableDnsSupport' ? found.EnableDnsSupport : found.EnableDnsHostnames)?.Value === true;
    });
  const on = await Promise.all(NAME_ATTRIBUTES.map(isOn));
  const off = NAME_ATTRIBUTES.filter((_, at) => !on[at]);
  if (off.length === 0) return [];
  const flags = { enableDnsSupport: '--enable-dns-support', enableDnsHostnames: '--enable-dns-hostnames' };
  // A request changes one attribute (EC2: ModifyVpcAttribute).
  const fixes = off.map(
    (each) =>
      `aws ec2 modify-vpc-attribute --region ${place.profile.region} --vpc-id ${vpc} ${flags[each]} '{"Value":true}'`,
  );
  const message = `${vpc}: ${off.join(' and ')} ${off.length === 1 ? 'is' : 'are'} off, so the names of services don't lead to endpoints in it`;
  return [fail(message, fixes.join(' && '))];
}

/** An Elastic IP is reachable only through an internet gateway (EC2: Elastic IP addresses). */
function checkManagerAddress({ manager }: AwsProfile, ways: readonly SubnetRoute[]): readonly Finding[] {
  const private_ = ways.filter(({ leads }) => leads !== 'internet').map(({ subnet }) => subnet.id);
  if (manager === null || private_.length === 0) return [];
  const message = `the manager's Elastic IP is not reachable from outside in ${private_.join(', ')}: no internet gateway`;
  return [warn(message, 'use subnets that have one, or reach the manager by its private address')];
}

/** NAT is billed per GB, and S3 has the most traffic (VPC pricing: NAT gateways, 0.045 USD in us-east-1). */
function natCostWarnings(
  profile: AwsProfile,
  { vpc }: NetworkFacts,
  paid: readonly SubnetRoute[],
  endpoints: readonly VpcEndpoint[],
): readonly Finding[] {
  const without = paid.filter((way) => !endpoints.some((endpoint) => serves(endpoint, 's3', way)));
  if (without.length === 0) return [];
  const message = `${idsOf(without)}: S3 is reached through a NAT gateway, which costs about 0.045 USD per GB; a gateway endpoint is free`;
  return [warn(message, gatewayCommand(profile, vpc, without))];
}

async function unreachableServices(
  place: AwsContext,
  { vpc }: NetworkFacts,
  closed: readonly SubnetRoute[],
  endpoints: readonly VpcEndpoint[],
): Promise<readonly Finding[]> {
  const { profile } = place;
  const market = spotPriceUseOf(profile);
  const services = servicesOf(profile, market);
  const doors = await EndpointGroups.read(place, vpc, closed);
  const without = (service: string) =>
    closed.filter((way) => !endpoints.some((endpoint) => serves(endpoint, service, way)));
  const made = services.filter((service) => !['s3', 'sdb'].includes(service) && without(service).length > 0);
  /** Without market prices, only jobs with a budget get no instances, and there may be no such jobs. */
  const isNeeded = (service: string): boolean => service !== 'ec2' || profile.manager !== null || market === 'always';
  const lacks = made.length === 0 ? null : doors.newGroupProblem();
  return [
    ...(lacks === null ? [] : [made.some(isNeeded) ? fail(...lacks) : warn(...lacks)]),
    ...services.flatMap(finding),
  ];

  function finding(service: string): readonly Finding[] {
    const serving = endpoints.filter((endpoint) => closed.some((way) => serves(endpoint, service, way)));
    const found = missingRoute(service) ?? doors.blockedProblem(service, serving);
    if (found === null) return [];
    const [message, fix] = found;
    if (service !== 'ec2' || profile.manager !== null) return [fail(message, fix)];
    const why = `${message}: spot prices are unknown, so jobs with a cost limit get no instances`;
    return [isNeeded(service) ? fail(why, fix) : warn(`${why} (set by submit --max-cost)`, fix)];
  }

  function missingRoute(service: string): Trouble | null {
    const ways = without(service);
    if (ways.length === 0) return null;
    const message = `${idsOf(ways)}: no route to ${service}, neither through NAT nor an endpoint`;
    if (service === 'sdb') return [message, 'SimpleDB has no VPC endpoints: add a route 0.0.0.0/0 to a NAT gateway'];
    if (service === 's3') return [message, gatewayCommand(profile, vpc, ways)];
    const subnets = onePerZone(ways);
    const rest = subnets.length < ways.length ? ' (it needs one subnet per zone, and serves the others there)' : '';
    const fix = `${endpointCommand(profile, vpc, service)} --vpc-endpoint-type Interface --private-dns-enabled --subnet-ids ${subnets.join(' ')} --security-group-ids ${doors.group ?? '"$ENDPOINTS"'}`;
    return [`${message}${rest}`, fix];
  }
}

type Trouble = readonly [message: string, fix: string | null];

const idsOf = (ways: readonly SubnetRoute[]): string => ways.map(({ subnet }) => subnet.id).join(', ');

/** An interface endpoint takes only one subnet per zone (EC2: CreateVpcEndpoint, DuplicateSubnetsInSameZone). */
const onePerZone = (ways: readonly SubnetRoute[]): readonly string[] =>
  ways
    .filter(({ subnet }, at) => ways.findIndex((other) => other.subnet.zone === subnet.zone) === at)
    .map(({ subnet }) => subnet.id);

const endpointCommand = ({ region }: AwsProfile, vpc: string, service: string): string =>
  `aws ec2 create-vpc-endpoint --region ${region} --vpc-id ${vpc} --service-name ${nameOf(service, region)}`;

function gatewayCommand(profile: AwsProfile, vpc: string, ways: readonly SubnetRoute[]): string {
  const tables = [...new Set(ways.map(({ table }) => table))].join(' ');
  return `${endpointCommand(profile, vpc, 's3')} --vpc-endpoint-type Gateway --route-table-ids ${tables}`;
}

const PORT = 443;

const READ_GROUPS = {
  what: 'read security groups',
  action: 'ec2:DescribeSecurityGroups',
  resource: 'security-group/*',
};

const inVpc = (vpc: string) => ({ Filters: [{ Name: 'vpc-id', Values: [vpc] }] });

/** The security groups of interface endpoints: whether they admit workers and the manager. */
class EndpointGroups {
  /** The group for new endpoints; null if there is none. */
  readonly group: string | null;
  readonly #profile: AwsProfile;
  readonly #vpc: string;
  readonly #all: readonly SecurityGroup[];
  readonly #closed: readonly SubnetRoute[];

  private constructor(profile: AwsProfile, vpc: string, all: readonly SecurityGroup[], closed: readonly SubnetRoute[]) {
    this.#profile = profile;
    this.#vpc = vpc;
    this.#all = all;
    this.#closed = closed;
    this.group = this.#named(this.#name) ?? null;
  }

  static async read(place: AwsContext, vpc: string, closed: readonly SubnetRoute[]): Promise<EndpointGroups> {
    const all = await callEc2(place, READ_GROUPS, (sdk, client) =>
      collectPages(sdk.paginateDescribeSecurityGroups({ client }, inVpc(vpc)), (page) => page.SecurityGroups),
    );
    return new EndpointGroups(place.profile, vpc, all, closed);
  }

  /** What the group for new endpoints lacks. By default they get the VPC's default group, which admits no worker. */
  newGroupProblem(): Trouble | null {
    if (this.group !== null) {
      if (this.#admitsWorkers([this.group])) return null;
      return [
        `${this.group} does not accept connections from workers at port ${PORT}, for endpoints`,
        this.#openCommand(this.group),
      ];
    }
    const { region } = this.#profile;
    const make = `aws ec2 create-security-group --region ${region} --vpc-id ${this.#vpc} --group-name ${this.#name} --description "batchctl: VPC endpoints" --query GroupId --output text`;
    const message = `${this.#vpc}: endpoints need a security group that accepts connections from workers at port ${PORT}`;
    return [message, `ENDPOINTS=$(${make}) && ${this.#openCommand('"$ENDPOINTS"')}`];
  }

  /** The trouble if a service has endpoints but none admits the workers; null if one does. */
  blockedProblem(service: string, endpoints: readonly VpcEndpoint[]): Trouble | null {
    const groupsOf = ({ Groups = [] }: VpcEndpoint) => Groups.flatMap(({ GroupId }) => GroupId ?? []);
    const open = endpoints.some((one) => one.VpcEndpointType === 'Gateway' || this.#admitsWorkers(groupsOf(one)));
    const [first] = endpoints;
    if (open || first === undefined) return null;
    const groups = groupsOf(first);
    const message = `the endpoint ${first.VpcEndpointId} of ${service} does not accept connections from workers at port ${PORT}: its security groups are ${groups.join(', ') || 'none'}`;
    return [message, groups[0] === undefined ? null : this.#openCommand(groups[0])];
  }

  get #name(): string {
    return `${this.#profile.stack}-endpoints`;
  }

  #named(name: string): string | undefined {
    return this.#all.find(({ GroupName }) => GroupName === name)?.GroupId;
  }

  /** Whether these groups of an endpoint admit every kind of instance, from each subnet. Assumes so when in doubt. */
  #admitsWorkers(ids: readonly string[]): boolean {
    const rules = this.#all
      .filter(({ GroupId }) => GroupId !== undefined && ids.includes(GroupId))
      .flatMap(({ IpPermissions = [] }) => IpPermissions)
      .filter(
        ({ IpProtocol, FromPort = PORT, ToPort = PORT }) =>
          IpProtocol === '-1' || (IpProtocol === 'tcp' && FromPort <= PORT && PORT <= ToPort),
      );
    return this.#clientGroups().every((own) =>
      this.#closed.every(({ subnet }) =>
        rules.some(
          ({ IpRanges = [], UserIdGroupPairs = [], PrefixListIds = [] }) =>
            PrefixListIds.length > 0 ||
            UserIdGroupPairs.some(({ GroupId }) => GroupId !== undefined && own.includes(GroupId)) ||
            IpRanges.some(({ CidrIp }) => CidrIp !== undefined && cidrsOverlap(CidrIp, subnet.cidr)),
        ),
      ),
    );
  }

  /** The security groups of workers, and of the manager: one that doesn't exist yet is in no rule. */
  #clientGroups(): readonly (readonly string[])[] {
    const { network, stack, manager } = this.#profile;
    if (network.securityGroups.length > 0) return [network.securityGroups];
    const roles = manager === null ? (['worker'] as const) : (['worker', 'manager'] as const);
    return roles.map((who) => [this.#named(roleName(stack, who)) ?? '']);
  }

  /**
   * The command that admits the profile's own group, or the subnets: `infra down` can't remove a group that another
   * group's rule names.
   */
  #openCommand(group: string): string {
    const { region, network } = this.#profile;
    const [own] = network.securityGroups;
    const cidrs = this.#closed.map(({ subnet }) => `{CidrIp=${subnet.cidr}}`).join(',');
    const from = own === undefined ? `IpRanges=[${cidrs}]` : `UserIdGroupPairs=[{GroupId=${own}}]`;
    return `aws ec2 authorize-security-group-ingress --region ${region} --group-id ${group} --ip-permissions 'IpProtocol=tcp,FromPort=${PORT},ToPort=${PORT},${from}'`;
  }
}

/** Services that workers and the manager use. Amazon Linux's packages come from S3 too. */
function servicesOf(profile: AwsProfile, market: SpotPriceUse): readonly string[] {
  const { groups, manager, ledger, notify, metrics } = profile;
  const references = [
    ...Object.values(groups).flatMap(({ secrets }) => Object.values(secrets)),
    ...notify.flatMap(({ secret }) => secret ?? []),
    ...passwordOf(profile),
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

/** Which workers ask EC2 for spot prices: those whose jobs or stack's month have a budget. Any job may have one. */
type SpotPriceUse = 'always' | 'limitedJobs' | 'never';

function spotPriceUseOf({ groups, prices, budget }: AwsProfile): SpotPriceUse {
  // If no market has a price, the profile's prices count.
  const unknown = Object.values(groups).some(
    ({ spot, instances }) => spot && instances.some((type) => prices[type] === undefined),
  );
  if (!unknown) return 'never';
  return budget.month === null && budget.job === null ? 'limitedJobs' : 'always';
}

const nameOf = (service: string, region: string): string =>
  `${region.startsWith('cn-') && service !== 's3' ? 'cn.' : ''}com.amazonaws.${region}.${service}`;

/** A gateway serves the route tables that it is in; an interface endpoint with private DNS serves the whole VPC. */
function serves(endpoint: VpcEndpoint, service: string, { table }: SubnetRoute): boolean {
  if (endpoint.State?.toLowerCase() !== 'available') return false;
  if (endpoint.ServiceName?.endsWith(`.${service}`) !== true) return false;
  if (endpoint.VpcEndpointType === 'Gateway') return endpoint.RouteTableIds?.includes(table) === true;
  return endpoint.PrivateDnsEnabled === true;
}

async function readRoutes(place: AwsContext, { vpc, subnets }: NetworkFacts): Promise<readonly SubnetRoute[]> {
  const doing = { what: 'read the route tables', action: 'ec2:DescribeRouteTables', resource: 'route-table/*' };
  const tables = await callEc2(place, doing, (sdk, client) =>
    collectPages(sdk.paginateDescribeRouteTables({ client }, inVpc(vpc)), (page) => page.RouteTables),
  );
  // A subnet without a route table of its own uses the main one (VPC: route tables).
  const main = tables.find(({ Associations = [] }) => Associations.some(({ Main }) => Main === true));
  return subnets.map((subnet) => {
    const own = tables.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnet.id));
    const table = own ?? main;
    return { subnet, table: table?.RouteTableId ?? 'none', leads: routeTarget(table?.Routes ?? []) };
  });
}

function routeTarget(routes: readonly Route[]): SubnetRoute['leads'] {
  const route = routes.find(
    ({ DestinationCidrBlock, State }) => DestinationCidrBlock === '0.0.0.0/0' && State !== 'blackhole',
  );
  if (route === undefined) return null;
  if (route.NatGatewayId !== undefined) return 'nat';
  return route.GatewayId?.startsWith('igw-') === true ? 'internet' : 'other';
}

async function readEndpoints(place: AwsContext, vpc: string): Promise<readonly VpcEndpoint[]> {
  const doing = { what: 'read VPC endpoints', action: 'ec2:DescribeVpcEndpoints', resource: 'vpc-endpoint/*' };
  return callEc2(place, doing, (sdk, client) =>
    collectPages(sdk.paginateDescribeVpcEndpoints({ client }, inVpc(vpc)), (page) => page.VpcEndpoints),
  );
}

export async function validateSecurityGroups(place: AwsContext, { vpc }: NetworkFacts): Promise<readonly Finding[]> {
  const ids = place.profile.network.securityGroups;
  if (ids.length === 0) return [];
  const found = await callEc2(place, READ_GROUPS, async (sdk, client) => {
    const Filters = [{ Name: 'group-id', Values: [...ids] }];
    return (await client.send(new sdk.DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? [];
  });
  const wrong = ids.flatMap((id) => {
    const group = found.find(({ GroupId }) => GroupId === id);
    if (group === undefined) return [`${id} does not exist`];
    return group.VpcId === vpc ? [] : [`${id} is in ${group.VpcId}`];
  });
  if (wrong.length === 0) return [];
  throw new BatchctlError('config', `network.securityGroups must be in ${vpc}, like the subnets: ${wrong.join(', ')}`, {
    hint: `aws ec2 describe-security-groups --filters Name=vpc-id,Values=${vpc} lists them; or omit the field to have one created`,
  });
}
