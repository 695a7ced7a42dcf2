import type { AwsProfile } from '../config/load-config.ts';
import { roleName } from '../lib/stack-names.ts';
import { type Arns, escapePattern } from './arns.ts';
import {
  allow,
  ec2Service,
  encryption,
  equals,
  parametersOf,
  passwordOf,
  passwordStatements,
  prefixCondition,
  quotas,
  requestTagEquals,
  type Statement,
  secretsOf,
  stackTagAbsentOrEquals,
  stackTagEquals,
} from './policy.ts';
import type { StackPart } from './resource.ts';

/** A bucket's settings by their names in IAM's actions. */
const SETTINGS = ['BucketPublicAccessBlock', 'EncryptionConfiguration', 'LifecycleConfiguration', 'BucketPolicy'];
const LOOK_AT_ROLE = ['iam:GetRolePolicy', 'iam:ListRolePolicies', 'iam:ListAttachedRolePolicies'];
const MAKE_ROLE = ['iam:UpdateAssumeRolePolicy', 'iam:TagRole'];
/** Actions that are allowed only with the permissions boundary (IAM: permissions boundaries, delegating). */
const BOUNDED = ['iam:CreateRole', 'iam:PutRolePolicy'];
const REMOVE_ROLE = [
  ...['iam:ListInstanceProfilesForRole', 'iam:DetachRolePolicy', 'iam:DeleteRolePolicy', 'iam:DeleteRole'],
];
const MAKE_PROFILE = ['iam:CreateInstanceProfile', 'iam:TagInstanceProfile', 'iam:AddRoleToInstanceProfile'];
const CLEAR_PROFILE = ['iam:RemoveRoleFromInstanceProfile', 'iam:DeleteInstanceProfile'];

/** A statement, and the parts of a stack whose `infra plan`, `up` or `status` needs it: none for `infra down` alone. */
interface AdminStatement {
  readonly parts: readonly StackPart[];
  readonly statement: Statement;
}

const DOWN: readonly StackPart[] = [];
const DATA: readonly StackPart[] = ['data'];
const IAM: readonly StackPart[] = ['iam'];
const MACHINES: readonly StackPart[] = ['grid', 'manager'];
const ALL_BUT_DATA: readonly StackPart[] = ['iam', ...MACHINES];

const grant = (parts: readonly StackPart[], ...of: Parameters<typeof allow>): AdminStatement => ({
  parts,
  statement: allow(...of),
});

/** Actions that only `infra down` needs. It has no parts. */
const DOWN_ACTIONS = [
  ...['s3:DeleteBucket', 'sdb:DeleteDomain', 'ec2:DeleteSecurityGroup', 'ec2:DeleteLaunchTemplate'],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress', 'ec2:DescribeRegions'],
  ...['autoscaling:DeleteAutoScalingGroup', 'autoscaling:SetInstanceProtection'],
];
/** For each part, actions of other parts in statements that it needs. */
const OTHER_PART_ACTIONS: Readonly<Record<StackPart, readonly string[]>> = {
  data: [],
  iam: [],
  grid: ['ec2:AuthorizeSecurityGroupIngress'],
  manager: ['autoscaling:PutLifecycleHook'],
};
/** For each part, its share of a statement of which it needs only some actions. */
const NARROWED_ACTIONS: Readonly<Record<StackPart, Readonly<Record<string, readonly string[]>>>> = {
  data: {},
  iam: { LookAtGrid: ['autoscaling:DescribeAutoScalingGroups'] },
  grid: { ListInBucket: ['s3:ListBucket'] },
  manager: { ListInBucket: ['s3:ListBucket'], Releases: ['s3:GetObject'] },
};

/**
 * The actions of `infra plan`, `up`, `status`, `release` and `down`; with `only`, those of one part's `plan`, `up` and
 * `status`. `release --roll` also needs an operator's rights: it reads the ledger and a group's activities, orders
 * workers to leave, and ends instances without one.
 */
export function adminPolicy(profile: AwsProfile, arns: Arns, only: StackPart | null = null): readonly Statement[] {
  const all = [
    ...[...bucket(profile, arns), ...queues(profile, arns), ...iam(profile, arns), ...gridPolicy(profile, arns)],
    // Whether the key lets Auto Scaling start instances with encrypted volumes.
    grant(
      MACHINES,
      'LookAtKey',
      ['kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:ListGrants'],
      // Without a key of the profile, volumes have the account's default key, which only EC2 knows.
      [profile.kmsKey ?? arns.keys],
    ),
  ];
  if (only === null) return all.map(({ statement }) => statement);
  const leftOut = [...DOWN_ACTIONS, ...OTHER_PART_ACTIONS[only]];
  return all
    .filter(({ parts }) => parts.includes(only))
    .map(({ statement }) => ({
      ...statement,
      Action: NARROWED_ACTIONS[only][statement.Sid] ?? statement.Action.filter((action) => !leftOut.includes(action)),
    }));
}

/** Keys of releases (model/keys.ts): four digits, SHA-256s in hex. IAM's `?` matches any one character. */
const RELEASE_KEYS = ['????.json', '@.tar.gz', 'setup-@', 'ca-@'].map(
  (shape) => `releases/${shape.replace('@', '?'.repeat(64))}`,
);

function bucket(profile: AwsProfile, arns: Arns): readonly AdminStatement[] {
  const { existing, prefix } = profile.bucket;
  // In an existing bucket, without a prefix, the stack handles only what it put (bucket.ts, stack.ts).
  const shared = existing && prefix === '';
  const ofReleases = shared ? RELEASE_KEYS : ['releases/*'];
  const settings = (verb: 'Get' | 'Put'): readonly string[] => SETTINGS.map((setting) => `s3:${verb}${setting}`);
  return [
    // Whether a bucket that would become the stack's holds anything concerns all of it.
    grant(
      ['data', ...MACHINES],
      'ListInBucket',
      ['s3:ListBucket', 's3:ListBucketVersions'],
      [arns.bucket],
      existing ? prefixCondition([`${escapePattern(prefix)}*`]) : undefined,
    ),
    grant(DATA, 'LookAtBucket', ['s3:ListBucketMultipartUploads', ...settings('Get')], [arns.bucket]),
    grant(
      DATA,
      'MakeBucket',
      ['s3:CreateBucket', 's3:GetBucketTagging', 's3:PutBucketTagging', ...settings('Put'), 's3:DeleteBucket'],
      existing ? [] : [arns.bucket],
    ),
    // Nothing is removed while a job is unfinished; and tables with jobs of another stack are kept.
    grant(DOWN, 'UnfinishedJobs', ['s3:GetObject'], arns.objects('jobs/*/job.json', 'jobs/*/journal/*')),
    // A new release clears the records of failed boots.
    grant(MACHINES, 'Releases', ['s3:GetObject', 's3:PutObject'], arns.objects(...ofReleases, 'groups/*/boots/*')),
    shared
      ? grant(DOWN, 'DeleteReleases', ['s3:DeleteObject'], arns.objects(...ofReleases))
      : grant(
          DOWN,
          'DeleteData',
          ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:AbortMultipartUpload'],
          arns.objects('*'),
        ),
    ...encryption(profile).map((statement) => ({ parts: MACHINES, statement })),
  ];
}

function queues(profile: AwsProfile, arns: Arns): readonly AdminStatement[] {
  // A group removed from the configuration may still have queues.
  const all = [arns.queue(`${profile.stack}-*`)];
  return [
    grant(DATA, 'LookAtQueues', ['sqs:GetQueueUrl', 'sqs:GetQueueAttributes', 'sqs:ListQueueTags'], all),
    grant(DATA, 'FindQueues', ['sqs:ListQueues'], ['*']),
    grant(
      DATA,
      'MakeQueues',
      ['sqs:CreateQueue', 'sqs:SetQueueAttributes', 'sqs:TagQueue'],
      arns.queues,
      stackTagAbsentOrEquals(profile),
    ),
    grant(DOWN, 'DeleteQueues', ['sqs:DeleteQueue'], all, stackTagEquals(profile)),
    grant(DATA, 'MakeDomains', ['sdb:CreateDomain'], arns.domains),
    // Also finds and inspects domains of a former ledger: SimpleDB has no tags. There are at most a hundred, so the patterns
    // match none of a stack whose name begins with this one's.
    grant(
      DATA,
      'FormerDomains',
      ['sdb:Select', 'sdb:DeleteDomain'],
      ['?', '??'].map((number) => arns.domain(`${profile.stack}-${number}`)),
    ),
    grant(DATA, 'Domains', ['sdb:ListDomains'], ['*']),
    // To create and drop its tables.
    grant(DATA, 'Database', ['rds-db:connect'], arns.databaseUsers),
    // Whether the instances' roles may use the key that encrypts the password.
    grant(MACHINES, 'LookAtLedgerSecret', ['secretsmanager:DescribeSecret'], secretsOf(passwordOf(profile), arns)),
    grant(
      MACHINES,
      'LookAtLedgerParameter',
      ['ssm:DescribeParameters'],
      parametersOf(passwordOf(profile), arns).length === 0 ? [] : ['*'],
    ),
    ...passwordStatements(profile, arns, profile.kmsKey).map((statement) => ({ parts: DATA, statement })),
  ];
}

function iam(profile: AwsProfile, arns: Arns): readonly AdminStatement[] {
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
  // IAM has no regions: a stack of another region may have the same names.
  const ours = stackTagAbsentOrEquals(profile);
  const kept = { ...ours, ...(boundary !== null && equals('iam:PermissionsBoundary', boundary)) };
  const bounded = boundary === null ? BOUNDED : [...BOUNDED, 'iam:PutRolePermissionsBoundary'];
  return [
    grant(IAM, 'FindRoles', ['iam:GetRole'], roles(known)),
    grant(IAM, 'LookAtRoles', LOOK_AT_ROLE, any.length === 0 ? roles(known) : any),
    grant(IAM, 'MakeRoles', MAKE_ROLE, roles(made), ours),
    grant(IAM, 'MakeRolesInBounds', bounded, roles(made), kept),
    grant(DOWN, 'RemoveRoles', REMOVE_ROLE, roles(known), ours),
    grant(IAM, 'LookAtBoundary', ['iam:GetPolicy', 'iam:GetPolicyVersion'], boundary === null ? [] : [boundary]),
    // Reads any policy, to find out what the role of a given profile lacks.
    grant(IAM, 'LookAtPolicies', ['iam:GetPolicy', 'iam:GetPolicyVersion'], given.length === 0 ? [] : ['*']),
    grant(ALL_BUT_DATA, 'LookAtProfiles', ['iam:GetInstanceProfile'], profiles([...known, ...given])),
    grant(IAM, 'MakeProfiles', MAKE_PROFILE, profiles(made), ours),
    grant(DOWN, 'ClearProfiles', CLEAR_PROFILE, profiles(known), ours),
    grant(
      ALL_BUT_DATA,
      'PassRoles',
      ['iam:PassRole'],
      any.length === 0 ? roles(made) : any,
      equals('iam:PassedToService', ec2Service(profile.region)),
    ),
    // The first group, or spot request, of an account creates these (EC2 Auto Scaling, EC2 Spot: service-linked roles).
    grant(
      MACHINES,
      'LinkedRoles',
      ['iam:CreateServiceLinkedRole'],
      LINKED.map((service) => arns.iam(`role/aws-service-role/${service}/*`)),
      equals('iam:AWSServiceName', ...LINKED),
    ),
  ];
}

/** Services that act in the account by roles of their own. */
const LINKED = ['autoscaling.amazonaws.com', 'spot.amazonaws.com'];

/** EC2 and Auto Scaling define no resource for these actions (service authorization reference). */
const LOOK_AT_EC2 = [
  ...['Subnets', 'Vpcs', 'SecurityGroups', 'LaunchTemplates', 'LaunchTemplateVersions', 'Images', 'InstanceTypes'],
  ...[
    'InstanceTypeOfferings',
    'RouteTables',
    'VpcEndpoints',
    'VpcAttribute',
    'Instances',
    'Volumes',
    'NetworkInterfaces',
    'Addresses',
    // An instance profile may be in use in any of them.
    'Regions',
  ],
].map((what) => `ec2:Describe${what}`);
const LOOK_AT_SCALING = ['AutoScalingGroups', 'LifecycleHooks'].map((what) => `autoscaling:Describe${what}`);
/** Actions that create resources with the stack's tag, their resources, and the parts that have one. */
const TAGGED_RESOURCES = [
  {
    Sid: 'MakeTagged',
    actions: ['CreateSecurityGroup', 'CreateLaunchTemplate'],
    resources: ['security-group/*', 'launch-template/*'],
    parts: MACHINES,
  },
  { Sid: 'AllocateAddress', actions: ['AllocateAddress'], resources: ['elastic-ip/*'], parts: ['manager'] },
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
function gridPolicy(profile: AwsProfile, arns: Arns): readonly AdminStatement[] {
  const made = TAGGED_RESOURCES.flatMap(({ resources }) => resources.map((resource) => arns.ec2(resource)));
  const groups = [arns.group(`${profile.stack}-*`)];
  return [
    grant(
      ALL_BUT_DATA,
      'LookAtGrid',
      [...LOOK_AT_EC2, ...(profile.kmsKey === null ? ['ec2:GetEbsDefaultKmsKeyId'] : []), ...LOOK_AT_SCALING],
      ['*'],
    ),
    { parts: MACHINES, statement: quotas(arns) },
    ...TAGGED_RESOURCES.map(({ Sid, actions, resources, parts }) =>
      grant(
        parts,
        Sid,
        actions.map((action) => `ec2:${action}`),
        resources.map((resource) => arns.ec2(resource)),
        requestTagEquals(profile),
      ),
    ),
    // A security group is created in a VPC, which isn't the stack's.
    grant(MACHINES, 'MakeInVpc', ['ec2:CreateSecurityGroup'], [arns.ec2('vpc/*')]),
    grant(MACHINES, 'TagMade', ['ec2:CreateTags'], made, {
      StringEquals: { 'ec2:CreateAction': TAGGED_RESOURCES.flatMap(({ actions }) => actions) },
    }),
    grant(MACHINES, 'ChangeGrid', [...CHANGE, 'ec2:CreateTags'], made, stackTagEquals(profile)),
    // The address is the stack's own, by its tag; a person may have associated it with any interface.
    grant(
      DOWN,
      'TakeAddressBack',
      ['ec2:DisassociateAddress'],
      [arns.ec2('network-interface/*')],
      stackTagAbsentOrEquals(profile),
    ),
    grant(MACHINES, 'MakeGroups', ['autoscaling:CreateAutoScalingGroup'], groups, requestTagEquals(profile)),
    grant(MACHINES, 'ChangeGroups', GROUP, groups, stackTagEquals(profile)),
    // When a group is created, its tags are authorized separately, and no tag identifies the group yet. Groups of
    // `month-end-2` have names that begin like those of `month-end`: the right to tag them would be the right to take
    // them over.
    grant(MACHINES, 'TagGroups', ['autoscaling:CreateOrUpdateTags'], groups, stackTagAbsentOrEquals(profile)),
    // Auto Scaling checks that the creator of a group with a template may start instances (EC2 Auto Scaling: launch
    // templates).
    grant(
      MACHINES,
      'StartInstances',
      ['ec2:RunInstances'],
      INSTANCE.map((of) => arns.ec2(of)),
      requestTagEquals(profile),
    ),
    grant(
      MACHINES,
      'StartFrom',
      ['ec2:RunInstances'],
      [
        ...['launch-template/*', 'subnet/*', 'security-group/*'].map((of) => arns.ec2(of)),
        arns.public('ec2', 'image/*'),
      ],
    ),
    grant(
      MACHINES,
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
function images({ groups }: AwsProfile, arns: Arns): readonly AdminStatement[] {
  const amis = Object.values(groups).map(({ ami }) => ami);
  const own = amis.flatMap((ami) => (ami?.startsWith('ssm:') ? [ami.slice('ssm:'.length)] : []));
  const public_ = own.filter((name) => name.startsWith('/aws/service/'));
  return [
    grant(
      MACHINES,
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
