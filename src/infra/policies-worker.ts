import type { AwsProfile } from '../config.ts';
import type { Arns } from './arns.ts';
import { parametersOf, prices, QUEUE, secretsOf, working } from './policies-shared.ts';
import { allow, type Statement } from './policy.ts';

/** A worker reads no token and no schedule. */
const READ = [
  ...['data/*', 'code/*', 'jobs/*', 'runs/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'releases/*'],
  ...['groups/*/boots/*', 'notices/*'],
];
/** It puts no program, no job, no run key and no proof. */
const PUT = [
  ...['jobs/*/steps/*', 'jobs/*/journal/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'groups/*/boots/*'],
  ...['news/*', 'notices/*'],
];
/** It deletes no job, no output, no journal and no proof: marks, and what attempts staged. */
const DELETE = ['open/*', 'due/*', 'ledger/*', 'jobs/*/steps/*/files/*', 'jobs/*/steps/*/tries/*'];
/**
 * A worker's own instance: kept from scaling in, held while it drains, ended with its place. Auto Scaling knows no
 * narrower resource than the group, so that a worker could do it to another one (service authorization reference).
 */
const SELF = [
  ...['autoscaling:SetInstanceProtection', 'autoscaling:RecordLifecycleActionHeartbeat'],
  ...['autoscaling:CompleteLifecycleAction', 'autoscaling:TerminateInstanceInAutoScalingGroup'],
];

const LOOK_AT_GROUPS = ['AutoScalingGroups', 'AutoScalingInstances', 'Tags'].map(
  (what) => `autoscaling:Describe${what}`,
);

export function workerPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  const references = Object.values(profile.groups).flatMap(({ secrets }) => Object.values(secrets));
  return [
    allow('Read', ['s3:GetObject'], arns.objects(...READ)),
    allow('Put', ['s3:PutObject'], arns.objects(...PUT)),
    allow('Delete', ['s3:DeleteObject'], arns.objects(...DELETE)),
    allow('Queues', QUEUE, arns.queues),
    allow('Parameters', ['ssm:GetParameter'], parametersOf(references, arns)),
    allow('Secrets', ['secretsmanager:GetSecretValue'], secretsOf(references, arns)),
    // Whoever looks on raises the group that waiting work needs.
    allow('Self', [...SELF, 'autoscaling:SetDesiredCapacity'], arns.groups),
    // Its tags say whether a person holds a group's size.
    allow('LookAtGroups', LOOK_AT_GROUPS, ['*']),
    prices(profile),
    ...working(profile, arns),
  ];
}
