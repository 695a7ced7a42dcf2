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
  DescribeSubnetsCommand,
  DetachInternetGatewayCommand,
} from '@aws-sdk/client-ec2';
import { CreatePolicyCommand } from '@aws-sdk/client-iam';
import { CreateGrantCommand, CreateKeyCommand, DisableKeyCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms';
import { expect } from 'chai';
import { type Finding, requireValid, warningsOf } from '../../src/infra/finding.ts';
import { gridFacts, subnetsFor } from '../../src/infra/grid.ts';
import type { Part } from '../../src/infra/resource.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { type GridDesk, gridDesk } from '../support/grid-desk.ts';
import { rejection } from '../support/rejection.ts';

const ROLE = 'role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling';

describe('what is validated before a grid is made', function () {
  this.timeout(120_000);
  let cloud: Cloud;
  let desk: GridDesk;

  before(async () => {
    cloud = await startCloud({ sqs: 'moto' });
    desk = await gridDesk(cloud);
  });
  after(async () => {
    await desk?.close();
    await cloud?.close();
  });

  const found = async (settings: object, only: Part | null = null): Promise<readonly Finding[]> => {
    const other = await gridDesk(cloud, { ...settings });
    try {
      return await validateStack(other.parts, gridFacts(other.parts), only);
    } finally {
      await other.close();
    }
  };
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

  it('finds nothing against the defaults in a default VPC, with and without a manager', async () => {
    expect(await found({})).to.deep.equal([]);
    expect(await found({ manager: {} })).to.deep.equal([]);
  });

  const table: readonly (readonly [what: string, settings: object, says: string, mend: string])[] = [
    [
      'two architectures in a group',
      { groups: { default: { instances: ['c7g.large', 'm5.large'] } } },
      'one architecture is expected, found: c7g.large is arm64, m5.large is x86_64',
      'make a group of each architecture',
    ],
    [
      'an instance type that is not there',
      { groups: { default: { instances: ['c7g.large', 'c7g.tiny'] } } },
      'groups.default.instances: no such instance type in us-east-1: c7g.tiny',
      'aws ec2 describe-instance-type-offerings',
    ],
    [
      'an image that is not there',
      { groups: { default: { ami: 'ami-0123456789abcdef0' } } },
      'groups.default.ami: there is no image ami-0123456789abcdef0 in us-east-1',
      'leave it out for Amazon Linux 2023',
    ],
    [
      'a parameter that is not there',
      { groups: { default: { ami: 'ssm:/none' } } },
      'groups.default.ami: the parameter /none is not there',
      'a parameter that holds',
    ],
    [
      'an image of another architecture',
      { groups: { default: { ami: 'ami-03cf127a' } } },
      'groups.default.ami: the image ami-03cf127a is x86_64, and the instance types are arm64',
      'choose an image of arm64',
    ],
    [
      'a disk that the image does not fit on',
      { groups: { win: { instances: ['c5.large'], ami: 'ami-03cf127a', disk: '8GB' } } },
      'groups.win.disk is 8 GiB, and the image ami-03cf127a needs 15 GiB',
      'set groups.win.disk to 15GiB or more',
    ],
    [
      'a subnet that is not there',
      { network: { subnets: ['subnet-0123'] } },
      'network.subnets: subnet-0123 is not in us-east-1',
      'aws ec2 describe-subnets',
    ],
    [
      'a security group that is not there',
      { network: { securityGroups: ['sg-0123'] } },
      'sg-0123 is not there',
      'aws ec2 describe-security-groups',
    ],
    [
      'a boundary that is not there',
      { iam: { permissionsBoundary: 'arn:aws:iam::123456789012:policy/none' } },
      'iam.permissionsBoundary: there is no policy arn:aws:iam::123456789012:policy/none',
      'make the policy',
    ],
    [
      'a key that is not there',
      { kmsKey: 'arn:aws:kms:us-east-1:123456789012:key/0' },
      'there is no key arn:aws:kms:us-east-1:123456789012:key/0',
      'correct kmsKey',
    ],
  ];
  for (const [what, settings, says, mend] of table) {
    it(`fails, and says what mends it: ${what}`, async () => {
      const [first, ...others] = await found(settings);
      expect(others).to.deep.equal([]);
      expect(first).to.include({ status: 'fail' });
      expect(first?.message).to.include(says);
      expect(first?.mend).to.include(mend);
    });
  }

  it('names all mistakes at once, as one error of the configuration', async () => {
    const all = await found({
      network: { subnets: ['subnet-0123'] },
      iam: { permissionsBoundary: 'arn:aws:iam::123456789012:policy/none' },
    });
    const error = await rejection(Promise.resolve().then(() => requireValid(all)));
    expect(error).to.include({ kind: 'config' });
    expect(error.message).to.include('2 things').and.include('subnet-0123 is not').and.include('there is no policy');
  });

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
    const groups = { default: { secrets: { PASSWORD: 'ssm:/password' } } };
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
    const messages = (await found({ network: { publicIp: false } })).map(({ message }) => message);
    expect(messages).to.have.length(4);
  });

  it('fails where none of a group of types is to be had, and says which are not', async () => {
    const client = await ec2();
    const inZones = async (...zones: readonly string[]): Promise<readonly string[]> => {
      const Filters = [{ Name: 'availability-zone', Values: [...zones] }];
      const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({ Filters }));
      return Subnets.flatMap(({ SubnetId, DefaultForAz }) => (DefaultForAz === true && SubnetId ? [SubnetId] : []));
    };
    const offered = async (instances: readonly string[], ...zones: readonly string[]) =>
      found({ network: { subnets: await inZones(...zones) }, groups: { default: { instances } } });
    // As AWS has it: the zone us-east-1e gets no new types.
    const [none] = await offered(['c5.large'], 'us-east-1e');
    expect(none).to.include({ status: 'fail' });
    expect(none?.message).to.equal('groups.default.instances: none of c5.large is offered in us-east-1e');
    expect(none?.mend).to.include('us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1f');
    const [bare] = await offered(['c5.large'], 'us-east-1a', 'us-east-1e');
    expect(bare).to.include({ status: 'warn' });
    expect(bare?.message).to.match(/^groups.default: no instance starts in subnet-\w+: none of its types is there$/);
    const [some] = await offered(['c5.large', 'm1.small'], 'us-east-1f');
    expect(some?.message).to.equal('groups.default.instances: m1.small is not offered in us-east-1f');
  });

  it('leaves out those subnets of a default VPC that have none of the types', async () => {
    const facts = gridFacts(desk.parts);
    const { subnets } = await facts.network.facts();
    const left = subnets.filter(({ zone }) => zone !== 'us-east-1e').map(({ id }) => id);
    expect(await subnetsFor(facts, ['c7g.large'])).to.deep.equal(left);
    expect(left).to.have.length(subnets.length - 1);
  });

  it('says that SimpleDB is not there, and what to take in its place', async () => {
    cloud.failNext('sdb:ListDomains', 503, 'ServiceUnavailable', 'not here', 3);
    const [finding, ...others] = await found({ ledger: { kind: 'simpledb' } }, 'data');
    expect(others).to.deep.equal([]);
    expect(finding).to.include({ status: 'fail' });
    expect(finding?.message).to.include("SimpleDB doesn't answer in us-east-1");
    expect(finding?.mend).to.include('set ledger to { "kind": "store" }');
    expect(await found({ ledger: { kind: 'simpledb' } }, 'data')).to.deep.equal([]);
  });

  describe("a customer's key", () => {
    const keyWith = async (policy?: object) => {
      const client = await desk.parts.clients.kms();
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
      const { Arn: arn = '', KeyId = '' } = KeyMetadata ?? {};
      if (policy !== undefined) {
        await client.send(new PutKeyPolicyCommand({ KeyId, PolicyName: 'default', Policy: JSON.stringify(policy) }));
      }
      return { arn, KeyId, client };
    };
    const role = (): string => `arn:aws:iam::${cloud.account}:${ROLE}`;

    it("that doesn't admit Auto Scaling's role fails, with the grant that mends it", async () => {
      const { arn } = await keyWith();
      const [finding] = await found({ kmsKey: arn }, 'grid');
      expect(finding).to.include({ status: 'fail' });
      expect(finding?.message).to.include("doesn't admit Auto Scaling's role");
      expect(finding?.mend).to.match(
        new RegExp(
          `^aws kms create-grant --region us-east-1 --key-id ${arn} --grantee-principal ${role()} --operations `,
        ),
      );
    });

    it('is fit with a grant', async () => {
      const { arn, KeyId, client } = await keyWith();
      const Operations = ['Decrypt', 'GenerateDataKeyWithoutPlaintext', 'CreateGrant'] as const;
      await client.send(new CreateGrantCommand({ KeyId, GranteePrincipal: role(), Operations: [...Operations] }));
      expect(await found({ kmsKey: arn }, 'grid')).to.deep.equal(await found({}, 'grid'));
    });

    it('is fit with a policy that names the role', async () => {
      const { arn } = await keyWith({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${cloud.account}:root` }, Action: 'kms:*', Resource: '*' },
          { Effect: 'Allow', Principal: { AWS: [role()] }, Action: ['kms:CreateGrant'], Resource: '*' },
        ],
      });
      expect(await found({ kmsKey: arn }, 'grid')).to.deep.equal(await found({}, 'grid'));
    });

    it('that is disabled fails', async () => {
      const { arn, KeyId, client } = await keyWith();
      await client.send(new DisableKeyCommand({ KeyId }));
      const [finding] = await found({ kmsKey: arn }, 'grid');
      expect(finding).to.include({ status: 'fail', mend: `aws kms enable-key --key-id ${arn}` });
    });

    it('whose grants nobody may see is a warning, with the grant that it may lack', async () => {
      const { arn } = await keyWith();
      cloud.failNext('kms:GetKeyPolicy', 400, 'AccessDeniedException');
      cloud.failNext('kms:ListGrants', 400, 'AccessDeniedException');
      const [finding] = await found({ kmsKey: arn }, 'grid');
      expect(finding).to.include({ status: 'warn' });
      expect(finding?.mend).to.include('aws kms create-grant');
    });
  });

  it('is content with a boundary that is there, and warns where it may not look', async () => {
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
    });
    const client = await desk.parts.clients.iam();
    await client.send(new CreatePolicyCommand({ PolicyName: 'boundary', PolicyDocument }));
    const iam = { permissionsBoundary: `arn:aws:iam::${cloud.account}:policy/boundary` };
    expect(await found({ iam }, 'iam')).to.deep.equal([]);
    cloud.failNext('iam:GetPolicy', 403, 'AccessDenied', 'not you');
    const [denied] = await found({ iam }, 'iam');
    expect(denied).to.include({ status: 'warn' });
    expect(denied?.message).to.match(/^not validated: could not look at the permissions boundary: iam:GetPolicy/);
  });

  it('needs the instance profile where another makes it', async () => {
    const [missing] = await found({ iam: { workerProfile: 'theirs' } }, 'grid');
    expect(missing).to.include({ status: 'fail', message: 'there is no instance profile theirs' });
    expect(await found({}, 'grid')).to.deep.equal([]);
  });

  it('asks nothing of EC2 for who makes roles or data alone', async () => {
    const other = await gridDesk(cloud);
    cloud.takeCalls();
    await validateStack(other.parts, gridFacts(other.parts), 'iam');
    await validateStack(other.parts, gridFacts(other.parts), 'data');
    expect(cloud.takeCalls()).to.deep.equal([]);
    await other.close();
  });

  it('says that there is no default VPC, where there is none', async () => {
    const other = await gridDesk(cloud, { region: 'eu-west-2' });
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
