import type { AwsProfile } from '../config/load-config.ts';
import { gridName, MANAGER_GROUP } from '../lib/stack-names.ts';
import { Arns } from './arns.ts';
import { adminPolicy } from './policies-admin.ts';
import {
  allow,
  measuring,
  ofStack,
  type PolicyDocument,
  parametersOf,
  policyOf,
  prices,
  QUEUE,
  quotas,
  RESUME,
  type Statement,
  secretsOf,
  working,
} from './policy.ts';
import type { Part } from './resource.ts';

export const POLICY_ROLES = ['admin', 'operator', 'manager', 'worker'] as const;
/**
 * Who a policy is for: who makes the stack, who submits jobs and looks after them, the manager's instance, or a
 * worker's.
 */
export type PolicyRole = (typeof POLICY_ROLES)[number];

const POLICIES = { admin: adminPolicy, operator: operatorPolicy, manager: managerPolicy, worker: workerPolicy };

/** The least that a role needs, for exactly the profile's bucket and prefix, queues, ledger, groups and keys. */
export function policyFor(role: PolicyRole, profile: AwsProfile): PolicyDocument {
  return policyOf(POLICIES[role](profile, new Arns(profile)));
}

/** The least that who makes one part of a stack needs, by `infra plan`, `up`, `status`, each with `--only`. */
export function adminPolicyFor(part: Part, profile: AwsProfile): PolicyDocument {
  return policyOf(ofPart(adminPolicy(profile, new Arns(profile)), part));
}

/** What `doctor` looks at, and a resumed upload. */
const LOOK = [
  ...['s3:GetLifecycleConfiguration', 's3:GetBucketVersioning', 's3:GetBucketPublicAccessBlock'],
  ...['s3:GetBucketPolicyStatus', 's3:ListBucketMultipartUploads'],
];
const SCALE = [
  'autoscaling:SetDesiredCapacity',
  'autoscaling:UpdateAutoScalingGroup',
  'autoscaling:CreateOrUpdateTags',
];
const END_INSTANCE = 'autoscaling:TerminateInstanceInAutoScalingGroup';
const LOOK_AT_GROUPS = ['autoscaling:DescribeAutoScalingGroups', 'autoscaling:DescribeScalingActivities'];

function operatorPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    ...objects(arns),
    allow('Look', LOOK, [arns.bucket]),
    allow('Queues', [...QUEUE, 'sqs:PurgeQueue'], arns.queues),
    // Who rolls a release out ends instances that have no worker.
    allow('Scale', [...SCALE, END_INSTANCE], arns.groups),
    allow('LookAtGroups', LOOK_AT_GROUPS, ['*']),
    allow('LookAtTypes', ['ec2:DescribeInstanceTypes'], ['*']),
    quotas(arns),
    prices(profile),
    ...working(profile, arns),
    ...measuring(profile),
  ];
}

/**
 * It does for people what they may do, but purges no queue and rolls no release out; and takes the address that it is
 * reached at.
 */
function managerPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    ...objects(arns),
    allow('Look', ['s3:ListBucketMultipartUploads'], [arns.bucket]),
    allow('Queues', QUEUE, arns.queues),
    allow('Scale', SCALE, arns.groups),
    allow('LookAtGroups', LOOK_AT_GROUPS, ['*']),
    prices(profile),
    // One that can't be set up ends itself.
    allow('Self', [END_INSTANCE], [arns.group(gridName(profile.stack, MANAGER_GROUP))]),
    allow('LookAtAddress', ['ec2:DescribeAddresses'], ['*']),
    allow(
      'TakeAddress',
      ['ec2:AssociateAddress'],
      ['elastic-ip/*', 'instance/*', 'network-interface/*'].map((of) => arns.ec2(of)),
      // Each of the three has the tag: the template gives it to instance and interface.
      ofStack(profile),
    ),
    ...working(profile, arns),
    ...measuring(profile),
  ];
}

const objects = (arns: Arns): readonly Statement[] => [
  allow('Objects', ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', ...RESUME], arns.objects('*')),
];

/** A worker reads no token and no schedule. */
const WORKER_READS = [
  ...['data/*', 'code/*', 'jobs/*', 'runs/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'releases/*'],
  ...['groups/*/boots/*', 'notices/*'],
];
/** It puts no program, no job, no run key and no proof. */
const WORKER_PUTS = [
  ...['jobs/*/steps/*', 'jobs/*/journal/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'groups/*/boots/*'],
  ...['news/*', 'notices/*'],
];
/** It deletes no job, no output, no journal and no proof: marks, and what attempts staged. */
const WORKER_DELETES = ['open/*', 'due/*', 'ledger/*', 'jobs/*/steps/*/files/*', 'jobs/*/steps/*/tries/*'];
/**
 * A worker's own instance: kept from scaling in, held while it drains, ended with its place. Auto Scaling knows no
 * narrower resource than the group, so that a worker could do it to another one (service authorization reference).
 */
const OWN_MACHINE = [
  ...['autoscaling:SetInstanceProtection', 'autoscaling:RecordLifecycleActionHeartbeat'],
  ...['autoscaling:CompleteLifecycleAction', 'autoscaling:TerminateInstanceInAutoScalingGroup'],
];

const LOOK_AT_OWN_GROUP = ['AutoScalingGroups', 'AutoScalingInstances', 'Tags'].map(
  (what) => `autoscaling:Describe${what}`,
);

function workerPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  const references = Object.values(profile.groups).flatMap(({ secrets }) => Object.values(secrets));
  return [
    allow('Read', ['s3:GetObject'], arns.objects(...WORKER_READS)),
    allow('Put', ['s3:PutObject'], arns.objects(...WORKER_PUTS)),
    allow('Delete', ['s3:DeleteObject'], arns.objects(...WORKER_DELETES)),
    allow('Queues', QUEUE, arns.queues),
    allow('Parameters', ['ssm:GetParameter'], parametersOf(references, arns)),
    allow('Secrets', ['secretsmanager:GetSecretValue'], secretsOf(references, arns)),
    // Whoever looks on raises the group that waiting work needs.
    allow('Self', [...OWN_MACHINE, 'autoscaling:SetDesiredCapacity'], arns.groups),
    // Its tags say whether a person holds a group's size.
    allow('LookAtGroups', LOOK_AT_OWN_GROUP, ['*']),
    prices(profile),
    ...working(profile, arns),
  ];
}

/** Statements of the administrator's policy, by who of several people needs them for their part. */
const NEEDS: Readonly<Record<string, readonly Part[]>> = {
  ListInBucket: ['data', 'grid', 'manager'],
  LookAtBucket: ['data'],
  MakeBucket: ['data'],
  Releases: ['grid', 'manager'],
  LookAtQueues: ['data'],
  FindQueues: ['data'],
  MakeQueues: ['data'],
  MakeDomains: ['data'],
  FormerDomains: ['data'],
  Domains: ['data'],
  Database: ['data'],
  FindRoles: ['iam'],
  LookAtRoles: ['iam'],
  MakeRoles: ['iam'],
  MakeRolesInBounds: ['iam'],
  LookAtBoundary: ['iam'],
  LookAtPolicies: ['iam'],
  LookAtProfiles: ['iam', 'grid', 'manager'],
  MakeProfiles: ['iam'],
  PassRoles: ['iam', 'grid', 'manager'],
  LinkedRoleAutoScaling: ['grid', 'manager'],
  LinkedRoleSpot: ['grid', 'manager'],
  LookAtGrid: ['iam', 'grid', 'manager'],
  LookAtQuotas: ['grid', 'manager'],
  CreateSecurityGroup: ['grid', 'manager'],
  CreateLaunchTemplate: ['grid', 'manager'],
  AllocateAddress: ['manager'],
  MakeInVpc: ['grid', 'manager'],
  TagMade: ['grid', 'manager'],
  ChangeGrid: ['grid', 'manager'],
  MakeGroups: ['grid', 'manager'],
  ChangeGroups: ['grid', 'manager'],
  TagGroups: ['grid', 'manager'],
  StartInstances: ['grid', 'manager'],
  StartFrom: ['grid', 'manager'],
  TagInstances: ['grid', 'manager'],
  Images: ['grid', 'manager'],
  Key: ['grid', 'manager'],
  LookAtKey: ['grid', 'manager'],
};

/** All that a part needs of a statement, where that isn't the whole of it. */
const NARROWER: Readonly<Record<Part, Readonly<Record<string, readonly string[]>>>> = {
  data: {},
  iam: { LookAtGrid: ['autoscaling:DescribeAutoScalingGroups'] },
  grid: { ListInBucket: ['s3:ListBucket'] },
  manager: { ListInBucket: ['s3:ListBucket'], Releases: ['s3:GetObject'] },
};

/** What `infra down` alone asks for, and it knows no parts. */
const OF_DOWN = [
  ...['s3:DeleteBucket', 'sdb:DeleteDomain', 'ec2:DeleteSecurityGroup', 'ec2:DeleteLaunchTemplate'],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress'],
  ...['autoscaling:DeleteAutoScalingGroup', 'autoscaling:SetInstanceProtection'],
];
/** What stands beside it in statements that a part needs, and is another's. */
const OF_OTHERS: Readonly<Record<Part, readonly string[]>> = {
  data: [],
  iam: [],
  grid: ['ec2:AuthorizeSecurityGroupIngress'],
  manager: ['autoscaling:PutLifecycleHook'],
};

/** The administrator's statements, as far as one part's `infra plan`, `up` and `status` need them. */
function ofPart(statements: readonly Statement[], part: Part): readonly Statement[] {
  const leftOut = [...OF_DOWN, ...OF_OTHERS[part]];
  return statements
    .filter(({ Sid }) => NEEDS[Sid]?.includes(part) === true)
    .map((statement) => ({
      ...statement,
      Action: NARROWER[part][statement.Sid] ?? statement.Action.filter((action) => !leftOut.includes(action)),
    }));
}
