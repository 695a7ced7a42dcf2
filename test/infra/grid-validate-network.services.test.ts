// Protects: infra up names every service that workers could not reach, before it makes a grid.
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
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
import type { Part } from '../../src/infra/resource.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { openResources, type StackResources, validated } from '../support/grid/emulated-account.ts';

const _ROLE = 'role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling';

describe('the network that is validated before a grid is made', () => {
  let cloud: Cloud;
  let desk: StackResources;

  before(async () => {
    cloud = await startCloud({ sqs: 'moto' });
    desk = await openResources(cloud);
  });
  after(async () => {
    await desk?.close();
    await cloud?.close();
  });

  const found = (settings: object, only: Part | null = null) => validated(cloud, { ...settings }, only);
  const ec2 = () => desk.parts.clients.ec2();
  /** A VPC with one subnet that nothing leads out of. */
  const closedSubnet = async () => {
    const client = await ec2();
    const VpcId = (await client.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }))).Vpc?.VpcId ?? '';
    const asked = { VpcId, CidrBlock: '10.9.1.0/24', AvailabilityZone: 'us-east-1a' };
    const SubnetId = (await client.send(new CreateSubnetCommand(asked))).Subnet?.SubnetId ?? '';
    const RouteTableId = (await client.send(new CreateRouteTableCommand({ VpcId }))).RouteTable?.RouteTableId ?? '';
    await client.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId }));
    return { VpcId, SubnetId, RouteTableId };
  };

  it('refuses subnets of two VPCs, and security groups of another', async () => {
    const [one, two] = [await closedSubnet(), await closedSubnet()];
    const [mixed] = await found({ network: { subnets: [one.SubnetId, two.SubnetId] } });
    expect(mixed?.message).to.include('network.subnets are of 2 VPCs');
    const made = { GroupName: 'theirs', Description: 'theirs', VpcId: two.VpcId };
    const { GroupId } = await (await ec2()).send(new CreateSecurityGroupCommand(made));
    const messages = (await found({ network: { securityGroups: [GroupId] } })).map(({ message }) => message);
    expect(messages[0]).to.include(`${GroupId} is of ${two.VpcId}`);
  });

  it('names each service that a private subnet does not reach, with the endpoint that adds it', async () => {
    const { VpcId, SubnetId, RouteTableId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const groups = { default: { spot: false, secrets: { PASSWORD: 'ssm:/password' } } };
    const lacking = async () => {
      const all = await found({ network, groups });
      return all.map(({ message }) => /no way to (\w+)/.exec(message)?.[1]);
    };
    expect(await lacking()).to.deep.equal(['s3', 'sqs', 'autoscaling', 'sts', 'ssm']);
    const [s3, sqs] = await found({ network, groups });
    const make = `aws ec2 create-vpc-endpoint --region us-east-1 --vpc-id ${VpcId} --service-name com.amazonaws.us-east-1`;
    expect(s3?.mend).to.equal(`${make}.s3 --vpc-endpoint-type Gateway --route-table-ids ${RouteTableId}`);
    expect(sqs?.mend).to.equal(
      `${make}.sqs --vpc-endpoint-type Interface --private-dns-enabled --subnet-ids ${SubnetId}`,
    );
    const client = await ec2();
    const endpoint = (service: string, more: object) =>
      client.send(new CreateVpcEndpointCommand({ VpcId, ServiceName: `com.amazonaws.us-east-1.${service}`, ...more }));
    await endpoint('s3', { VpcEndpointType: 'Gateway', RouteTableIds: [RouteTableId] });
    expect(await lacking()).to.deep.equal(['sqs', 'autoscaling', 'sts', 'ssm']);
    for (const service of ['sqs', 'autoscaling', 'sts', 'ssm']) {
      await endpoint(service, { VpcEndpointType: 'Interface', SubnetIds: [SubnetId], PrivateDnsEnabled: true });
    }
    expect(await lacking()).to.deep.equal([]);
  });

  it('fails when workers cannot reach a service that the configuration makes them use', async () => {
    const { SubnetId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const onDemand = { groups: { default: { instances: ['c7g.large'], spot: false } } };
    const more = async (settings: object): Promise<readonly string[]> => {
      const all = await found({ network, ...onDemand, ...settings });
      const services = all.map(({ status, message }) => `${status} ${/no way to (\w+)/.exec(message)?.[1]}`);
      return services.filter((each) => !/ (s3|sqs|autoscaling|sts)$/.test(each));
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

  it('fails when workers cannot reach the spot prices that a cost limit needs', async () => {
    const { SubnetId } = await closedSubnet();
    const network = { subnets: [SubnetId], publicIp: false };
    const onEc2 = async (settings: object, spot = true) => {
      const groups = { default: { instances: ['c7g.large', 'm7g.large'], spot } };
      const all = await found({ network, groups, ...settings });
      return all.filter(({ message }) => message.includes('no way to ec2'));
    };
    const [finding, ...others] = await onEc2({ budget: { month: 500 } });
    expect(others).to.deep.equal([]);
    expect(finding?.status).to.equal('fail');
    expect(finding?.message).to.include('no price of spot is known, and what has a limit gets no machine');
    expect(finding?.mend).to.include('--service-name com.amazonaws.us-east-1.ec2');
    // A job may have a limit that the profile doesn't know.
    expect((await onEc2({})).map(({ status }) => status)).to.deep.equal(['warn']);
    const some = { 'c7g.large': 0.04 };
    expect(await onEc2({ budget: { job: 20 }, prices: some })).to.have.length(1);
    expect(await onEc2({ budget: { job: 20 }, prices: { ...some, 'm7g.large': 0.05 } })).to.deep.equal([]);
    expect(await onEc2({ budget: { job: 20 } }, false)).to.deep.equal([]);
  });

  it('is content with a NAT gateway, and says that nothing from outside reaches a manager there', async () => {
    const { SubnetId, RouteTableId } = await closedSubnet();
    const client = await ec2();
    const { AllocationId } = await client.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    const nat = await client.send(new CreateNatGatewayCommand({ SubnetId, AllocationId }));
    const { NatGatewayId } = nat.NatGateway ?? {};
    const route = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId };
    await client.send(new CreateRouteCommand(route));
    const network = { subnets: [SubnetId], publicIp: false };
    expect(await found({ network })).to.deep.equal([]);
    const warnings = warningsOf(await found({ network, manager: {} }));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include(`in ${SubnetId} nothing from outside reaches the manager's Elastic IP`);
  });

  it('is not content with an internet gateway where instances have no public address', async () => {
    const findings = await found({ network: { publicIp: false } });
    expect(findings.map(({ status }) => status)).to.deep.equal(['fail', 'fail', 'fail', 'fail', 'warn']);
  });

  it('says that there is no default VPC, where there is none', async () => {
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
      ...{ status: 'fail', message: 'the profile names no subnets, and eu-west-2 has no default VPC' },
    });
    expect(finding?.mend).to.include('set network.subnets').and.include('aws ec2 create-default-vpc');
    await other.close();
  });
});
