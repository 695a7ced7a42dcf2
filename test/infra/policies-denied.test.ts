// Protects: no role can delete outputs, write outside its keys, or terminate and change what other stacks own.
import { expect } from 'chai';
import type { AwsProfile } from '../../src/config/profile.ts';
import { POLICY_ROLES, type PolicyRole, policyFor } from '../../src/infra/policies.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allows } from '../support/iam.ts';
import { allowedOn, OTHERS } from './other-stacks.ts';

const ACCOUNT = '123456789012';
const BOUNDARY = `arn:aws:iam::${ACCOUNT}:policy/edge`;
const of = (service: string, resource: string): string => `arn:aws:${service}:eu-west-1:${ACCOUNT}:${resource}`;
const group = (name: string): string => of('autoscaling', `autoScalingGroup:0f-1:autoScalingGroupName/${name}`);

const JOB = 'claims-20261130-0600-k3f9q';

/** The actions that a worker may do with an object: G(et), P(ut), D(elete). */
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
const tagged = (kind: 'Resource' | 'Request', stack: string, home?: string): Context => ({
  [`aws:${kind}Tag/batchctl:stack`]: stack,
  ...(home !== undefined && { [`aws:${kind}Tag/batchctl:home`]: home }),
});
const HOME = 'eu-west-1/acme/batchctl/';
/** Homes of other stacks of the same name. */
const ELSEWHERE = ['us-east-1/acme/batchctl/', 'eu-west-1/acme-2/batchctl/', 'eu-west-1/acme/', `${HOME}2/`];
const atHome = (kind: 'Resource' | 'Request'): Context => tagged(kind, 'month-end', HOME);
const elsewhere = (kind: 'Resource' | 'Request') => ELSEWHERE.map((home) => tagged(kind, 'month-end', home));
const NONE: Context = {};
/** Resources of this stack; and of others, of another owner, of a stack whose name begins the same, and of other homes. */
const OWN = tagged('Resource', 'month-end');
const FOREIGN = [
  ...[NONE, tagged('Resource', 'other'), tagged('Resource', 'month-end-2'), tagged('Request', 'month-end')],
  ...elsewhere('Resource'),
];
/** The tag that is required on creation; and tags with which creation is denied. */
const TAGGED = tagged('Request', 'month-end');
const MISTAGGED = [
  ...[NONE, tagged('Request', 'other'), tagged('Request', 'month-end-2'), OWN],
  ...elsewhere('Request'),
];
const createdBy = (action: string): Context => ({ 'ec2:CreateAction': action });

interface Bounds {
  readonly role: PolicyRole;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly allowed: readonly Context[];
  readonly denied: readonly Context[];
}

/** What an administrator may do, by default only with resources of the stack. */
const adminMay = (
  actions: readonly string[],
  resources: readonly string[],
  allowed: readonly Context[] = [OWN, atHome('Resource')],
  denied: readonly Context[] = FOREIGN,
): Bounds => ({ role: 'admin', actions, resources, allowed, denied });

const ec2 = (...names: readonly string[]): readonly string[] => names.map((name) => `ec2:${name}`);
const scaling = (...names: readonly string[]): readonly string[] => names.map((name) => `autoscaling:${name}`);
const EC2_CHANGES = ec2(
  'AuthorizeSecurityGroupIngress',
  'AuthorizeSecurityGroupEgress',
  'RevokeSecurityGroupIngress',
  'RevokeSecurityGroupEgress',
  'DeleteSecurityGroup',
  'CreateLaunchTemplateVersion',
  'DeleteLaunchTemplateVersions',
  'DeleteLaunchTemplate',
  'DisassociateAddress',
  'ReleaseAddress',
);
const GROUP_CHANGES = scaling(
  'UpdateAutoScalingGroup',
  'DeleteAutoScalingGroup',
  'PutLifecycleHook',
  'EnableMetricsCollection',
  'SuspendProcesses',
  'SetInstanceProtection',
);
const SECURITY_GROUP = of('ec2', 'security-group/sg-1');
const TEMPLATE = of('ec2', 'launch-template/lt-1');
const ADDRESS = of('ec2', 'elastic-ip/e-1');
const NAMED = [SECURITY_GROUP, TEMPLATE, ADDRESS];
const INSTANCE = ['instance/i-1', 'volume/vol-1', 'network-interface/eni-1'].map((name) => of('ec2', name));
const OWN_ROLE = `arn:aws:iam::${ACCOUNT}:role/month-end-worker`;
const linkedRole = (service: string): string =>
  `arn:aws:iam::${ACCOUNT}:role/aws-service-role/${service}.amazonaws.com/AWSServiceRole`;
const OTHERS_TAGS = [tagged('Resource', 'other'), tagged('Resource', 'month-end-2'), ...elsewhere('Resource')];
const OWN_PROFILE = `arn:aws:iam::${ACCOUNT}:instance-profile/month-end-worker`;
const BOUNDED: Context = { 'iam:PermissionsBoundary': BOUNDARY };

const BY_CONDITION: readonly Bounds[] = [
  adminMay(EC2_CHANGES, NAMED),
  adminMay(GROUP_CHANGES, [group('month-end-default')]),
  adminMay(['ec2:CreateSecurityGroup'], [SECURITY_GROUP], [TAGGED, atHome('Request')], MISTAGGED),
  adminMay(['ec2:CreateLaunchTemplate'], [TEMPLATE], [TAGGED, atHome('Request')], MISTAGGED),
  adminMay(['ec2:AllocateAddress'], [ADDRESS], [TAGGED, atHome('Request')], MISTAGGED),
  adminMay(
    ['autoscaling:CreateAutoScalingGroup'],
    [group('month-end-default')],
    [TAGGED, atHome('Request')],
    MISTAGGED,
  ),
  adminMay(['ec2:RunInstances'], INSTANCE, [TAGGED, atHome('Request')], MISTAGGED),
  adminMay(
    ['ec2:CreateTags'],
    NAMED,
    [OWN, ...['CreateSecurityGroup', 'CreateLaunchTemplate', 'AllocateAddress'].map(createdBy)],
    [...FOREIGN, createdBy('RunInstances'), createdBy('CreateVolume')],
  ),
  adminMay(
    ['ec2:CreateTags'],
    INSTANCE,
    [createdBy('RunInstances')],
    [NONE, OWN, createdBy('CreateVolume'), createdBy('CreateSecurityGroup')],
  ),
  // A group is tagged on creation, and has no tag before.
  adminMay(['autoscaling:CreateOrUpdateTags'], [group('month-end-2-default')], [NONE, OWN], OTHERS_TAGS),
  adminMay(['sqs:DeleteQueue'], [of('sqs', 'month-end-default')]),
  adminMay(
    ['iam:CreateRole', 'iam:PutRolePolicy', 'iam:PutRolePermissionsBoundary'],
    [OWN_ROLE],
    [BOUNDED, { ...BOUNDED, ...atHome('Resource') }],
    [NONE, { 'iam:PermissionsBoundary': `${BOUNDARY}-2` }, ...OTHERS_TAGS.map((tags) => ({ ...BOUNDED, ...tags }))],
  ),
  // What is created has no tags before.
  adminMay(
    [
      ...['iam:UpdateAssumeRolePolicy', 'iam:TagRole', 'iam:ListInstanceProfilesForRole'],
      ...['iam:DetachRolePolicy', 'iam:DeleteRolePolicy', 'iam:DeleteRole'],
    ],
    [OWN_ROLE],
    [NONE, OWN, atHome('Resource')],
    OTHERS_TAGS,
  ),
  adminMay(
    [
      ...['iam:CreateInstanceProfile', 'iam:TagInstanceProfile', 'iam:AddRoleToInstanceProfile'],
      ...['iam:RemoveRoleFromInstanceProfile', 'iam:DeleteInstanceProfile'],
    ],
    [OWN_PROFILE],
    [NONE, OWN, atHome('Resource')],
    OTHERS_TAGS,
  ),
  adminMay(
    ['sqs:CreateQueue', 'sqs:SetQueueAttributes', 'sqs:TagQueue'],
    [of('sqs', 'month-end-default')],
    [NONE, OWN, atHome('Resource')],
    OTHERS_TAGS,
  ),
  adminMay(
    ['iam:PassRole'],
    [OWN_ROLE],
    [{ 'iam:PassedToService': 'ec2.amazonaws.com' }],
    [NONE, { 'iam:PassedToService': 'lambda.amazonaws.com' }],
  ),
  ...['autoscaling', 'spot'].map((service) =>
    adminMay(
      ['iam:CreateServiceLinkedRole'],
      [linkedRole(service)],
      [{ 'iam:AWSServiceName': `${service}.amazonaws.com` }],
      [NONE, { 'iam:AWSServiceName': 'support.amazonaws.com' }],
    ),
  ),
  adminMay(['ec2:DisassociateAddress'], [of('ec2', 'network-interface/eni-1')], [NONE, OWN], OTHERS_TAGS),
  {
    role: 'manager',
    actions: ['ec2:AssociateAddress'],
    resources: [ADDRESS, ...INSTANCE.filter((one) => !one.includes('volume'))],
    allowed: [OWN],
    denied: FOREIGN,
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

/** Actions that no role may do, not even with the stack's tag. */
const FOR_NONE = [
  ...ec2('TerminateInstances', 'StopInstances', 'ModifyInstanceAttribute', 'ModifyLaunchTemplate', 'DeleteVolume'),
  ...ec2('DeleteTags', 'AssociateIamInstanceProfile', 'ReplaceIamInstanceProfileAssociation'),
  'iam:AttachRolePolicy',
  'iam:CreateUser',
  'iam:CreateAccessKey',
  'iam:DeleteRolePermissionsBoundary',
  'sts:AssumeRole',
  's3:PutObjectAcl',
  's3:PutBucketAcl',
  'sqs:AddPermission',
  'kms:PutKeyPolicy',
];

const WORKING = ['operator', 'manager', 'worker'] as const;
const GROUP_OF_WORKERS = group('month-end-default');
const QUEUE = of('sqs', 'month-end-default');
const DOMAIN = of('sdb', 'domain/month-end-0');
const OBJECT = 'arn:aws:s3:::acme/batchctl/data/a';
const BUCKET = 'arn:aws:s3:::acme';

/** Actions that change or remove resources of the stack, and the roles that may do them. */
const FOR_SOME: readonly (readonly [string, string, readonly PolicyRole[]])[] = [
  ['sqs:PurgeQueue', QUEUE, ['operator']],
  ['sqs:SendMessage', QUEUE, WORKING],
  ['sqs:DeleteMessage', QUEUE, WORKING],
  ...['sqs:CreateQueue', 'sqs:SetQueueAttributes', 'sqs:DeleteQueue'].map((each) => [each, QUEUE, ['admin']] as const),
  ['sdb:Select', DOMAIN, POLICY_ROLES],
  ['sdb:PutAttributes', DOMAIN, WORKING],
  ['sdb:BatchDeleteAttributes', DOMAIN, WORKING],
  ...['sdb:CreateDomain', 'sdb:DeleteDomain'].map((each) => [each, DOMAIN, ['admin']] as const),
  ['s3:PutObject', OBJECT, ['operator', 'manager']],
  ['s3:DeleteObject', OBJECT, ['admin', 'operator', 'manager']],
  ['s3:DeleteObjectVersion', OBJECT, ['admin']],
  ['s3:AbortMultipartUpload', OBJECT, ['admin', 'operator', 'manager']],
  ['s3:GetObject', 'arn:aws:s3:::acme/batchctl/tokens/0a.json', ['operator', 'manager']],
  ['s3:GetObjectVersion', 'arn:aws:s3:::acme/batchctl/tokens/0a.json', []],
  ['s3:GetObjectVersion', 'arn:aws:s3:::acme/batchctl/jobs/j/job.json', []],
  ['s3:GetObjectVersion', 'arn:aws:s3:::acme/batchctl/data/a.csv', ['operator', 'manager', 'worker']],
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
  ['ec2:AssociateAddress', ADDRESS, ['manager']],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress'].map((each) => [each, ADDRESS, ['admin']] as const),
  ['ec2:RunInstances', TEMPLATE, ['admin']],
  ['iam:PassRole', OWN_ROLE, []],
  ['cloudwatch:PutMetricData', '*', []],
  ['sns:Publish', of('sns', 'other'), []],
];

describe('actions that the policies deny', () => {
  let profile: AwsProfile;
  before(async () => {
    profile = await awsProfile({
      manager: {},
      metrics: true,
      bucket: { name: 'acme', prefix: 'batchctl/' },
      iam: { permissionsBoundary: BOUNDARY },
      groups: { default: {}, gpu: {} },
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
    it(`a worker may do ${allowed === '' ? 'nothing' : [...allowed].join(', ')} with ${key}, only below the prefix`, () => {
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

  it('the cases above, and those of other stacks, would notice if any statement lost its condition', () => {
    const places = Object.values(OTHERS);
    const unnoticed = POLICY_ROLES.flatMap((role) => {
      const policy = policyFor(role, profile);
      const usual = places.map((stack) => allowedOn(policy, stack));
      return policy.Statement.filter((one) => one.Condition !== undefined).flatMap((one) => {
        const { Condition: _, ...bare } = one;
        const wider = { ...policy, Statement: policy.Statement.map((each) => (each === one ? bare : each)) };
        const seen = places.flatMap((stack, at) =>
          allowedOn(wider, stack).filter((each) => !usual[at]?.includes(each)),
        );
        const dropped = one.Action.filter(
          (action) =>
            !seen.some((each) => each.startsWith(`${action} `)) &&
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
      // An administrator can also list what an administrator can remove.
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
    const resources = ['*', ...INSTANCE, TEMPLATE, OWN_ROLE, 'arn:aws:s3:::acme', of('sqs', 'month-end-default')];
    for (const role of POLICY_ROLES) {
      const found = FOR_NONE.filter((action) =>
        resources.some((each) => may(role, action, each, { ...OWN, ...TAGGED })),
      );
      expect(found, role).to.deep.equal([]);
    }
  });

  it('only roles that need to may change or remove resources', () => {
    for (const [action, resource, roles] of FOR_SOME) {
      const found = POLICY_ROLES.filter((role) => may(role, action, resource, { ...OWN, ...TAGGED }));
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

  it('an administrator looks at and deletes only queues named after the stack, with a hyphen', () => {
    for (const action of ['sqs:GetQueueUrl', 'sqs:GetQueueAttributes', 'sqs:ListQueueTags', 'sqs:DeleteQueue']) {
      const queues = ['month-end-default', 'month-end-former-dead', 'month-end', 'month-ends-default', 'other-default'];
      const found = queues.filter((name) => may('admin', action, of('sqs', name), OWN));
      expect(found, action).to.deep.equal(['month-end-default', 'month-end-former-dead']);
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
      ['admin', GROUP_CHANGES, group('month-end-default'), group('other-default')],
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
