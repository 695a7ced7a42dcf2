// Protects: infra up names every service that workers could not reach, before it creates anything.
import { expect } from 'chai';
import { warningsOf } from '../../src/infra/findings.ts';
import { gridFacts } from '../../src/infra/grid.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { openResources, type Settings, validate } from './grid-lab.ts';

/** A subnet, and what belongs to it. */
interface Subnet {
  readonly VpcId: string;
  readonly SubnetId: string;
  readonly RouteTableId: string;
}

describe('validation of the network', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const others = forSuite(() => accountClients(cloud));

  const validated = (settings: Settings) => validate(cloud, settings);
  /** Creates a VPC with one subnet and no route out. */
  const closedSubnet = async (): Promise<Subnet> => {
    const VpcId = (await others.ec2.createVpc({ CidrBlock: '10.9.0.0/16' })).Vpc?.VpcId ?? '';
    await others.ec2.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: true } });
    const RouteTableId = (await others.ec2.createRouteTable({ VpcId })).RouteTable?.RouteTableId ?? '';
    const SubnetId = await addSubnet({ VpcId, RouteTableId }, '10.9.1.0/24', 'us-east-1a');
    return { VpcId, SubnetId, RouteTableId };
  };

  const addSubnet = async (
    { VpcId, RouteTableId }: Omit<Subnet, 'SubnetId'>,
    CidrBlock: string,
    AvailabilityZone: string,
  ): Promise<string> => {
    const created = await others.ec2.createSubnet({ VpcId, CidrBlock, AvailabilityZone });
    const SubnetId = created.Subnet?.SubnetId ?? '';
    await others.ec2.associateRouteTable({ RouteTableId, SubnetId });
    return SubnetId;
  };
  const addSecurityGroup = async ({ VpcId }: Pick<Subnet, 'VpcId'>, GroupName: string): Promise<string> =>
    (await others.ec2.createSecurityGroup({ GroupName, Description: 'of a test', VpcId })).GroupId ?? '';
  const addS3Endpoint = ({ VpcId, RouteTableId }: Subnet) =>
    others.ec2.createVpcEndpoint({
      VpcEndpointType: 'Gateway',
      ServiceName: 'com.amazonaws.us-east-1.s3',
      VpcId,
      RouteTableIds: [RouteTableId],
    });
  /** Adds interface endpoints with a security group. */
  const addEndpoints = async (
    { VpcId, SubnetId }: Subnet,
    group: string,
    services = ['sqs', 'autoscaling', 'sts'],
  ): Promise<void> => {
    for (const service of services) {
      await others.ec2.createVpcEndpoint({
        VpcEndpointType: 'Interface',
        PrivateDnsEnabled: true,
        ServiceName: `com.amazonaws.us-east-1.${service}`,
        VpcId,
        SubnetIds: [SubnetId],
        SecurityGroupIds: [group],
      });
    }
  };
  /** Lets a security group accept connections from a network or a group. */
  const allowFrom = async (group: string, from: { CidrIp: string } | { GroupId: string }, port = 443) => {
    const peer = 'GroupId' in from ? { UserIdGroupPairs: [from] } : { IpRanges: [from] };
    const IpPermissions = [{ IpProtocol: 'tcp', FromPort: port, ToPort: port, ...peer }];
    await others.ec2.authorizeSecurityGroupIngress({ GroupId: group, IpPermissions });
  };

  it('rejects subnets of two VPCs, and security groups of another VPC', async () => {
    const [one, two] = [await closedSubnet(), await closedSubnet()];
    const [mixed] = await validated({ network: { subnets: [one.SubnetId, two.SubnetId] } });
    expect(mixed?.message).to.include('network.subnets are in 2 VPCs');
    const GroupId = await addSecurityGroup(two, 'theirs');
    const messages = (await validated({ network: { securityGroups: [GroupId] } })).map(({ message }) => message);
    expect(messages[0]).to.include(`${GroupId} is in ${two.VpcId}`);
  });

  it("names each service that a private subnet can't reach, with the endpoint to add", async () => {
    const subnet = await closedSubnet();
    const { VpcId, SubnetId, RouteTableId } = subnet;
    const network = { subnets: [SubnetId], publicIp: false };
    const groups = { default: { spot: false, secrets: { PASSWORD: 'ssm:/password' } } };
    const all = () => validated({ stack: 'claims', network, groups });
    const lacking = async () => (await all()).map(({ message }) => /no route to (\w+)/.exec(message)?.[1] ?? message);
    const noGroup = `${VpcId}: endpoints need a security group that accepts connections from workers at port 443`;
    expect(await lacking()).to.deep.equal([noGroup, 's3', 'sqs', 'autoscaling', 'sts', 'ssm']);
    const [group, s3, sqs] = await all();
    const opens = `--ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.9.1.0/24}]'`;
    expect(group?.fix).to.equal(
      `ENDPOINTS=$(aws ec2 create-security-group --region us-east-1 --vpc-id ${VpcId} --group-name claims-endpoints --description "batchctl: VPC endpoints" --query GroupId --output text) && aws ec2 authorize-security-group-ingress --region us-east-1 --group-id "$ENDPOINTS" ${opens}`,
    );
    const make = `aws ec2 create-vpc-endpoint --region us-east-1 --vpc-id ${VpcId} --service-name com.amazonaws.us-east-1`;
    expect(s3?.fix).to.equal(`${make}.s3 --vpc-endpoint-type Gateway --route-table-ids ${RouteTableId}`);
    const interface_ = '--vpc-endpoint-type Interface --private-dns-enabled';
    expect(sqs?.fix).to.equal(`${make}.sqs ${interface_} --subnet-ids ${SubnetId} --security-group-ids "$ENDPOINTS"`);
    const GroupId = await addSecurityGroup(subnet, 'claims-endpoints');
    const [closed] = await all();
    expect(closed).to.deep.equal({
      severity: 'fail',
      message: `${GroupId} does not accept connections from workers at port 443, for endpoints`,
      fix: `aws ec2 authorize-security-group-ingress --region us-east-1 --group-id ${GroupId} ${opens}`,
    });
    await allowFrom(GroupId, { CidrIp: '10.9.0.0/16' });
    expect(await lacking()).to.deep.equal(['s3', 'sqs', 'autoscaling', 'sts', 'ssm']);
    expect((await all())[1]?.fix).to.include(`--security-group-ids ${GroupId}`);
    await addS3Endpoint(subnet);
    expect(await lacking()).to.deep.equal(['sqs', 'autoscaling', 'sts', 'ssm']);
    await addEndpoints(subnet, GroupId, ['sqs', 'autoscaling', 'sts', 'ssm']);
    expect(await lacking()).to.deep.equal([]);
  });

  it("fails if the VPC's names don't lead to its endpoints, with the commands that change that", async () => {
    const { SubnetId, VpcId } = await closedSubnet();
    const found = async () =>
      (await validated({ network: { subnets: [SubnetId], publicIp: false } })).filter(({ message }) =>
        message.includes('enableDns'),
      );
    expect(await found()).to.deep.equal([]);
    const change = `aws ec2 modify-vpc-attribute --region us-east-1 --vpc-id ${VpcId}`;
    await others.ec2.modifyVpcAttribute({ VpcId, EnableDnsHostnames: { Value: false } });
    expect(await found()).to.deep.equal([
      {
        severity: 'fail',
        message: `${VpcId}: enableDnsHostnames is off, so the names of services don't lead to endpoints in it`,
        fix: `${change} --enable-dns-hostnames '{"Value":true}'`,
      },
    ]);
    await others.ec2.modifyVpcAttribute({ VpcId, EnableDnsSupport: { Value: false } });
    const [both] = await found();
    expect(both?.message).to.include('enableDnsSupport and enableDnsHostnames are off');
    expect(both?.fix).to.equal(
      `${change} --enable-dns-support '{"Value":true}' && ${change} --enable-dns-hostnames '{"Value":true}'`,
    );
    cloud.failNext('ec2:DescribeVpcAttribute', 403, 'UnauthorizedOperation', 'no', 2);
    const denied = await validated({ network: { subnets: [SubnetId], publicIp: false } });
    expect(denied.map(({ message }) => message).join())
      .to.include('no route to sqs')
      .and.include('not validated: ');
    // Instances that leave the VPC use the public names.
    const routed = await validated({});
    expect(routed.filter(({ message }) => message.includes('enableDns'))).to.deep.equal([]);
  });

  it('names one subnet per zone for an endpoint, as it accepts no more', async () => {
    const subnet = await closedSubnet();
    const subnets = [
      subnet.SubnetId,
      await addSubnet(subnet, '10.9.2.0/24', 'us-east-1a'),
      await addSubnet(subnet, '10.9.3.0/24', 'us-east-1b'),
    ];
    const sqs = (await validated({ network: { subnets, publicIp: false } }))[2];
    const [first = ''] = subnets.slice(0, 2).sort();
    const named = [first, subnets[2] ?? ''].sort();
    expect(sqs?.fix).to.include(`--subnet-ids ${named.join(' ')} --security-group-ids`);
    expect(sqs?.message).to.include('(it needs one subnet per zone, and serves the others there)');
  });

  it('fails if existing endpoints do not accept the instances', async () => {
    const subnet = await closedSubnet();
    const { SubnetId } = subnet;
    const endpoints = await addSecurityGroup(subnet, 'endpoints');
    const theirs = await addSecurityGroup(subnet, 'theirs');
    await addS3Endpoint(subnet);
    await addEndpoints(subnet, endpoints);
    const groups = { default: { spot: false } };
    /** The fixes of endpoints that don't accept the instances. */
    const fixes = async (network: object = {}, more: object = {}): Promise<readonly (string | null)[]> => {
      const all = await validated({ network: { subnets: [SubnetId], publicIp: false, ...network }, groups, ...more });
      for (const { message } of all)
        expect(message).to.match(/^the endpoint vpce-\w+ of \w+ does not accept connections from workers/);
      return [...new Set(all.map(({ fix }) => fix))];
    };
    const opens = `aws ec2 authorize-security-group-ingress --region us-east-1 --group-id ${endpoints} --ip-permissions`;
    const ports = 'IpProtocol=tcp,FromPort=443,ToPort=443';
    expect(await fixes()).to.deep.equal([`${opens} '${ports},IpRanges=[{CidrIp=10.9.1.0/24}]'`]);
    const own = { securityGroups: [theirs] };
    expect(await fixes(own)).to.deep.equal([`${opens} '${ports},UserIdGroupPairs=[{GroupId=${theirs}}]'`]);
    await allowFrom(endpoints, { CidrIp: '10.8.0.0/16' });
    await allowFrom(endpoints, { CidrIp: '10.9.1.0/24' }, 80);
    await allowFrom(endpoints, { GroupId: await addSecurityGroup(subnet, 'other') });
    expect(await fixes(own)).to.have.length(1);
    await allowFrom(endpoints, { GroupId: theirs });
    expect(await fixes(own)).to.deep.equal([]);
    expect(await fixes()).to.have.length(1);
    // With the group that `infra up` creates.
    await allowFrom(endpoints, { GroupId: await addSecurityGroup(subnet, 'claims-worker') });
    expect(await fixes({}, { stack: 'claims' })).to.deep.equal([]);
    const all = await validated({
      stack: 'claims',
      network: { subnets: [SubnetId], publicIp: false },
      groups,
      manager: {},
    });
    expect(all.filter(({ message }) => message.includes('does not accept connections from workers'))).to.have.length(3);
    await allowFrom(endpoints, { CidrIp: '10.9.1.0/25' });
    expect(await fixes()).to.deep.equal([]);
  });

  it("fails if workers can't reach a service that the configuration requires", async () => {
    const { SubnetId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const onDemand = { groups: { default: { instances: ['c7g.large'], spot: false } } };
    const more = async (settings: object): Promise<readonly string[]> => {
      const all = await validated({ network, ...onDemand, ...settings });
      const services = all.map(({ severity, message }) => `${severity} ${/no route to (\w+)/.exec(message)?.[1]}`);
      return services.slice(1).filter((each) => !/ (s3|sqs|autoscaling|sts)$/.test(each));
    };
    expect(await more({})).to.deep.equal([]);
    const notify = [
      { on: ['failed'], to: 'sns:trouble' },
      { on: ['failed'], to: 'https://hooks.example.com/', secret: 'secretsmanager:hook' },
    ];
    expect(await more({ notify })).to.deep.equal(['fail secretsmanager', 'fail sns']);
    expect(await more({ metrics: true })).to.deep.equal(['fail monitoring']);
    expect(await more({ manager: {} })).to.deep.equal(['fail ec2', 'warn undefined']);
  });

  it("fails if workers can't reach the spot prices that a cost limit needs", async () => {
    const subnet = await closedSubnet();
    const network = { subnets: [subnet.SubnetId], publicIp: false };
    const ec2Findings = async (settings: object, spot = true) => {
      const groups = { default: { instances: ['c7g.large', 'm7g.large'], spot } };
      const all = await validated({ network, groups, ...settings });
      return all.filter(({ message }) => message.includes('no route to ec2'));
    };
    const [finding, ...others] = await ec2Findings({ budget: { month: 500 } });
    expect(others).to.deep.equal([]);
    expect(finding?.severity).to.equal('fail');
    expect(finding?.message).to.include('spot prices are unknown, so jobs with a cost limit get no instances');
    expect(finding?.fix).to.include('--service-name com.amazonaws.us-east-1.ec2');
    // A job may have a limit that the profile doesn't know.
    expect((await ec2Findings({})).map(({ severity }) => severity)).to.deep.equal(['warn']);
    const GroupId = await addSecurityGroup(subnet, 'open');
    await allowFrom(GroupId, { CidrIp: '0.0.0.0/0' });
    await addS3Endpoint(subnet);
    await addEndpoints(subnet, GroupId);
    const all = await validated({ network, groups: { default: { instances: ['c7g.large', 'm7g.large'] } } });
    expect(
      all.map(({ severity }) => severity),
      'its security group too',
    ).to.deep.equal(['warn', 'warn']);
    const onePrice = { 'c7g.large': 0.04 };
    expect(await ec2Findings({ budget: { job: 20 }, prices: onePrice })).to.have.length(1);
    expect(await ec2Findings({ budget: { job: 20 }, prices: { ...onePrice, 'm7g.large': 0.05 } })).to.deep.equal([]);
    expect(await ec2Findings({ budget: { job: 20 } }, false)).to.deep.equal([]);
  });

  it("accepts a NAT gateway, warns of the cost of S3 through it, and says that a manager there can't be reached from outside", async () => {
    const subnet = await closedSubnet();
    const { VpcId, SubnetId, RouteTableId } = subnet;
    const { AllocationId } = await others.ec2.allocateAddress({ Domain: 'vpc' });
    const nat = await others.ec2.createNatGateway({ SubnetId, AllocationId });
    const { NatGatewayId } = nat.NatGateway ?? {};
    await others.ec2.createRoute({ RouteTableId, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId });
    const network = { subnets: [SubnetId], publicIp: false };
    const make = `aws ec2 create-vpc-endpoint --region us-east-1 --vpc-id ${VpcId} --service-name com.amazonaws.us-east-1.s3`;
    expect(await validated({ network })).to.deep.equal([
      {
        severity: 'warn',
        message: `${SubnetId}: S3 is reached through a NAT gateway, which costs about 0.045 USD per GB; a gateway endpoint is free`,
        fix: `${make} --vpc-endpoint-type Gateway --route-table-ids ${RouteTableId}`,
      },
    ]);
    await addS3Endpoint(subnet);
    expect(await validated({ network })).to.deep.equal([]);
    const warnings = warningsOf(await validated({ network, manager: {} }));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include(`the manager's Elastic IP is not reachable from outside in ${SubnetId}`);
  });

  it('rejects an internet gateway if instances have no public address', async () => {
    const findings = await validated({ network: { publicIp: false } });
    expect(findings.map(({ severity }) => severity)).to.deep.equal(['fail', 'fail', 'fail', 'fail', 'fail', 'warn']);
  });

  it('says that there is no default VPC', async () => {
    const other = await openResources(cloud, { region: 'eu-west-2' });
    const { ec2, close } = accountClients(cloud, { region: 'eu-west-2' });
    const { vpc, subnets } = await gridFacts(other.parts).network.facts();
    for (const { id } of subnets) await ec2.deleteSubnet({ SubnetId: id });
    const bare = await validateStack(other.parts, gridFacts(other.parts), 'grid');
    expect(bare.map(({ message }) => message)).to.include(`the default VPC ${vpc} of eu-west-2 has no default subnet`);
    const { InternetGateways = [] } = await ec2.describeInternetGateways({});
    for (const { InternetGatewayId } of InternetGateways) {
      await ec2.detachInternetGateway({ InternetGatewayId, VpcId: vpc });
    }
    await ec2.deleteVpc({ VpcId: vpc });
    const [finding, ...others] = await validateStack(other.parts, gridFacts(other.parts), 'grid');
    expect(others).to.deep.equal([]);
    expect(finding).to.include({
      severity: 'fail',
      message: 'the profile has no subnets, and eu-west-2 has no default VPC',
    });
    expect(finding?.fix).to.include('set network.subnets').and.include('aws ec2 create-default-vpc');
    await other.close();
    close();
  });
});
