import type { AwsProfile } from '../config.ts';
import { Arns } from './arns.ts';
import { allow, type PolicyDocument, policyOf, type Statement } from './policy.ts';

export const POLICY_ROLES = ['admin', 'operator', 'worker'] as const;
/** Who a policy is for: who makes the stack, who submits jobs and looks after them, or a worker's instance. */
export type PolicyRole = (typeof POLICY_ROLES)[number];

/** A worker reads no token and no schedule. */
const READ = ['data/*', 'code/*', 'jobs/*', 'runs/*', 'open/*', 'due/*', 'workers/*', 'ledger/*', 'releases/*'];
/** It puts no program, no job, no run key and no proof. */
const PUT = ['jobs/*/steps/*', 'jobs/*/journal/*', 'open/*', 'due/*', 'workers/*', 'ledger/*'];
/** It deletes no output, no journal and no proof: marks, what attempts staged, and submissions that were never committed. */
const DELETE = [
  ...['open/*', 'due/*', 'ledger/*', 'jobs/*/steps/*/files/*', 'jobs/*/steps/*/tries/*'],
  ...['jobs/*/job.json', 'jobs/*/parts/*', 'jobs/*/pieces/*'],
];
/** A bucket's settings, as IAM's actions call them. */
const SETTINGS = ['BucketPublicAccessBlock', 'EncryptionConfiguration', 'LifecycleConfiguration', 'BucketPolicy'];
/** To take up an upload that was cut off, and to end one whose file changed. */
const RESUME = ['s3:ListMultipartUploadParts', 's3:AbortMultipartUpload'];
const CONSUME = ['sqs:GetQueueUrl', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage', 'sqs:DeleteMessage'];
const QUEUE = [...CONSUME, 'sqs:ChangeMessageVisibility', 'sqs:SendMessage'];
const LEDGER = ['sdb:Select', 'sdb:GetAttributes', 'sdb:PutAttributes', 'sdb:BatchDeleteAttributes'];

/** What `doctor` looks at, and a resumed upload. */
const LOOK = [
  ...['s3:GetLifecycleConfiguration', 's3:GetBucketVersioning', 's3:GetBucketPublicAccessBlock'],
  ...['s3:GetBucketPolicyStatus', 's3:ListBucketMultipartUploads'],
];

/** The least that a role needs, for exactly the profile's bucket and prefix, queues, ledger and keys. */
export function policyFor(role: PolicyRole, profile: AwsProfile): PolicyDocument {
  const arns = new Arns(profile);
  if (role === 'admin') return policyOf(ofAdmin(profile, arns));
  const own = role === 'worker' ? ofWorker(profile, arns) : ofOperator(arns);
  return policyOf([
    ...own,
    listing(profile, arns),
    ...elsewhere(profile, arns),
    allow('Domains', ['sdb:ListDomains'], arns.domains.length === 0 ? [] : ['*']),
    allow('Database', ['rds-db:connect'], arns.databaseUsers),
    ...encryption(profile),
  ]);
}

/** What `infra up` and `infra plan` ask for; not the objects. */
function ofAdmin({ bucket: { existing } }: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    allow('LookAtBucket', ['s3:ListBucket', ...SETTINGS.map((setting) => `s3:Get${setting}`)], [arns.bucket]),
    allow(
      'MakeBucket',
      [
        's3:CreateBucket',
        's3:GetBucketTagging',
        's3:PutBucketTagging',
        ...SETTINGS.map((setting) => `s3:Put${setting}`),
      ],
      existing ? [] : [arns.bucket],
    ),
    allow('LookAtQueues', ['sqs:GetQueueUrl', 'sqs:GetQueueAttributes', 'sqs:ListQueueTags'], arns.queues),
    allow('MakeQueues', ['sqs:CreateQueue', 'sqs:SetQueueAttributes', 'sqs:TagQueue'], arns.queues),
    allow('MakeDomains', ['sdb:CreateDomain'], arns.domains),
    allow('Domains', ['sdb:ListDomains'], arns.domains.length === 0 ? [] : ['*']),
  ];
}

function ofWorker({ groups }: AwsProfile, arns: Arns): readonly Statement[] {
  const references = Object.values(groups).flatMap(({ secrets }) => Object.values(secrets));
  const named = (kind: string): readonly string[] =>
    references.filter((text) => text.startsWith(kind)).map((text) => text.slice(kind.length).replace(/#.*$/, ''));
  return [
    allow('Read', ['s3:GetObject'], arns.objects(...READ)),
    allow('Put', ['s3:PutObject'], arns.objects(...PUT)),
    allow('Delete', ['s3:DeleteObject'], arns.objects(...DELETE)),
    allow('Queues', QUEUE, arns.queues),
    allow('Ledger', LEDGER, arns.domains),
    allow(
      'Parameters',
      ['ssm:GetParameter'],
      named('ssm:').map((name) => arns.parameter(name)),
    ),
    allow(
      'Secrets',
      ['secretsmanager:GetSecretValue'],
      named('secretsmanager:').map((name) => arns.secret(name)),
    ),
  ];
}

function ofOperator(arns: Arns): readonly Statement[] {
  return [
    allow('Objects', ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', ...RESUME], arns.objects('*')),
    allow('Look', LOOK, [arns.bucket]),
    allow('Queues', [...QUEUE, 'sqs:PurgeQueue'], arns.queues),
    allow('Ledger', LEDGER, arns.domains),
  ];
}

/**
 * Listing, and the right to learn that an object is absent: without it S3 answers 403 where there is nothing. That
 * question names no prefix, hence IfExists.
 */
function listing({ bucket: { prefix } }: AwsProfile, arns: Arns): Statement {
  const list = allow('List', ['s3:ListBucket'], [arns.bucket]);
  return prefix === '' ? list : { ...list, Condition: { StringLikeIfExists: { 's3:prefix': [`${prefix}*`] } } };
}

/** What the groups' `read` names of other buckets: jobs read it in place. */
function elsewhere({ groups }: AwsProfile, arns: Arns): readonly Statement[] {
  const places = [...new Set(Object.values(groups).flatMap(({ read }) => read))].map((url) => new URL(url));
  const keys = places.map(({ host, pathname }) => `${arns.bucketNamed(host)}${pathname === '' ? '/' : pathname}*`);
  const buckets = [...new Set(places.map(({ host }) => arns.bucketNamed(host)))];
  return [
    allow('ReadInputs', ['s3:GetObject', 's3:GetObjectVersion'], keys),
    allow('ListInputs', ['s3:ListBucket'], buckets),
  ];
}

/** What a customer's key asks for besides: who puts has data keys made, who gets has them opened. */
function encryption({ kmsKey }: AwsProfile): readonly Statement[] {
  return [allow('Key', ['kms:Decrypt', 'kms:GenerateDataKey'], kmsKey === null ? [] : [kmsKey])];
}
