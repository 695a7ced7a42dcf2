// Protects: infra up finds every mistake in the configuration of groups, and its fix, before it changes anything.
import { expect } from 'chai';
import { quotaCheck } from '../../src/adapters/aws/vcpu-quotas.ts';
import { requireValid } from '../../src/infra/findings.ts';
import { gridFacts, subnetsFor } from '../../src/infra/grid.ts';
import { policyFor } from '../../src/infra/policies.ts';
import type { StackPart } from '../../src/infra/resource.ts';
import { toTagList } from '../../src/infra/tags.ts';
import { validateStack } from '../../src/infra/validate.ts';
import { homeOf } from '../../src/lib/home.ts';
import { HOME_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import type { Finding } from '../../src/model/finding.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, createPolicy } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { deniedBy, takePermissions } from '../support/iam.ts';
import { failsWith } from '../support/rejection.ts';
import { down, openResources, type Settings, up, validate } from './grid-lab.ts';

describe('validation of groups', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const others = forSuite(() => accountClients(cloud));
  const resources = forSuite(() => openResources(cloud));

  const validated = (settings: Settings, only?: StackPart) => validate(cloud, settings, only);
  /** The finding of a validation that has no other. */
  const onlyFinding = async (settings: Settings, only?: StackPart): Promise<Finding> => {
    const [finding, ...more] = await validated(settings, only);
    expect(more).to.deep.equal([]);
    if (finding === undefined) throw new Error('the validation found nothing');
    return finding;
  };

  it('finds nothing wrong with the defaults in a default VPC, with and without a manager', async () => {
    expect(await validated({})).to.deep.equal([]);
    expect(await validated({ manager: {} })).to.deep.equal([]);
  });

  const table: readonly (readonly [mistake: string, settings: Settings, message: string, fix: string])[] = [
    [
      'two architectures in a group',
      { groups: { default: { instances: ['c7g.large', 'm5.large'] } } },
      'expected a single architecture, found: c7g.large is arm64, m5.large is x86_64',
      'make one group per architecture',
    ],
    [
      'a tag that EC2 would reject',
      { tags: { ['k'.repeat(128)]: '' } },
      'has 128 characters, EC2 takes 127',
      'correct tags of the profile',
    ],
    [
      'an instance type that does not exist',
      { groups: { default: { instances: ['c7g.large', 'c7g.tiny'] } } },
      'groups.default.instances: no such instance type in us-east-1: c7g.tiny',
      'aws ec2 describe-instance-type-offerings',
    ],
    [
      'an image that does not exist',
      { groups: { default: { ami: 'ami-0123456789abcdef0' } } },
      'groups.default.ami: image ami-0123456789abcdef0 does not exist in us-east-1',
      'omit it for Amazon Linux 2023',
    ],
    [
      'a parameter that does not exist',
      { groups: { default: { ami: 'ssm:/none' } } },
      'groups.default.ami: the parameter /none does not exist',
      'with a parameter that contains',
    ],
    [
      'an image of another architecture',
      { groups: { default: { ami: 'ami-03cf127a' } } },
      'groups.default.ami: the image ami-03cf127a is x86_64, but the instance types are arm64',
      'choose an image for arm64',
    ],
    [
      'a disk that is too small for the image',
      { groups: { win: { instances: ['c5.large'], ami: 'ami-03cf127a', disk: '8GB' } } },
      'groups.win.disk is 8 GiB, but the image ami-03cf127a needs 15 GiB',
      'set groups.win.disk to 15GiB or more',
    ],
    [
      'a subnet that does not exist',
      { network: { subnets: ['subnet-0123'] } },
      'network.subnets: subnet-0123 is not in us-east-1',
      'aws ec2 describe-subnets',
    ],
    [
      'a security group that does not exist',
      { network: { securityGroups: ['sg-0123'] } },
      'sg-0123 does not exist',
      'aws ec2 describe-security-groups',
    ],
    [
      'a boundary that does not exist',
      { iam: { permissionsBoundary: 'arn:aws:iam::123456789012:policy/none' } },
      'iam.permissionsBoundary: the policy arn:aws:iam::123456789012:policy/none does not exist',
      'create the policy',
    ],
    [
      'a key that does not exist',
      { kmsKey: 'arn:aws:kms:us-east-1:123456789012:key/0' },
      'the key arn:aws:kms:us-east-1:123456789012:key/0 does not exist',
      'correct kmsKey',
    ],
  ];
  for (const [mistake, settings, message, fix] of table) {
    it(`fails, and says how to fix it: ${mistake}`, async () => {
      const first = await onlyFinding(settings);
      expect(first).to.include({ severity: 'fail' });
      expect(first.message).to.include(message);
      expect(first.fix).to.include(fix);
    });
  }

  it('names all mistakes at once, in one configuration error', async () => {
    const all = await validated({
      network: { subnets: ['subnet-0123'] },
      iam: { permissionsBoundary: 'arn:aws:iam::123456789012:policy/none' },
    });
    const error = await failsWith('config', (async () => requireValid(all))());
    expect(error.message)
      .to.include('2 problems')
      .and.include('subnet-0123 is not')
      .and.include('policy/none does not exist');
  });

  it("fails if none of a group's instance types is offered, and names those that are not", async () => {
    const inZones = async (...zones: readonly string[]): Promise<readonly string[]> => {
      const Filters = [{ Name: 'availability-zone', Values: [...zones] }];
      const { Subnets = [] } = await others.ec2.describeSubnets({ Filters });
      return Subnets.flatMap(({ SubnetId, DefaultForAz }) => (DefaultForAz === true && SubnetId ? [SubnetId] : []));
    };
    const offered = async (instances: readonly string[], ...zones: readonly string[]) =>
      validated({ network: { subnets: await inZones(...zones) }, groups: { default: { instances } } });
    // As on AWS, the zone us-east-1e has no new types.
    const [none] = await offered(['c5.large'], 'us-east-1e');
    expect(none).to.include({ severity: 'fail' });
    expect(none?.message).to.equal('groups.default.instances: none of c5.large is offered in us-east-1e');
    expect(none?.fix).to.include('us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1f');
    const [bare] = await offered(['c5.large'], 'us-east-1a', 'us-east-1e');
    expect(bare).to.include({ severity: 'warn' });
    expect(bare?.message).to.match(
      /^groups.default: no instance can start in subnet-\w+, as none of its types is offered there$/,
    );
    const [some] = await offered(['c5.large', 'm1.small'], 'us-east-1f');
    expect(some?.message).to.equal('groups.default.instances: m1.small is not offered in us-east-1f');
  });

  it('warns if no Elastic IP is left, unless the stack has one by its own tags, whatever other tags say', async () => {
    const stack = 'tagged';
    const allocate = async (tags: Readonly<Record<string, string>>): Promise<string | undefined> => {
      const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags: toTagList(tags) }];
      return (await others.ec2.allocateAddress({ Domain: 'vpc', TagSpecifications })).AllocationId;
    };
    const own = { [STACK_TAG]: stack, [HOME_TAG]: homeOf(resources.profile) };
    const allocated = [await allocate({ ...own, [HOME_TAG]: 'us-east-1/other/' })];
    for (let count = 0; count < 4; count += 1) allocated.push(await allocate({ Name: stack }));
    expect((await validated({ stack, manager: {} })).map(({ message }) => message)).to.deep.equal([
      'the region has 5 Elastic IPs already, and allows 5 unless a higher quota was requested',
    ]);
    allocated.push(await allocate(own));
    expect(await validated({ stack, manager: {} })).to.deep.equal([]);
    for (const AllocationId of allocated) await others.ec2.releaseAddress({ AllocationId });
  });

  it('skips subnets of a default VPC that offer none of the types', async () => {
    const facts = gridFacts(resources.parts);
    const { subnets } = await facts.network.facts();
    const rest = subnets.filter(({ zone }) => zone !== 'us-east-1e').map(({ id }) => id);
    expect(await subnetsFor(facts, ['c7g.large'])).to.deep.equal(rest);
    expect(rest).to.have.length(subnets.length - 1);
  });

  it('says that SimpleDB does not exist in the region, and what to use instead', async () => {
    cloud.failNext('sdb:ListDomains', 503, 'ServiceUnavailable', 'not here', 3);
    const finding = await onlyFinding({ ledger: { kind: 'simpledb' } }, 'data');
    expect(finding).to.include({ severity: 'fail' });
    expect(finding.message).to.include('SimpleDB does not respond in us-east-1');
    expect(finding.fix).to.include('set ledger to { "kind": "store" }');
    expect(await validated({ ledger: { kind: 'simpledb' } }, 'data')).to.deep.equal([]);
  });

  it('says that SimpleDB is not offered to the account, before anything is created', async () => {
    cloud.failNext(
      'sdb:ListDomains',
      403,
      'OptInRequired',
      'The AWS Access Key Id needs a subscription for the service',
    );
    const finding = await onlyFinding({ ledger: { kind: 'simpledb' } }, 'data');
    expect(finding).to.include({ severity: 'fail' });
    expect(finding.message).to.include('SimpleDB is not offered to this account').and.include('OptInRequired');
    expect(finding.fix).to.include('set ledger to { "kind": "store" }');
  });

  it("accepts a boundary that allows what roles need, says what another lacks, and warns if it can't be read", async () => {
    const statement = (Effect: string, Action: string | readonly string[], more = {}) => {
      return { Effect, Action, Resource: '*', ...more };
    };
    const services = ['s3:*', 'sqs:*', 'autoscaling:*', 'ec2:*'];
    const sufficient = [statement('Allow', services), statement('Deny', 'iam:*')];
    const iam = { permissionsBoundary: await createPolicy(others, 'boundary', ...sufficient) };
    expect(await validated({ iam }, 'iam')).to.deep.equal([]);
    const elsewhere = { Condition: { StringNotEquals: { 'aws:RequestedRegion': 'eu-west-1' } } };
    const narrow = [
      statement('Allow', services.slice(0, 3)),
      statement('Deny', ['sqs:ReceiveMessage', 'S3:deleteObject']),
      statement('Deny', 's3:PutObject', elsewhere),
      statement('Deny', 's3:PutObject', { Resource: 'arn:aws:s3:::theirs/*' }),
    ];
    const permissionsBoundary = await createPolicy(others, 'narrow', ...narrow);
    const lacking = await validated({ iam: { permissionsBoundary }, manager: {} }, 'iam');
    expect(lacking.map(({ severity }) => severity)).to.deep.equal(['warn', 'warn']);
    expect(lacking[0]?.message).to.match(
      /^iam.permissionsBoundary does not allow s3:DeleteObject, sqs:ReceiveMessage, ec2:DescribeSpotPriceHistory, which the role [\w-]+-worker needs$/,
    );
    expect(lacking[1]?.message).to.include('ec2:AssociateAddress, which the role ').and.include('-manager needs');
    expect(lacking[0]?.fix).to.include(permissionsBoundary).and.include('infra policies --for worker');
    const existing = { permissionsBoundary, workerProfile: 'theirs' };
    expect(await validated({ iam: existing }, 'iam')).to.deep.equal([]);
    cloud.failNext('iam:GetPolicy', 403, 'AccessDenied', 'not you');
    const [denied] = await validated({ iam }, 'iam');
    expect(denied).to.include({ severity: 'warn' });
    expect(denied?.message).to.match(/^not validated: could not read the permissions boundary: iam:GetPolicy/);
  });

  it("warns of vCPU quotas that the groups' max exceeds, with the command that requests more; reports unknown ones", async () => {
    const groups = {
      default: { instances: ['c7g.large', 'm7g.4xlarge'], max: 7_000, onDemandMax: 2 },
      more: { max: 10, onDemandMax: 0 },
      gpu: { instances: ['g5.xlarge'], spot: false, max: 30_000 },
    };
    const request =
      'aws service-quotas request-service-quota-increase --region us-east-1 --service-code ec2 --quota-code';
    expect(await validated({ groups, manager: {} })).to.deep.equal([
      {
        severity: 'warn',
        message:
          "groups.default, groups.more at maximum size: 112020 vCPUs of spot instances of standard (A, C, D, H, I, M, R, T, Z), but the account's quota in us-east-1 (L-34B43A08), which also counts other instances, is 100000",
        fix: `${request} L-34B43A08 --desired-value 112020, or use a smaller \`max\``,
      },
      {
        severity: 'warn',
        message:
          "groups.gpu at maximum size: 120000 vCPUs of on-demand instances of G and VT, but the account's quota in us-east-1 (L-DB2E81BA), which also counts other instances, is 100000",
        fix: `${request} L-DB2E81BA --desired-value 120000, or use a smaller \`max\``,
      },
    ]);
    expect(await validated({ groups, manager: {} }, 'manager')).to.deep.equal([]);
    const one = { groups: { default: { onDemandMax: 0 } } };
    cloud.failNext('servicequotas:GetServiceQuota', 403, 'AccessDeniedException', 'not you');
    const denied = await onlyFinding(one);
    expect(denied?.message).to.match(
      /^not validated: could not read the vCPU quota L-34B43A08: servicequotas:GetServiceQuota on arn:aws:servicequotas:us-east-1:\d+:ec2\/L-34B43A08 is denied/,
    );
    for (const [status, code, times] of [
      [400, 'NoSuchResourceException', 1],
      [503, 'ServiceUnavailable', 2],
    ] as const) {
      cloud.failNext('servicequotas:GetServiceQuota', status, code, 'no', times);
      const [unknown] = await validated(one);
      expect(unknown, code).to.deep.equal({
        severity: 'warn',
        message:
          "groups.default at maximum size: 40 vCPUs of spot instances of standard (A, C, D, H, I, M, R, T, Z); the account's quota (L-34B43A08) is unknown",
        fix: 'check with: aws service-quotas get-service-quota --region us-east-1 --service-code ec2 --quota-code L-34B43A08',
      });
    }
  });

  it('makes doctor check the quotas too: sufficient, exceeded, or unreadable', async () => {
    const { clients } = resources.parts;
    const uses = (spot: number) => [{ where: 'default', instances: ['c7g.large'], spot, onDemand: 1 }];
    const run = async (spot: number) => quotaCheck(clients, uses(spot)).run(new AbortController().signal);
    cloud.takeCalls();
    expect(await run(20)).to.deep.equal({
      severity: 'pass',
      message:
        "at maximum size, all groups together stay within the account's vCPU quotas: 40 of 100000 (L-34B43A08), 2 of 100000 (L-1216C47A)",
      fix: null,
    });
    const calls = takePermissions(cloud, { stack: resources.profile.stack });
    expect([...new Set(calls.map(({ action }) => action))]).to.deep.equal([
      'ec2:DescribeInstanceTypes',
      'servicequotas:GetServiceQuota',
    ]);
    for (const role of ['admin', 'operator'] as const)
      expect(deniedBy(policyFor(role, resources.profile), calls), role).to.deep.equal([]);
    const exceeded = await run(60_000);
    expect(exceeded).to.include({ severity: 'warn' });
    expect(exceeded.fix).to.include('--quota-code L-34B43A08 --desired-value 120000');
    for (const action of ['ec2:DescribeInstanceTypes', 'servicequotas:GetServiceQuota']) {
      cloud.failNext(action, 403, 'AccessDeniedException', 'not you');
      const denied = await run(20);
      expect(denied).to.include({ severity: 'warn' });
      expect(denied.message).to.include(`vCPU quotas are unknown: ${action} on`);
      expect(denied.fix).to.include('batchctl infra policies');
    }
  });

  it('fails if an instance profile that someone else creates does not exist', async () => {
    const [missing] = await validated({ iam: { workerProfile: 'theirs' } }, 'grid');
    expect(missing).to.include({ severity: 'fail', message: 'the instance profile theirs does not exist' });
    expect(await validated({}, 'grid')).to.deep.equal([]);
  });

  it('refuses to take permissions from workers of a group that is no longer configured', async () => {
    const before = await openResources(cloud, { groups: { default: {}, gpu: { min: 1 } } });
    const { stack } = before.profile;
    await up(before.grid);
    const one = await onlyFinding({ stack, groups: { default: {} } });
    expect(one).to.include({ severity: 'fail' });
    expect(one?.message).to.include('gpu is no longer in the configuration, but still exists, with 1 instance');
    expect(one?.fix).to.include(`batchctl infra down --group gpu --confirm ${stack}`);
    expect((await validated({ stack, groups: { default: {} } }, 'grid')).map(({ severity }) => severity)).to.deep.equal(
      ['warn'],
    );
    expect((await validated({ stack, groups: { default: {} } }, 'iam')).map(({ severity }) => severity)).to.deep.equal([
      'fail',
    ]);
    expect(await validated({ stack, groups: { default: {}, gpu: {} } })).to.deep.equal([]);
    await down(before.grid);
    await before.close();
  });

  it('makes no request for data alone, and for roles alone only asks which groups have workers', async () => {
    const other = await openResources(cloud);
    cloud.takeCalls();
    await validateStack(other.parts, gridFacts(other.parts), 'data');
    expect(cloud.takeCalls()).to.deep.equal([]);
    await validateStack(other.parts, gridFacts(other.parts), 'iam');
    expect(cloud.takeCalls().map(({ action }) => action)).to.deep.equal(['DescribeAutoScalingGroups']);
    cloud.failNext('autoscaling:DescribeAutoScalingGroups', 403, 'AccessDenied', 'not you');
    const denied = await validateStack(other.parts, gridFacts(other.parts), 'iam');
    expect(denied.map(({ severity }) => severity)).to.deep.equal(['warn']);
    await other.close();
  });
});
