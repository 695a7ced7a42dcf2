import type { AwsProfile } from '../config/load-config.ts';
import { roleName } from '../lib/stack-names.ts';
import { type Arns, escapePattern } from './arns.ts';
import {
  allow,
  ec2Service,
  encryption,
  equals,
  prefixCondition,
  quotas,
  requestTagEquals,
  type Statement,
  stackTagAbsentOrEquals,
  stackTagEquals,
} from './policy.ts';

/** A bucket's settings by their names in IAM's actions. */
const SETTINGS = ['BucketPublicAccessBlock', 'EncryptionConfiguration', 'LifecycleConfiguration', 'BucketPolicy'];
const LOOK_AT_ROLE = ['iam:GetRolePolicy', 'iam:ListRolePolicies', 'iam:ListAttachedRolePolicies'];
const MAKE_ROLE = ['iam:UpdateAssumeRolePolicy', 'iam:TagRole'];
/** Actions that are allowed only with the permissions boundary (IAM: permissions boundaries, delegating). */
const BOUNDED = ['iam:CreateRole', 'iam:PutRolePolicy'];
const REMOVE_ROLE = ['iam:DetachRolePolicy', 'iam:DeleteRolePolicy', 'iam:DeleteRole'];
const MAKE_PROFILE = ['iam:CreateInstanceProfile', 'iam:TagInstanceProfile', 'iam:AddRoleToInstanceProfile'];
const CLEAR_PROFILE = ['iam:RemoveRoleFromInstanceProfile', 'iam:DeleteInstanceProfile'];

/**
 * The actions of `infra plan`, `up`, `status`, `release` and `down`. `release --roll` also needs an operator's rights:
 * it reads the ledger and a group's activities, orders workers to leave, and ends instances without one.
 */
export function adminPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    ...[...bucket(profile, arns), ...queues(profile, arns), ...iam(profile, arns), ...gridPolicy(profile, arns)],
    // Whether the key lets Auto Scaling start instances with encrypted volumes.
    allow(
      'LookAtKey',
      ['kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:ListGrants'],
      profile.kmsKey === null ? [] : [profile.kmsKey],
    ),
  ];
}

/** Keys of releases (model/keys.ts): four digits, SHA-256s in hex. IAM's `?` matches any one character. */
const RELEASE_KEYS = ['????.json', '@.tar.gz', 'setup-@', 'ca-@'].map(
  (shape) => `releases/${shape.replace('@', '?'.repeat(64))}`,
);

function bucket(profile: AwsProfile, arns: Arns): readonly Statement[] {
  const { existing, prefix } = profile.bucket;
  // In an existing bucket, without a prefix, the stack handles only what it put (bucket.ts, stack.ts).
  const shared = existing && prefix === '';
  const ofReleases = shared ? RELEASE_KEYS : ['releases/*'];
  const settings = (verb: 'Get' | 'Put'): readonly string[] => SETTINGS.map((setting) => `s3:${verb}${setting}`);
  return [
    // Whether a bucket that would become the stack's holds anything concerns all of it.
    allow(
      'ListInBucket',
      ['s3:ListBucket', 's3:ListBucketVersions'],
      [arns.bucket],
      existing ? prefixCondition([`${escapePattern(prefix)}*`]) : undefined,
    ),
    allow('LookAtBucket', ['s3:ListBucketMultipartUploads', ...settings('Get')], [arns.bucket]),
    allow(
      'MakeBucket',
      ['s3:CreateBucket', 's3:GetBucketTagging', 's3:PutBucketTagging', ...settings('Put'), 's3:DeleteBucket'],
      existing ? [] : [arns.bucket],
    ),
    // Tables with jobs of another stack are kept.
    allow('JobsOfTables', ['s3:GetObject'], isSqlLedger(profile) ? arns.objects('jobs/*/job.json') : []),
    // A new release clears the records of failed boots.
    allow('Releases', ['s3:GetObject', 's3:PutObject'], arns.objects(...ofReleases, 'groups/*/boots/*')),
    shared
      ? allow('DeleteReleases', ['s3:DeleteObject'], arns.objects(...ofReleases))
      : allow(
          'DeleteData',
          ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:AbortMultipartUpload'],
          arns.objects('*'),
        ),
    ...encryption(profile),
  ];
}

const isSqlLedger = ({ ledger: { kind } }: AwsProfile): boolean => kind === 'postgres' || kind === 'mysql';

function queues(profile: AwsProfile, arns: Arns): readonly Statement[] {
  // A group removed from the configuration may still have queues.
  const all = [arns.queue(`${profile.stack}-*`)];
  return [
    allow('LookAtQueues', ['sqs:GetQueueUrl', 'sqs:GetQueueAttributes', 'sqs:ListQueueTags'], all),
    allow('FindQueues', ['sqs:ListQueues'], ['*']),
    allow('MakeQueues', ['sqs:CreateQueue', 'sqs:SetQueueAttributes', 'sqs:TagQueue'], arns.queues),
    allow('DeleteQueues', ['sqs:DeleteQueue'], all, stackTagEquals(profile)),
    allow('MakeDomains', ['sdb:CreateDomain'], arns.domains),
    // Also finds and inspects domains of a former ledger: SimpleDB has no tags.
    allow('FormerDomains', ['sdb:Select', 'sdb:DeleteDomain'], [arns.domain(`${profile.stack}-*`)]),
    allow('Domains', ['sdb:ListDomains'], ['*']),
    // To create and drop its tables.
    allow('Database', ['rds-db:connect'], arns.databaseUsers),
  ];
}

function iam(profile: AwsProfile, arns: Arns): readonly Statement[] {
  const { permissionsBoundary: boundary, workerProfile, managerProfile } = profile.iam;
  const made = [
    ...(workerProfile === null ? [roleName(profile.stack, 'worker')] : []),
    ...(profile.manager !== null && managerProfile === null ? [roleName(profile.stack, 'manager')] : []),
  ];
  // Also finds and removes what a former configuration made.
  const known = (['worker', 'manager'] as const).map((who) => roleName(profile.stack, who));
  const given = [workerProfile, ...(profile.manager === null ? [] : [managerProfile])].filter((name) => name !== null);
  const roles = (names: readonly string[]) => names.map((name) => arns.iam(`role/${name}`));
  const profiles = (names: readonly string[]) => names.map((name) => arns.iam(`instance-profile/${name}`));
  // The role of a given profile has a name that the configuration doesn't contain.
  const any = given.length === 0 ? [] : [arns.iam('role/*')];
  const kept = boundary === null ? undefined : equals('iam:PermissionsBoundary', boundary);
  const bounded = boundary === null ? BOUNDED : [...BOUNDED, 'iam:PutRolePermissionsBoundary'];
  return [
    allow('FindRoles', ['iam:GetRole'], roles(known)),
    allow('LookAtRoles', LOOK_AT_ROLE, any.length === 0 ? roles(known) : any),
    allow('MakeRoles', MAKE_ROLE, roles(made)),
    allow('MakeRolesInBounds', bounded, roles(made), kept),
    allow('RemoveRoles', REMOVE_ROLE, roles(known)),
    allow('LookAtBoundary', ['iam:GetPolicy', 'iam:GetPolicyVersion'], boundary === null ? [] : [boundary]),
    // Reads any policy, to find out what the role of a given profile lacks.
    allow('LookAtPolicies', ['iam:GetPolicy', 'iam:GetPolicyVersion'], given.length === 0 ? [] : ['*']),
    allow('LookAtProfiles', ['iam:GetInstanceProfile'], profiles([...known, ...given])),
    allow('MakeProfiles', MAKE_PROFILE, profiles(made)),
    allow('ClearProfiles', CLEAR_PROFILE, profiles(known)),
    allow(
      'PassRoles',
      ['iam:PassRole'],
      any.length === 0 ? roles(made) : any,
      equals('iam:PassedToService', ec2Service(profile.region)),
    ),
    // The first group, or spot request, of an account creates these (EC2 Auto Scaling, EC2 Spot: service-linked roles).
    ...['autoscaling', 'spot'].map((service) =>
      allow(
        `LinkedRole${service === 'spot' ? 'Spot' : 'AutoScaling'}`,
        ['iam:CreateServiceLinkedRole'],
        [arns.iam(`role/aws-service-role/${service}.amazonaws.com/*`)],
        equals('iam:AWSServiceName', `${service}.amazonaws.com`),
      ),
    ),
  ];
}

/** EC2 and Auto Scaling define no resource for these actions (service authorization reference). */
const LOOK = [
  ...['Subnets', 'Vpcs', 'SecurityGroups', 'LaunchTemplates', 'LaunchTemplateVersions', 'Images', 'InstanceTypes'],
  ...['InstanceTypeOfferings', 'RouteTables', 'VpcEndpoints', 'Instances', 'Volumes', 'NetworkInterfaces', 'Addresses'],
].map((what) => `ec2:Describe${what}`);
const LOOK_AT_GROUPS = ['AutoScalingGroups', 'LifecycleHooks'].map((what) => `autoscaling:Describe${what}`);
/** What is created with the stack's tag, and the actions that create it. */
const TAGGED_RESOURCES = [
  ['ec2:CreateSecurityGroup', 'security-group/*'],
  ['ec2:CreateLaunchTemplate', 'launch-template/*'],
  ['ec2:AllocateAddress', 'elastic-ip/*'],
] as const;
const CHANGE = [
  ...['ec2:AuthorizeSecurityGroupIngress', 'ec2:AuthorizeSecurityGroupEgress', 'ec2:RevokeSecurityGroupIngress'],
  ...['ec2:RevokeSecurityGroupEgress', 'ec2:DeleteSecurityGroup'],
  ...['ec2:CreateLaunchTemplateVersion', 'ec2:DeleteLaunchTemplateVersions', 'ec2:DeleteLaunchTemplate'],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress'],
];
const GROUP = [
  ...['autoscaling:UpdateAutoScalingGroup', 'autoscaling:DeleteAutoScalingGroup', 'autoscaling:PutLifecycleHook'],
  ...['autoscaling:EnableMetricsCollection', 'autoscaling:SuspendProcesses', 'autoscaling:SetInstanceProtection'],
];

/** For the grid: only what the stack made, by its tag. */
function gridPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  const made = [...new Set(TAGGED_RESOURCES.map(([, resource]) => arns.ec2(resource)))];
  const groups = [arns.group(`${profile.stack}-*`)];
  return [
    allow('LookAtGrid', [...LOOK, ...LOOK_AT_GROUPS], ['*']),
    quotas(arns),
    ...TAGGED_RESOURCES.map(([action, resource]) =>
      allow(action.slice('ec2:'.length), [action], [arns.ec2(resource)], requestTagEquals(profile)),
    ),
    // A security group is created in a VPC, which isn't the stack's.
    allow('MakeInVpc', ['ec2:CreateSecurityGroup'], [arns.ec2('vpc/*')]),
    allow('TagMade', ['ec2:CreateTags'], made, {
      StringEquals: { 'ec2:CreateAction': TAGGED_RESOURCES.map(([action]) => action.slice('ec2:'.length)) },
    }),
    allow('ChangeGrid', [...CHANGE, 'ec2:CreateTags'], made, stackTagEquals(profile)),
    // The address is the stack's own, by its tag; a person may have associated it with any interface.
    allow(
      'TakeAddressBack',
      ['ec2:DisassociateAddress'],
      [arns.ec2('network-interface/*')],
      stackTagAbsentOrEquals(profile),
    ),
    allow('MakeGroups', ['autoscaling:CreateAutoScalingGroup'], groups, requestTagEquals(profile)),
    allow('ChangeGroups', GROUP, groups, stackTagEquals(profile)),
    // When a group is created, its tags are authorized separately, and no tag identifies the group yet. Groups of
    // `month-end-2` have names that begin like those of `month-end`: the right to tag them would be the right to take
    // them over.
    allow('TagGroups', ['autoscaling:CreateOrUpdateTags'], groups, stackTagAbsentOrEquals(profile)),
    // Auto Scaling checks that the creator of a group with a template may start instances (EC2 Auto Scaling: launch
    // templates).
    allow(
      'StartInstances',
      ['ec2:RunInstances'],
      INSTANCE.map((of) => arns.ec2(of)),
      requestTagEquals(profile),
    ),
    allow(
      'StartFrom',
      ['ec2:RunInstances'],
      [
        ...['launch-template/*', 'subnet/*', 'security-group/*'].map((of) => arns.ec2(of)),
        arns.public('ec2', 'image/*'),
      ],
    ),
    allow(
      'TagInstances',
      ['ec2:CreateTags'],
      INSTANCE.map((of) => arns.ec2(of)),
      { StringEquals: { 'ec2:CreateAction': ['RunInstances'] } },
    ),
    ...images(profile, arns),
  ];
}

const INSTANCE = ['instance/*', 'volume/*', 'network-interface/*'];

/** The parameters that name machine images: AWS's own, or the groups'. */
function images({ groups }: AwsProfile, arns: Arns): readonly Statement[] {
  const amis = Object.values(groups).map(({ ami }) => ami);
  const own = amis.flatMap((ami) => (ami?.startsWith('ssm:') ? [ami.slice('ssm:'.length)] : []));
  const public_ = own.filter((name) => name.startsWith('/aws/service/'));
  return [
    allow(
      'Images',
      ['ssm:GetParameter'],
      [
        arns.public('ssm', 'parameter/aws/service/ami-amazon-linux-latest/*'),
        ...public_.map((name) => arns.public('ssm', `parameter${name}`)),
        ...own.filter((name) => !public_.includes(name)).map((name) => arns.parameter(name)),
      ],
    ),
  ];
}
