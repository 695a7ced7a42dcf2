// Protects: infra up names every service that workers could not reach, before it creates anything.
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNatGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  CreateVpcEndpointCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeInternetGatewaysCommand,
  DetachInternetGatewayCommand,
} from '@aws-sdk/client-ec2';
import { expect } from 'chai';
import { warningsOf } from '../../src/infra/finding.ts';
import { gridFacts } from '../../src/infra/grid.ts';
import type { StackPart } from '../../src/infra/resource.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { openResources, validated } from '../support/grid/emulated-account.ts';

const _ROLE = 'role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling';

describe('validation of the network', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const resources = forSuite(() => openResources(cloud));

  const found = (settings: object, only: StackPart | null = null) => validated(cloud, { ...settings }, only);
  const ec2 = () => resources.parts.clients.ec2();
  /** A VPC with one subnet and no route out. */
  const closedSubnet = async () => {
    const client = await ec2();
    const VpcId = (await client.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))).Vpc?.VpcId ?? '';
    const asked = { VpcId, CidrBlock: '10.9.1.0/24', AvailabilityZone: 'us-east-1a' };
    const SubnetId = (await client.send(new CreateSubnetCommand(asked))).Subnet?.SubnetId ?? '';
    const RouteTableId = (await client.send(new CreateRouteTableCommand({ VpcId }))).RouteTable?.RouteTableId ?? '';
    await client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
    return { VpcId, SubnetId, RouteTableId };
  };

  const endpoint = async (VpcId: string, service: string, more: object) => {
    const type = { VpcEndpointType: 'Interface' as const, PrivateDnsEnabled: true };
    const asked = { ...type, VpcId, ServiceName: `com.amazonaws.us-east-1.${service}`, ...more };
    await (await ec2()).send(new CreateVpcEndpointCommand(asked));
  };
  const letIn = async (to: string, from: { CidrIp: string } | { GroupId: string }, port = 443) => {
    const peer = 'GroupId' in from ? { UserIdGroupPairs: [from] } : { IpRanges: [from] };
    const IpPermissions = [{ IpProtocol: 'tcp', FromPort: port, ToPort: port, ...peer }];
    await (await ec2()).send(new AuthorizeSecurityGroupIngressCommand({ GroupId: to, IpPermissions }));
  };

  it('rejects subnets of two VPCs, and security groups of another VPC', async () => {
    const [one, two] = [await closedSubnet(), await closedSubnet()];
    const [mixed] = await found({ network: { subnets: [one.SubnetId, two.SubnetId] } });
    expect(mixed?.message).to.include('network.subnets are in 2 VPCs');
    const made = { GroupName: 'theirs', Description: 'theirs', VpcId: two.VpcId };
    const { GroupId } = await (await ec2()).send(new CreateSecurityGroupCommand(made));
    const messages = (await found({ network: { securityGroups: [GroupId] } })).map(({ message }) => message);
    expect(messages[0]).to.include(`${GroupId} is in ${two.VpcId}`);
  });

  it("names each service that a private subnet can't reach, with the endpoint to add", async () => {
    const { VpcId, SubnetId, RouteTableId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const groups = { default: { spot: false, secrets: { PASSWORD: 'ssm:/password' } } };
    const all = () => found({ stack: 'claims', network, groups });
    const lacking = async () => (await all()).map(({ message }) => /no route to (\w+)/.exec(message)?.[1] ?? message);
    const noGroup = `${VpcId}: endpoints need a security group that accepts connections from workers at port 443`;
    expect(await lacking()).to.deep.equal([noGroup, 's3', 'sqs', 'autoscaling', 'sts', 'ssm']);
    const [group, s3, sqs] = await all();
    const opens = `--ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=10.9.1.0/24}]'`;
    expect(group?.mend).to.equal(
      `ENDPOINTS=$(aws ec2 create-security-group --region us-east-1 --vpc-id ${VpcId} --group-name claims-endpoints --description "batchctl: VPC endpoints" --query GroupId --output text) && aws ec2 authorize-security-group-ingress --region us-east-1 --group-id "$ENDPOINTS" ${opens}`,
    );
    const make = `aws ec2 create-vpc-endpoint --region us-east-1 --vpc-id ${VpcId} --service-name com.amazonaws.us-east-1`;
    expect(s3?.mend).to.equal(`${make}.s3 --vpc-endpoint-type Gateway --route-table-ids ${RouteTableId}`);
    const interface_ = '--vpc-endpoint-type Interface --private-dns-enabled';
    expect(sqs?.mend).to.equal(`${make}.sqs ${interface_} --subnet-ids ${SubnetId} --security-group-ids "$ENDPOINTS"`);
    const client = await ec2();
    const asked = { GroupName: 'claims-endpoints', Description: 'endpoints', VpcId };
    const { GroupId = '' } = await client.send(new CreateSecurityGroupCommand(asked));
    const [shut] = await all();
    expect(shut).to.deep.equal({
      ...{ status: 'fail', message: `${GroupId} does not accept connections from workers at port 443, for endpoints` },
      mend: `aws ec2 authorize-security-group-ingress --region us-east-1 --group-id ${GroupId} ${opens}`,
    });
    await letIn(GroupId, { CidrIp: '10.9.0.0/16' });
    expect(await lacking()).to.deep.equal(['s3', 'sqs', 'autoscaling', 'sts', 'ssm']);
    expect((await all())[1]?.mend).to.include(`--security-group-ids ${GroupId}`);
    await endpoint(VpcId, 's3', { VpcEndpointType: 'Gateway', RouteTableIds: [RouteTableId] });
    expect(await lacking()).to.deep.equal(['sqs', 'autoscaling', 'sts', 'ssm']);
    for (const service of ['sqs', 'autoscaling', 'sts', 'ssm']) {
      await endpoint(VpcId, service, { SubnetIds: [SubnetId], SecurityGroupIds: [GroupId] });
    }
    expect(await lacking()).to.deep.equal([]);
  });

  it('names one subnet per zone for an endpoint, as it accepts no more', async () => {
    const { VpcId, SubnetId, RouteTableId } = await closedSubnet();
    const client = await ec2();
    const more = async (CidrBlock: string, AvailabilityZone: string): Promise<string> => {
      const { Subnet } = await client.send(new CreateSubnetCommand({ VpcId, CidrBlock, AvailabilityZone }));
      await client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId: Subnet?.SubnetId ?? '' }));
      return Subnet?.SubnetId ?? '';
    };
    const subnets = [SubnetId, await more('10.9.2.0/24', 'us-east-1a'), await more('10.9.3.0/24', 'us-east-1b')];
    const sqs = (await found({ network: { subnets, publicIp: false } }))[2];
    const [first = ''] = subnets.slice(0, 2).sort();
    const named = [first, subnets[2] ?? ''].sort();
    expect(sqs?.mend).to.include(`--subnet-ids ${named.join(' ')} --security-group-ids`);
    expect(sqs?.message).to.include('(it needs one subnet per zone, and serves the others there)');
  });

  it('fails if existing endpoints do not accept the instances', async () => {
    const { VpcId, SubnetId, RouteTableId } = await closedSubnet();
    const client = await ec2();
    const groupOf = async (GroupName: string): Promise<string> => {
      const made = await client.send(new CreateSecurityGroupCommand({ GroupName, Description: 'a group', VpcId }));
      return made.GroupId ?? '';
    };
    const [door, theirs, other] = [await groupOf('door'), await groupOf('theirs'), await groupOf('other')];
    await endpoint(VpcId, 's3', { VpcEndpointType: 'Gateway', RouteTableIds: [RouteTableId] });
    for (const service of ['sqs', 'autoscaling', 'sts']) {
      await endpoint(VpcId, service, { SubnetIds: [SubnetId], SecurityGroupIds: [door] });
    }
    const groups = { default: { spot: false } };
    const shut = async (network: object = {}, more: object = {}): Promise<readonly (string | null)[]> => {
      const all = await found({ network: { subnets: [SubnetId], publicIp: false, ...network }, groups, ...more });
      for (const { message } of all)
        expect(message).to.match(/^the endpoint vpce-\w+ of \w+ does not accept connections from workers/);
      return [...new Set(all.map(({ mend }) => mend))];
    };
    const opens = `aws ec2 authorize-security-group-ingress --region us-east-1 --group-id ${door} --ip-permissions`;
    const ports = 'IpProtocol=tcp,FromPort=443,ToPort=443';
    expect(await shut()).to.deep.equal([`${opens} '${ports},IpRanges=[{CidrIp=10.9.1.0/24}]'`]);
    const own = { securityGroups: [theirs] };
    expect(await shut(own)).to.deep.equal([`${opens} '${ports},UserIdGroupPairs=[{GroupId=${theirs}}]'`]);
    await letIn(door, { CidrIp: '10.8.0.0/16' });
    await letIn(door, { CidrIp: '10.9.1.0/24' }, 80);
    await letIn(door, { GroupId: other });
    expect(await shut(own)).to.have.length(1);
    await letIn(door, { GroupId: theirs });
    expect(await shut(own)).to.deep.equal([]);
    expect(await shut()).to.have.length(1);
    // With the groups that `infra up` created.
    await letIn(door, { GroupId: await groupOf('claims-worker') });
    expect(await shut({}, { stack: 'claims' })).to.deep.equal([]);
    const all = await found({
      stack: 'claims',
      network: { subnets: [SubnetId], publicIp: false },
      groups,
      manager: {},
    });
    expect(all.filter(({ message }) => message.includes('does not accept connections from workers'))).to.have.length(3);
    await letIn(door, { CidrIp: '10.9.1.0/25' });
    expect(await shut()).to.deep.equal([]);
  });

  it("fails if workers can't reach a service that the configuration requires", async () => {
    const { SubnetId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const onDemand = { groups: { default: { instances: ['c7g.large'], spot: false } } };
    const more = async (settings: object): Promise<readonly string[]> => {
      const all = await found({ network, ...onDemand, ...settings });
      const services = all.map(({ status, message }) => `${status} ${/no route to (\w+)/.exec(message)?.[1]}`);
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
    const { VpcId, SubnetId, RouteTableId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const onEc2 = async (settings: object, spot = true) => {
      const groups = { default: { instances: ['c7g.large', 'm7g.large'], spot } };
      const all = await found({ network, groups, ...settings });
      return all.filter(({ message }) => message.includes('no route to ec2'));
    };
    const [finding, ...others] = await onEc2({ budget: { month: 500 } });
    expect(others).to.deep.equal([]);
    expect(finding?.status).to.equal('fail');
    expect(finding?.message).to.include('spot prices are unknown, so jobs with a cost limit get no instances');
    expect(finding?.mend).to.include('--service-name com.amazonaws.us-east-1.ec2');
    // A job may have a limit that the profile doesn't know.
    expect((await onEc2({})).map(({ status }) => status)).to.deep.equal(['warn']);
    const client = await ec2();
    const made = { GroupName: 'open', Description: 'open', VpcId };
    const { GroupId = '' } = await client.send(new CreateSecurityGroupCommand(made));
    await letIn(GroupId, { CidrIp: '0.0.0.0/0' });
    await endpoint(VpcId, 's3', { VpcEndpointType: 'Gateway', RouteTableIds: [RouteTableId] });
    for (const service of ['sqs', 'autoscaling', 'sts']) {
      await endpoint(VpcId, service, { SubnetIds: [SubnetId], SecurityGroupIds: [GroupId] });
    }
    const all = await found({ network, groups: { default: { instances: ['c7g.large', 'm7g.large'] } } });
    expect(
      all.map(({ status }) => status),
      'its security group too',
    ).to.deep.equal(['warn', 'warn']);
    const some = { 'c7g.large': 0.04 };
    expect(await onEc2({ budget: { job: 20 }, prices: some })).to.have.length(1);
    expect(await onEc2({ budget: { job: 20 }, prices: { ...some, 'm7g.large': 0.05 } })).to.deep.equal([]);
    expect(await onEc2({ budget: { job: 20 } }, false)).to.deep.equal([]);
  });

  it("accepts a NAT gateway, warns of the cost of S3 through it, and says that a manager there can't be reached from outside", async () => {
    const { VpcId, SubnetId, RouteTableId } = await closedSubnet();
    const client = await ec2();
    const { AllocationId } = await client.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    const nat = await client.send(new CreateNatGatewayCommand({ SubnetId, AllocationId }));
    const { NatGatewayId } = nat.NatGateway ?? {};
    const route = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId };
    await client.send(new CreateRouteCommand(route));
    const network = { subnets: [SubnetId], publicIp: false };
    const make = `aws ec2 create-vpc-endpoint --region us-east-1 --vpc-id ${VpcId} --service-name com.amazonaws.us-east-1.s3`;
    expect(await found({ network })).to.deep.equal([
      {
        status: 'warn',
        message: `${SubnetId}: S3 is reached through a NAT gateway, which costs about 0.045 USD per GB; a gateway endpoint is free`,
        mend: `${make} --vpc-endpoint-type Gateway --route-table-ids ${RouteTableId}`,
      },
    ]);
    await endpoint(VpcId, 's3', { VpcEndpointType: 'Gateway', RouteTableIds: [RouteTableId] });
    expect(await found({ network })).to.deep.equal([]);
    const warnings = warningsOf(await found({ network, manager: {} }));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include(`the manager's Elastic IP is not reachable from outside in ${SubnetId}`);
  });

  it('rejects an internet gateway if instances have no public address', async () => {
    const findings = await found({ network: { publicIp: false } });
    expect(findings.map(({ status }) => status)).to.deep.equal(['fail', 'fail', 'fail', 'fail', 'fail', 'warn']);
  });

  it('says that there is no default VPC', async () => {
    const other = await openResources(cloud, { region: 'eu-west-2' });
    const client = await other.parts.clients.ec2();
    const { vpc, subnets } = await gridFacts(other.parts).network.facts();
    for (const { id } of subnets) await client.send(new DeleteSubnetCommand({ SubnetId: id }));
    const bare = await validateStack(other.parts, gridFacts(other.parts), 'grid');
    expect(bare.map(({ message }) => message)).to.include(`the default VPC ${vpc} of eu-west-2 has no default subnet`);
    const { InternetGateways = [] } = await client.send(new DescribeInternetGatewaysCommand({}));
    for (const { InternetGatewayId } of InternetGateways) {
      await client.send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId: vpc }));
    }
    await client.send(new DeleteVpcCommand({ VpcId: vpc }));
    const [finding, ...others] = await validateStack(other.parts, gridFacts(other.parts), 'grid');
    expect(others).to.deep.equal([]);
    expect(finding).to.include({
      ...{ status: 'fail', message: 'the profile has no subnets, and eu-west-2 has no default VPC' },
    });
    expect(finding?.mend).to.include('set network.subnets').and.include('aws ec2 create-default-vpc');
    await other.close();
  });
});
