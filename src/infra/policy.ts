import type { AwsProfile } from '../config/load-config.ts';
import { homeOf } from '../lib/home.ts';
import { HOME_TAG, STACK_TAG } from '../lib/stack-names.ts';
import { type Arns, escapePattern, replaceNonLatin } from './arns.ts';

export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  /** Operator to key to patterns, any of which may match. */
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export function allow(
  Sid: string,
  Action: readonly string[],
  Resource: readonly string[],
  Condition?: Statement['Condition'],
): Statement {
  return { Sid, Effect: 'Allow', Action, Resource, ...(Condition !== undefined && { Condition }) };
}

/** Only if a key of the request's context has one of these values. */
export const equals = (key: string, ...values: readonly string[]): NonNullable<Statement['Condition']> => ({
  StringEquals: { [key]: values },
});

export function policyOf(statements: readonly Statement[]): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: statements.filter(({ Action, Resource }) => Action.length * Resource.length > 0),
  };
}

/** Characters of a managed policy, without white space (IAM: quotas). */
export const MANAGED_LIMIT = 6_144;
/** Characters around the statements, and of a comma between two. */
const [DOCUMENT_OVERHEAD, SEPARATOR_LENGTH] = [JSON.stringify(policyOf([])).length, 1];

/** The same policy as documents that each fit a managed policy: one, unless it is too long. */
export function documentsOf({ Statement: statements }: PolicyDocument): readonly PolicyDocument[] {
  const documents: Statement[][] = [];
  let room = 0;
  for (const statement of statements.flatMap(splitStatement)) {
    const length = lengthOf(statement) + SEPARATOR_LENGTH;
    if (length > room) {
      documents.push([]);
      room = MANAGED_LIMIT - DOCUMENT_OVERHEAD;
    }
    documents.at(-1)?.push(statement);
    room -= length;
  }
  return documents.map(policyOf);
}

const lengthOf = (value: unknown): number => JSON.stringify(value).length;

/** A statement whose resources alone fill a document becomes several, with different names. */
function splitStatement(statement: Statement): readonly Statement[] {
  const room = MANAGED_LIMIT - DOCUMENT_OVERHEAD - lengthOf({ ...statement, Sid: `${statement.Sid}000`, Resource: [] });
  const lists: string[][] = [[]];
  let left = room;
  for (const resource of statement.Resource) {
    const length = lengthOf(resource) + SEPARATOR_LENGTH;
    if (length > left) {
      lists.push([]);
      left = room;
    }
    lists.at(-1)?.push(resource);
    left -= length;
  }
  if (lists.length === 1) return [statement];
  return lists.map((Resource, at) => ({ ...statement, Sid: `${statement.Sid}${at + 1}`, Resource }));
}

/** To resume an interrupted upload, and to end one whose file changed. */
export const RESUME = ['s3:ListMultipartUploadParts', 's3:AbortMultipartUpload'];
const CONSUME = [
  'sqs:GetQueueUrl',
  'sqs:GetQueueAttributes',
  'sqs:ListQueueTags',
  'sqs:ReceiveMessage',
  'sqs:DeleteMessage',
];
export const QUEUE = [...CONSUME, 'sqs:ChangeMessageVisibility', 'sqs:SendMessage'];
const LEDGER = ['sdb:Select', 'sdb:GetAttributes', 'sdb:PutAttributes', 'sdb:BatchDeleteAttributes'];

/** In China's regions with another suffix (IAM: service principals in China; KMS: kms:ViaService). */
const serviceDomain = (region: string): string => `amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
/** EC2's service principal. */
export const ec2Service = (region: string): string => `ec2.${serviceDomain(region)}`;

/** Of this home, or of an earlier version, which recorded none. A policy can't have all characters of a home. */
const homeTag = (kind: 'Resource' | 'Request', profile: AwsProfile) => ({
  [`aws:${kind}Tag/${HOME_TAG}`]: [replaceNonLatin(homeOf(profile))],
});

export const stackTagEquals = (profile: AwsProfile) => ({
  ...equals(`aws:ResourceTag/${STACK_TAG}`, profile.stack),
  StringLikeIfExists: homeTag('Resource', profile),
});
/** Not the resources of another stack. A resource that was just created and has no tag yet is included. */
export const stackTagAbsentOrEquals = (profile: AwsProfile) => ({
  StringLikeIfExists: { [`aws:ResourceTag/${STACK_TAG}`]: [profile.stack], ...homeTag('Resource', profile) },
});
/** New resources must get the stack's tag, and no other home. */
export const requestTagEquals = (profile: AwsProfile) => ({
  ...equals(`aws:RequestTag/${STACK_TAG}`, profile.stack),
  StringLikeIfExists: homeTag('Request', profile),
});

/** Every watcher enforces jobs' budgets, and spot has the market's price. */
export const prices = ({ groups }: AwsProfile): Statement =>
  allow('Prices', ['ec2:DescribeSpotPriceHistory'], Object.values(groups).some(({ spot }) => spot) ? ['*'] : []);

/** Whether the account may run as many instances as the groups may have. */
export const quotas = (arns: Arns): Statement =>
  allow('LookAtQuotas', ['servicequotas:GetServiceQuota'], [arns.quotas]);

/** Rights to work on jobs: listings, the ledger, other buckets that groups name, and the key. */
export function jobStatements(profile: AwsProfile, arns: Arns): readonly Statement[] {
  return [
    listStatement(profile, arns),
    ...otherBucketStatements(profile, arns),
    allow('Ledger', LEDGER, arns.domains),
    allow('Domains', ['sdb:ListDomains'], arns.domains.length === 0 ? [] : ['*']),
    allow('Database', ['rds-db:connect'], arns.databaseUsers),
    ...passwordStatements(profile, arns),
    ...encryption(profile),
    ...notifyStatements(profile, arns),
  ];
}

/** To read the password of the ledger's server. `key`: the customer's key of its secret, unless another statement has it. */
export function passwordStatements(profile: AwsProfile, arns: Arns, key: string | null = null): readonly Statement[] {
  const { ledger, region } = profile;
  const references = passwordOf(profile);
  const keys = references.length === 0 ? [] : [('passwordKey' in ledger ? ledger.passwordKey : null) ?? key ?? []];
  const services = references.map((reference) => `${reference.split(':')[0]}.${region}.${serviceDomain(region)}`);
  return [
    allow('LedgerParameter', ['ssm:GetParameter'], parametersOf(references, arns)),
    allow('LedgerSecret', ['secretsmanager:GetSecretValue'], secretsOf(references, arns)),
    allow('LedgerSecretKey', ['kms:Decrypt'], keys.flat(), equals('kms:ViaService', ...services)),
  ];
}

/** The secret of the ledger's password, if it is in one. */
export const passwordOf = ({ ledger }: AwsProfile): readonly string[] =>
  'password' in ledger && ledger.password !== null ? [ledger.password] : [];

/** To send the profile's notifications. The key of an encrypted topic is granted by its owner. */
function notifyStatements({ notify }: AwsProfile, arns: Arns): readonly Statement[] {
  const topics = notify.flatMap(({ to }) => (to.startsWith('sns:') ? [arns.topic(to.slice('sns:'.length))] : []));
  const secrets = notify.flatMap(({ secret }) => secret ?? []);
  return [
    allow('Notify', ['sns:Publish'], [...new Set(topics)]),
    allow('NotifyParameters', ['ssm:GetParameter'], parametersOf(secrets, arns)),
    allow('NotifySecrets', ['secretsmanager:GetSecretValue'], secretsOf(secrets, arns)),
  ];
}

export const parametersOf = (references: readonly string[], arns: Arns): readonly string[] =>
  named(references, 'ssm:').map((name) => arns.parameter(name));

export const secretsOf = (references: readonly string[], arns: Arns): readonly string[] =>
  named(references, 'secretsmanager:').map((name) => arns.secret(name));

const named = (references: readonly string[], kind: string): readonly string[] => [
  ...new Set(
    references.filter((text) => text.startsWith(kind)).map((text) => text.slice(kind.length).replace(/#.*$/, '')),
  ),
];

export function metricsStatements({ metrics }: AwsProfile): readonly Statement[] {
  return [
    allow('Metrics', ['cloudwatch:PutMetricData'], metrics ? ['*'] : [], equals('cloudwatch:namespace', 'batchctl')),
  ];
}

/**
 * To list, and to learn that an object doesn't exist: without that right S3 answers 403 for a missing object. The
 * request for the object has no prefix, hence IfExists.
 */
function listStatement({ bucket: { prefix } }: AwsProfile, arns: Arns): Statement {
  return allow('List', ['s3:ListBucket'], [arns.bucket], prefixCondition([`${escapePattern(prefix)}*`]));
}

/** Only if the prefix of a listing, if any, matches one of these; undefined if any prefix does. */
export const prefixCondition = (prefixes: readonly string[]): Statement['Condition'] =>
  prefixes.includes('*') ? undefined : { StringLikeIfExists: { 's3:prefix': prefixes } };

/** Other buckets in the groups' `read` and `write`: jobs read there in place, and deliver there. */
function otherBucketStatements({ groups }: AwsProfile, arns: Arns): readonly Statement[] {
  const all = Object.values(groups);
  const read = objectScopes(
    all.flatMap((group) => group.read),
    arns,
  );
  const write = objectScopes(
    all.flatMap((group) => group.write),
    arns,
  );
  return [
    allow('ReadInputs', ['s3:GetObject', 's3:GetObjectVersion'], read.keys),
    // The own bucket may keep versions too: then inputs are pinned by them.
    allow('ReadVersions', ['s3:GetObjectVersion'], arns.objects('data/*')),
    ...scopedStatements('ListInputs', ['s3:ListBucket'], read.lists),
    // The marker of a delivery is deleted before it is written again.
    allow('Deliver', ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', ...RESUME], write.keys),
    ...scopedStatements('ListDelivered', ['s3:ListBucket', 's3:ListBucketMultipartUploads'], write.lists),
    // A get has data keys decrypted; a put has them generated, and a multipart upload has them decrypted too.
    allow('InputKeys', ['kms:Decrypt'], [...new Set(all.flatMap(({ keys }) => keys))]),
    allow(
      'DeliverKeys',
      ['kms:GenerateDataKey'],
      [...new Set(all.flatMap(({ keys, write: places }) => (places.length === 0 ? [] : keys)))],
    ),
  ];
}

/** Listings: which buckets, below which prefixes. */
type ListScopes = readonly { readonly buckets: readonly string[]; readonly prefixes: readonly string[] }[];

const scopedStatements = (sid: string, actions: readonly string[], lists: ListScopes): readonly Statement[] =>
  lists.map(({ buckets, prefixes }, at) =>
    allow(at === 0 ? sid : `${sid}Of${at}`, actions, buckets, prefixCondition(prefixes)),
  );

/** Keys are text, not parts of a URL: `#`, `?` and letters of any script are literal. `*` and `?` are patterns. */
function objectScopes(urls: readonly string[], arns: Arns): { readonly keys: string[]; readonly lists: ListScopes } {
  const places = [...new Set(urls)].map((url) => {
    const [bucket = '', ...key] = url.replace(/^s3:\/\//, '').split('/');
    return { bucket: arns.bucketNamed(bucket), key: `${replaceNonLatin(key.join('/'))}*` };
  });
  const prefixes = new Map<string, string[]>();
  for (const { bucket, key } of places) prefixes.set(bucket, [...(prefixes.get(bucket) ?? []), key]);
  // Buckets with the same listings share a statement: a policy has little room.
  const lists = new Map<string, { buckets: string[]; prefixes: readonly string[] }>();
  for (const [bucket, of] of prefixes) {
    const same = JSON.stringify(prefixCondition(of) ?? null);
    const known = lists.get(same) ?? { buckets: [], prefixes: of };
    known.buckets.push(bucket);
    lists.set(same, known);
  }
  return { keys: places.map(({ bucket, key }) => `${bucket}/${key}`), lists: [...lists.values()] };
}

/** For a customer's key: a put has data keys generated, a get has them decrypted. */
export function encryption({ kmsKey }: AwsProfile): readonly Statement[] {
  return [allow('Key', ['kms:Decrypt', 'kms:GenerateDataKey'], kmsKey === null ? [] : [kmsKey])];
}

/** A statement of any policy. */
export interface RoleStatement {
  readonly Effect?: string;
  readonly Action?: string | readonly string[];
  readonly NotAction?: unknown;
  readonly Resource?: string | readonly string[];
  readonly Condition?: unknown;
}

/** Statements of a percent-encoded document (IAM: GetRolePolicy), which may have one or several. */
export function statementsOf(document: string): readonly RoleStatement[] {
  const { Statement: found = [] }: { Statement?: RoleStatement | readonly RoleStatement[] } = JSON.parse(
    decodeURIComponent(document) || '{}',
  );
  return [found].flat();
}
