// Protects: no role can delete outputs, write outside its keys, or terminate and change what other stacks own.
import { expect } from 'chai';
import type { AwsProfile } from '../../src/config/profile.ts';
import { POLICY_ROLES, type PolicyRole, policyFor } from '../../src/infra/policies.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allows } from '../support/iam.ts';

const ACCOUNT = '123456789012';
const BOUNDARY = `arn:aws:iam::${ACCOUNT}:policy/edge`;
const of = (service: string, resource: string): string => `arn:aws:${service}:eu-west-1:${ACCOUNT}:${resource}`;
const group = (name: string): string => of('autoscaling', `autoScalingGroup:0f-1:autoScalingGroupName/${name}`);

const JOB = 'claims-20261130-0600-k3f9q';

/** What a worker may do with an object: G(et), P(ut), D(elete). */
const WORKERS_OBJECTS: Readonly<Record<string, string>> = {
  'data/claims.csv': 'G',
  'code/0a.tar.gz': 'G',
  'runs/month-end/0000.json': 'G',
  'releases/0000.json': 'G',
  [`jobs/${JOB}/job.json`]: 'G',
  [`jobs/${JOB}/parts/00000.ndjson`]: 'G',
  [`jobs/${JOB}/pieces/000000000`]: 'G',
  // IAM's * matches a /, so a step's name must not look like the objects next to steps.
  [`jobs/${JOB}/steps/parts/out/000000000`]: 'GP',
  [`jobs/${JOB}/steps/pieces/out/000000000`]: 'GP',
  [`jobs/${JOB}/steps/a-bcde-parts/out/000000000`]: 'GP',
  [`jobs/${JOB}/steps/journal/out/000000000`]: 'GP',
  [`jobs/${JOB}/steps/files/out/000000000`]: 'GP',
  [`jobs/${JOB}/steps/tries/failed/000000000.0`]: 'GP',
  [`jobs/${JOB}/steps/price/parts/00000.ndjson`]: 'GP',
  [`jobs/${JOB}/pruned.json`]: 'G',
  [`jobs/${JOB}/proofs/0000.json`]: 'G',
  [`jobs/${JOB}/journal/000000.json`]: 'GP',
  [`jobs/${JOB}/steps/price/opened.json`]: 'GP',
  [`jobs/${JOB}/steps/price/out/000000000`]: 'GP',
  [`jobs/${JOB}/steps/price/failed/000000000.0`]: 'GP',
  [`jobs/${JOB}/steps/price/interruptions/000000000.0.a`]: 'GP',
  [`jobs/${JOB}/steps/price/log/000000000.a`]: 'GP',
  [`jobs/${JOB}/steps/price/tries/000000000.0.a`]: 'GPD',
  [`jobs/${JOB}/steps/price/files/000000000/a/output`]: 'GPD',
  'open/j-1.0': 'GPD',
  'due/j-1.3': 'GPD',
  'ledger/w-1/totals.json': 'GPD',
  'workers/w-1/log': 'GP',
  'workers/w-2/orders/0000': 'GP',
  'groups/default/boots/i-1.failed': 'GP',
  'notices/j-1.3/x.sent': 'GP',
  'news/j-1.3': 'P',
  'groups/default.json': '',
  'schedules/nightly/0000.json': '',
  'keepers/m-1.json': '',
  'tokens/0a.json': '',
  'manager/tls.json': '',
  'else/x': '',
};

type Context = Readonly<Record<string, string>>;
const tagged = (kind: 'Resource' | 'Request', stack: string): Context => ({ [`aws:${kind}Tag/batchctl:stack`]: stack });
const NONE: Context = {};
/** Resources of this stack; and of others, of another owner, and of a stack whose name begins the same. */
const OWN = tagged('Resource', 'month-end');
const FOREIGN = [NONE, tagged('Resource', 'other'), tagged('Resource', 'month-end-2'), tagged('Request', 'month-end')];
/** The tag that is required on creation. */
const MADE = tagged('Request', 'month-end');
const MADE_ELSE = [NONE, tagged('Request', 'other'), tagged('Request', 'month-end-2'), OWN];
const by = (action: string): Context => ({ 'ec2:CreateAction': action });

interface Bounds {
  readonly role: PolicyRole;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly allowed: readonly Context[];
  readonly denied: readonly Context[];
}

const ec2 = (...names: readonly string[]): readonly string[] => names.map((name) => `ec2:${name}`);
const scaling = (...names: readonly string[]): readonly string[] => names.map((name) => `autoscaling:${name}`);
const CHANGE = [
  ...ec2('AuthorizeSecurityGroupIngress', 'AuthorizeSecurityGroupEgress', 'RevokeSecurityGroupIngress'),
  ...ec2('RevokeSecurityGroupEgress', 'DeleteSecurityGroup', 'CreateLaunchTemplateVersion'),
  ...ec2('DeleteLaunchTemplateVersions', 'DeleteLaunchTemplate', 'DisassociateAddress', 'ReleaseAddress'),
];
const GROUP = [
  ...scaling('UpdateAutoScalingGroup', 'DeleteAutoScalingGroup', 'PutLifecycleHook', 'EnableMetricsCollection'),
  ...scaling('SuspendProcesses', 'SetInstanceProtection'),
];
const [GROUPS, TEMPLATES, ADDRESSES] = [
  of('ec2', 'security-group/sg-1'),
  of('ec2', 'launch-template/lt-1'),
  of('ec2', 'elastic-ip/e-1'),
];
const INSTANCE = ['instance/i-1', 'volume/vol-1', 'network-interface/eni-1'].map((name) => of('ec2', name));
const OWN_ROLE = `arn:aws:iam::${ACCOUNT}:role/month-end-worker`;
const linked = (service: string): string =>
  `arn:aws:iam::${ACCOUNT}:role/aws-service-role/${service}.amazonaws.com/AWSServiceRole`;

const BY_CONDITION: readonly Bounds[] = [
  { role: 'admin', actions: CHANGE, resources: [GROUPS, TEMPLATES, ADDRESSES], allowed: [OWN], denied: FOREIGN },
  { role: 'admin', actions: GROUP, resources: [group('month-end-default')], allowed: [OWN], denied: FOREIGN },
  ...(
    [
      ['ec2:CreateSecurityGroup', GROUPS],
      ['ec2:CreateLaunchTemplate', TEMPLATES],
      ['ec2:AllocateAddress', ADDRESSES],
      ['autoscaling:CreateAutoScalingGroup', group('month-end-default')],
    ] as const
  ).map(([action, resource]): Bounds => {
    return { role: 'admin', actions: [action], resources: [resource], allowed: [MADE], denied: MADE_ELSE };
  }),
  { role: 'admin', actions: ['ec2:RunInstances'], resources: INSTANCE, allowed: [MADE], denied: MADE_ELSE },
  {
    ...{ role: 'admin', actions: ['ec2:CreateTags'], resources: [GROUPS, TEMPLATES, ADDRESSES] },
    allowed: [OWN, ...['CreateSecurityGroup', 'CreateLaunchTemplate', 'AllocateAddress'].map(by)],
    denied: [...FOREIGN, by('RunInstances'), by('CreateVolume')],
  },
  {
    ...{ role: 'admin', actions: ['ec2:CreateTags'], resources: INSTANCE },
    allowed: [by('RunInstances')],
    denied: [NONE, OWN, by('CreateVolume'), by('CreateSecurityGroup')],
  },
  {
    ...{ role: 'admin', actions: ['autoscaling:CreateOrUpdateTags'], resources: [group('month-end-2-default')] },
    // A group is tagged on creation, and has no tag before.
    allowed: [NONE, OWN],
    denied: [tagged('Resource', 'other'), tagged('Resource', 'month-end-2')],
  },
  {
    ...{ role: 'admin', actions: ['sqs:DeleteQueue'], resources: [of('sqs', 'month-end-default')] },
    ...{ allowed: [OWN], denied: FOREIGN },
  },
  {
    ...{ role: 'admin', actions: ['iam:CreateRole', 'iam:PutRolePolicy', 'iam:PutRolePermissionsBoundary'] },
    resources: [OWN_ROLE],
    allowed: [{ 'iam:PermissionsBoundary': BOUNDARY }],
    denied: [NONE, { 'iam:PermissionsBoundary': `${BOUNDARY}-2` }],
  },
  {
    ...{ role: 'admin', actions: ['iam:PassRole'], resources: [OWN_ROLE] },
    allowed: [{ 'iam:PassedToService': 'ec2.amazonaws.com' }],
    denied: [NONE, { 'iam:PassedToService': 'lambda.amazonaws.com' }],
  },
  ...['autoscaling', 'spot'].map(
    (service): Bounds => ({
      ...{ role: 'admin', actions: ['iam:CreateServiceLinkedRole'], resources: [linked(service)] },
      allowed: [{ 'iam:AWSServiceName': `${service}.amazonaws.com` }],
      denied: [NONE, { 'iam:AWSServiceName': 'support.amazonaws.com' }],
    }),
  ),
  {
    ...{ role: 'admin', actions: ['ec2:DisassociateAddress'], resources: [of('ec2', 'network-interface/eni-1')] },
    allowed: [NONE, OWN],
    denied: [tagged('Resource', 'other'), tagged('Resource', 'month-end-2')],
  },
  {
    ...{
      role: 'manager',
      actions: ['ec2:AssociateAddress'],
      resources: [ADDRESSES, ...INSTANCE.filter((one) => !one.includes('volume'))],
    },
    ...{ allowed: [OWN], denied: FOREIGN },
  },
  ...(['operator', 'manager'] as const).map((role): Bounds => {
    const denied = [NONE, { 'cloudwatch:namespace': 'AWS/EC2' }];
    const allowed = [{ 'cloudwatch:namespace': 'batchctl' }];
    return { role, actions: ['cloudwatch:PutMetricData'], resources: ['*'], allowed, denied };
  }),
  ...(['operator', 'manager', 'worker'] as const).map((role): Bounds => {
    const allowed = [NONE, { 's3:prefix': 'batchctl/' }, { 's3:prefix': 'batchctl/jobs/' }];
    const denied = [{ 's3:prefix': '' }, { 's3:prefix': 'other/' }];
    return { role, actions: ['s3:ListBucket'], resources: ['arn:aws:s3:::acme'], allowed, denied };
  }),
];

/** What no role may do to anything, not even with the stack's tag. */
const NOBODY = [
  ...ec2('TerminateInstances', 'StopInstances', 'ModifyInstanceAttribute', 'ModifyLaunchTemplate', 'DeleteVolume'),
  ...ec2('DeleteTags', 'AssociateIamInstanceProfile', 'ReplaceIamInstanceProfileAssociation'),
  ...['iam:AttachRolePolicy', 'iam:CreateUser', 'iam:CreateAccessKey', 'iam:DeleteRolePermissionsBoundary'],
  ...['sts:AssumeRole', 's3:PutObjectAcl', 's3:PutBucketAcl', 'sqs:AddPermission', 'kms:PutKeyPolicy'],
];

const [ALL, WORKING] = [POLICY_ROLES, ['operator', 'manager', 'worker'] as const];
const GROUP_OF_WORKERS = group('month-end-default');
const QUEUE = of('sqs', 'month-end-default');
const DOMAIN = of('sdb', 'domain/month-end-0');
const OBJECT = 'arn:aws:s3:::acme/batchctl/data/a';
const BUCKET = 'arn:aws:s3:::acme';

/** What changes or removes resources of the stack, and which roles may do it. */
const FOR_SOME: readonly (readonly [string, string, readonly PolicyRole[]])[] = [
  ['sqs:PurgeQueue', QUEUE, ['operator']],
  ['sqs:SendMessage', QUEUE, WORKING],
  ['sqs:DeleteMessage', QUEUE, WORKING],
  ...['sqs:CreateQueue', 'sqs:SetQueueAttributes', 'sqs:DeleteQueue'].map((each) => [each, QUEUE, ['admin']] as const),
  ['sdb:Select', DOMAIN, ALL],
  ['sdb:PutAttributes', DOMAIN, WORKING],
  ['sdb:BatchDeleteAttributes', DOMAIN, WORKING],
  ...['sdb:CreateDomain', 'sdb:DeleteDomain'].map((each) => [each, DOMAIN, ['admin']] as const),
  ['s3:PutObject', OBJECT, ['operator', 'manager']],
  ['s3:DeleteObject', OBJECT, ['admin', 'operator', 'manager']],
  ['s3:DeleteObjectVersion', OBJECT, ['admin']],
  ['s3:AbortMultipartUpload', OBJECT, ['admin', 'operator', 'manager']],
  ['s3:GetObject', 'arn:aws:s3:::acme/batchctl/tokens/0a.json', ['operator', 'manager']],
  ...['s3:CreateBucket', 's3:DeleteBucket', 's3:PutBucketPolicy', 's3:PutLifecycleConfiguration'].map(
    (each) => [each, BUCKET, ['admin']] as const,
  ),
  ['autoscaling:SetDesiredCapacity', GROUP_OF_WORKERS, WORKING],
  ['autoscaling:UpdateAutoScalingGroup', GROUP_OF_WORKERS, ['admin', 'operator', 'manager']],
  ['autoscaling:CreateOrUpdateTags', GROUP_OF_WORKERS, ['admin', 'operator', 'manager']],
  ['autoscaling:TerminateInstanceInAutoScalingGroup', GROUP_OF_WORKERS, ['operator', 'worker']],
  ['autoscaling:TerminateInstanceInAutoScalingGroup', group('month-end-manager'), ['manager']],
  ['autoscaling:SetInstanceProtection', GROUP_OF_WORKERS, ['admin', 'worker']],
  ['autoscaling:CompleteLifecycleAction', GROUP_OF_WORKERS, ['worker']],
  ['ec2:AssociateAddress', ADDRESSES, ['manager']],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress'].map((each) => [each, ADDRESSES, ['admin']] as const),
  ['ec2:RunInstances', TEMPLATES, ['admin']],
  ['iam:PassRole', OWN_ROLE, []],
  ['cloudwatch:PutMetricData', '*', []],
  ['sns:Publish', of('sns', 'told'), []],
];

describe('actions that the policies deny', () => {
  let profile: AwsProfile;
  before(async () => {
    profile = await awsProfile({
      ...{ manager: {}, metrics: true, bucket: { name: 'acme', prefix: 'batchctl/' } },
      ...{ iam: { permissionsBoundary: BOUNDARY }, groups: { default: {}, gpu: {} } },
      ledger: { kind: 'simpledb', domains: 2 },
    });
  });

  const may = (role: PolicyRole, action: string, resource: string, context: Context = NONE): boolean =>
    allows(policyFor(role, profile), { action, resource, context });
  const onObject = (role: PolicyRole, resource: string): string =>
    ['Get', 'Put', 'Delete']
      .filter((verb) => may(role, `s3:${verb}Object`, resource) || may(role, `s3:${verb}ObjectVersion`, resource))
      .map((verb) => verb[0])
      .join('');

  for (const [key, allowed] of Object.entries(WORKERS_OBJECTS)) {
    it(`a worker may do ${allowed === '' ? 'nothing' : [...allowed].join(', ')} with ${key}, below the prefix alone`, () => {
      expect(onObject('worker', `arn:aws:s3:::acme/batchctl/${key}`)).to.equal(allowed);
      for (const place of ['acme/', 'acme/batchctl-2/', 'acme-2/batchctl/', 'acme/x/batchctl/'])
        expect(onObject('worker', `arn:aws:s3:::${place}${key}`), place).to.equal('');
    });
  }

  it('no role writes or deletes an object outside of the prefix, or in another bucket', () => {
    const key = 'jobs/j-1/steps/price/out/000000000';
    for (const role of POLICY_ROLES)
      for (const place of ['acme/', 'acme/batchctl-2/', 'acme-2/batchctl/'])
        expect(onObject(role, `arn:aws:s3:::${place}${key}`), `${role} ${place}`).to.equal('');
  });

  for (const { role, actions, resources, allowed, denied } of BY_CONDITION) {
    for (const action of actions) {
      it(`${role}: ${action} on ${resources.map((each) => each.replace(/^.*:/, '')).join(', ')}, only where the condition holds`, () => {
        for (const context of allowed)
          expect(
            resources.some((each) => may(role, action, each, context)),
            JSON.stringify(context),
          ).to.equal(true);
        for (const context of denied)
          for (const each of resources)
            expect(may(role, action, each, context), `${each} ${JSON.stringify(context)}`).to.equal(false);
      });
    }
  }

  it('dropping a condition from any statement lets one of the cases above through', () => {
    const unnoticed = POLICY_ROLES.flatMap((role) => {
      const policy = policyFor(role, profile);
      return policy.Statement.filter((one) => one.Condition !== undefined).flatMap((one) => {
        const { Condition: _, ...bare } = one;
        const wider = { ...policy, Statement: policy.Statement.map((each) => (each === one ? bare : each)) };
        const dropped = one.Action.filter(
          (action) =>
            !BY_CONDITION.some(
              (bounds) =>
                bounds.role === role &&
                bounds.actions.includes(action) &&
                bounds.resources.some((resource) =>
                  bounds.denied.some((context) => allows(wider, { action, resource, context })),
                ),
            ),
        );
        return dropped.map((action) => `${role} ${one.Sid} ${action}`);
      });
    });
    expect(unnoticed).to.deep.equal([]);
  });

  it('lets each role list a shared bucket, and the buckets of inputs and deliveries, only below the prefixes', async () => {
    const shared = await awsProfile({
      bucket: { name: 'shared', existing: true, prefix: 'batchctl/' },
      groups: {
        default: { read: ['s3://raw/in/', 's3://raw/ref', 's3://whole'], write: ['s3://out/a/', 's3://out2/a/'] },
        gpu: { read: ['s3://raw/gpu/'], write: ['s3://out/b/'] },
      },
    });
    const lists = (role: PolicyRole, bucket: string, prefix?: string): boolean => {
      const context = prefix === undefined ? NONE : { 's3:prefix': prefix };
      const may = (action: string) =>
        allows(policyFor(role, shared), { action, resource: `arn:aws:s3:::${bucket}`, context });
      // What an administrator removes, an administrator can list.
      if (role === 'admin') expect(may('s3:ListBucketVersions'), `${bucket} ${prefix}`).to.equal(may('s3:ListBucket'));
      return may('s3:ListBucket');
    };
    for (const role of POLICY_ROLES) {
      for (const prefix of [undefined, 'batchctl/', 'batchctl/jobs/'])
        expect(lists(role, 'shared', prefix)).to.equal(true);
      for (const prefix of ['', 'batchctl', 'theirs/'])
        expect(lists(role, 'shared', prefix), `${role} ${prefix}`).to.equal(false);
      if (role === 'admin') continue;
      const may = { raw: ['in/2026/', 'gpu/', 'ref/x'], whole: [''], out: ['b/'], out2: ['a/'] };
      const mayNot = { raw: ['', 'a/'], out: [''], out2: ['b/'], else: ['in/'] };
      for (const [places, allowed] of [[may, true] as const, [mayNot, false] as const])
        for (const [bucket, prefixes] of Object.entries(places))
          for (const prefix of prefixes)
            expect(lists(role, bucket, prefix), `${role} ${bucket} ${prefix}`).to.equal(allowed);
    }
  });

  it('no role terminates or changes instances, or gains permissions, by any tag', () => {
    const resources = ['*', ...INSTANCE, TEMPLATES, OWN_ROLE, 'arn:aws:s3:::acme', of('sqs', 'month-end-default')];
    for (const role of POLICY_ROLES) {
      const found = NOBODY.filter((action) => resources.some((each) => may(role, action, each, { ...OWN, ...MADE })));
      expect(found, role).to.deep.equal([]);
    }
  });

  it('only roles that need to may change or remove resources', () => {
    for (const [action, resource, roles] of FOR_SOME) {
      const found = POLICY_ROLES.filter((role) => may(role, action, resource, { ...OWN, ...MADE }));
      expect(found, `${action} ${resource}`).to.have.members(roles);
    }
  });

  it('an administrator drops only SimpleDB domains named after the stack, with a hyphen', () => {
    for (const action of ['sdb:DeleteDomain', 'sdb:Select']) {
      const domains = ['month-end-0', 'month-end-12', 'month-end', 'month-ends-0', 'month-end2-0', 'other-0'];
      const found = domains.filter((name) => may('admin', action, of('sdb', `domain/${name}`)));
      expect(found, action).to.deep.equal(['month-end-0', 'month-end-12']);
    }
  });

  it("groups, queues and domains are the stack's own by their names", () => {
    const SELF = scaling('SetInstanceProtection', 'CompleteLifecycleAction', 'TerminateInstanceInAutoScalingGroup');
    const SEND = ['sqs:SendMessage', 'sqs:DeleteMessage'];
    const cases = [
      ['worker', [...SELF, 'autoscaling:SetDesiredCapacity'], group('month-end-default'), group('month-end-manager')],
      [
        'operator',
        scaling('TerminateInstanceInAutoScalingGroup', 'UpdateAutoScalingGroup'),
        group('month-end-gpu'),
        group('other-gpu'),
      ],
      ['manager', scaling('SetDesiredCapacity'), group('month-end-gpu'), group('month-end-2-gpu')],
      ['manager', scaling('TerminateInstanceInAutoScalingGroup'), group('month-end-manager'), group('month-end-gpu')],
      ['admin', GROUP, group('month-end-default'), group('other-default')],
      ...(['worker', 'operator', 'manager'] as const).flatMap((role) => [
        [role, SEND, of('sqs', 'month-end-gpu-dead'), of('sqs', 'month-end-2-gpu')] as const,
        [role, ['sdb:PutAttributes'], of('sdb', 'domain/month-end-1'), of('sdb', 'domain/month-end-2')] as const,
      ]),
    ] as const;
    for (const [role, actions, own, other] of cases) {
      for (const action of actions) {
        expect(may(role, action, own, OWN), `${role} ${action} ${own}`).to.equal(true);
        expect(may(role, action, other, OWN), `${role} ${action} ${other}`).to.equal(false);
      }
    }
  });
});
