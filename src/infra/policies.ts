import type { AwsProfile } from '../config/load-config.ts';
import { GROUP_TAG, gridName, MANAGER_GROUP } from '../lib/stack-names.ts';
import { Arns } from './arns.ts';
import { adminPolicy } from './policies-admin.ts';
import {
  allow,
  jobStatements,
  metricsStatements,
  type PolicyDocument,
  parametersOf,
  policyOf,
  prices,
  QUEUE,
  quotas,
  RESUME,
  type Statement,
  secretsOf,
  stackTagAbsentOrEquals,
  stackTagEquals,
} from './policy.ts';
import type { StackPart } from './resource.ts';

export const POLICY_ROLES = ['admin', 'operator', 'manager', 'worker'] as const;
/**
 * The holder of a policy: an administrator who makes the stack, an operator who submits and watches jobs, the manager's
 * instance, or a worker's.
 */
export type PolicyRole = (typeof POLICY_ROLES)[number];

const POLICIES = { admin: adminPolicy, operator: operatorPolicy, manager: managerPolicy, worker: workerPolicy };

/** Characters of all inline policies of a role, without white space (IAM: quotas). */
export const ROLE_LIMIT = 10_240;

/**
 * The least privileges of a role, for exactly the profile's bucket and prefix, queues, ledger, groups and keys. Where a
 * list of many groups would not fit an instance's role, patterns with the stack's tag stand for it.
 */
export function policyFor(role: PolicyRole, profile: AwsProfile): PolicyDocument {
  const exact = policyOf(POLICIES[role](profile, new Arns(profile)));
  const ofInstances = role === 'worker' || role === 'manager';
  if (!ofInstances || JSON.stringify(exact).length <= ROLE_LIMIT) return exact;
  return policyOf(POLICIES[role](profile, new Arns(profile, true)));
}

/**
 * Queues of exact names may lack tags; a pattern matches names of other stacks, too. The manager's group is no worker group,
 * though its name matches.
 */
const ofStack = (profile: AwsProfile, { wide }: Arns) =>
  wide ? stackTagEquals(profile) : stackTagAbsentOrEquals(profile);
const ofWorkerGroups = (profile: AwsProfile, { wide }: Arns) =>
  wide
    ? { ...stackTagEquals(profile), StringNotEquals: { [`aws:ResourceTag/${GROUP_TAG}`]: [MANAGER_GROUP] } }
    : stackTagAbsentOrEquals(profile);

/** The least privileges to make one part of a stack, with `infra plan`, `up`, `status`, each with `--only`. */
export function adminPolicyFor(part: StackPart, profile: AwsProfile): PolicyDocument {
  return policyOf(adminPolicy(profile, new Arns(profile), part));
}

/** For `doctor`, and for resuming an upload. */
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
    allow('Queues', [...QUEUE, 'sqs:PurgeQueue'], arns.queues, stackTagAbsentOrEquals(profile)),
    // Rolling out a release ends instances without a worker.
    allow('Scale', [...SCALE, END_INSTANCE], arns.groups, stackTagAbsentOrEquals(profile)),
    // The hooks are for `doctor`.
    allow('LookAtGroups', [...LOOK_AT_GROUPS, 'autoscaling:DescribeLifecycleHooks'], ['*']),
    allow('LookAtTypes', ['ec2:DescribeInstanceTypes'], ['*']),
    quotas(arns),
    prices(profile),
    ...jobStatements(profile, arns),
    ...metricsStatements(profile),
  ];
}

/** It does for people what they may do, except purge queues and roll out releases; and it takes its address. */
function managerPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    ...objects(arns),
    allow('Look', ['s3:ListBucketMultipartUploads'], [arns.bucket]),
    allow('Queues', QUEUE, arns.queues, ofStack(profile, arns)),
    allow('Scale', SCALE, arns.groups, ofWorkerGroups(profile, arns)),
    allow('LookAtGroups', LOOK_AT_GROUPS, ['*']),
    prices(profile),
    // An instance that fails to set itself up ends itself.
    allow(
      'Self',
      [END_INSTANCE],
      [arns.group(gridName(profile.stack, MANAGER_GROUP))],
      stackTagAbsentOrEquals(profile),
    ),
    allow('LookAtAddress', ['ec2:DescribeAddresses'], ['*']),
    allow(
      'TakeAddress',
      ['ec2:AssociateAddress'],
      ['elastic-ip/*', 'instance/*', 'network-interface/*'].map((of) => arns.ec2(of)),
      // All three have the tag: the template gives it to instance and interface.
      stackTagEquals(profile),
    ),
    ...jobStatements(profile, arns),
    ...metricsStatements(profile),
  ];
}

const objects = (arns: Arns): readonly Statement[] => [
  allow('Objects', ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', ...RESUME], arns.objects('*')),
];

/** A worker can't read tokens and schedules. */
const WORKER_READS = [
  ...['data/*', 'code/*', 'jobs/*', 'runs/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'releases/*'],
  ...['groups/*/boots/*', 'notices/*'],
];
/** It can't put programs, jobs, run keys or proofs. */
const WORKER_PUTS = [
  ...['jobs/*/steps/*', 'jobs/*/journal/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'groups/*/boots/*'],
  ...['news/*', 'notices/*'],
];
/** It can't delete jobs, outputs, journals or proofs: only marks, and what attempts staged. */
const WORKER_DELETES = ['open/*', 'due/*', 'ledger/*', 'jobs/*/steps/*/files/*', 'jobs/*/steps/*/tries/*'];
/**
 * A worker's own instance: protected from scaling in, held while it drains, ended with its place. Auto Scaling has no
 * narrower resource than the group, so a worker could do it to another instance of its group (service authorization
 * reference).
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
    allow('Queues', QUEUE, arns.queues, ofStack(profile, arns)),
    allow('Parameters', ['ssm:GetParameter'], parametersOf(references, arns)),
    allow('Secrets', ['secretsmanager:GetSecretValue'], secretsOf(references, arns)),
    // Every watcher of a job raises the group that waiting work needs.
    allow('Self', [...OWN_MACHINE, 'autoscaling:SetDesiredCapacity'], arns.groups, ofWorkerGroups(profile, arns)),
    // Its tags show whether a person holds a group's size.
    allow('LookAtGroups', LOOK_AT_OWN_GROUP, ['*']),
    prices(profile),
    ...jobStatements(profile, arns),
  ];
}
