import type { PolicyDocument, Statement } from '../../src/infra/policy.ts';
import { type Asking, queryCalls, resourceTags } from './iam-query.ts';
import type { Recorded } from './servers/call-recorder.ts';

/** A call as IAM judges it. */
export interface Call {
  readonly action: string;
  readonly resource: string;
  /** Keys of the request's context: `s3:prefix`. */
  readonly context: Readonly<Record<string, string>>;
}

/** A document as people write it: an action or several, with `*`, allowed or denied. */
export interface AnyDocument {
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: string | readonly string[];
    readonly Resource: string | readonly string[];
    readonly Condition?: Statement['Condition'];
  }[];
}

/** Whether a document allows a call, and denies it nowhere; knows the operators that the project uses. */
export function allows({ Statement: statements }: AnyDocument, call: Call): boolean {
  const says = (effect: string): boolean =>
    statements.some((statement) => statement.Effect === effect && matches(statement, call));
  return says('Allow') && !says('Deny');
}

/** A role's rights are what both its policy and its permissions boundary allow (IAM: policy evaluation logic). */
export const allowsWithin = (boundary: AnyDocument | null, policy: AnyDocument, call: Call): boolean =>
  allows(policy, call) && (boundary === null || allows(boundary, call));

const listOf = (value: string | readonly string[]): readonly string[] => (typeof value === 'string' ? [value] : value);

function matches(
  { Action, Resource, Condition = {} }: AnyDocument['Statement'][number],
  { action, resource, context }: Call,
): boolean {
  const isOf = (pattern: string): boolean =>
    pattern === action || (pattern.includes('*') && isLike(pattern.toLowerCase(), action.toLowerCase()));
  if (!listOf(Action).some(isOf) || !listOf(Resource).some((pattern) => isLike(pattern, resource))) return false;
  return Object.entries(Condition).every(([operator, keys]) => {
    if (operator !== 'StringLikeIfExists' && operator !== 'StringEquals') {
      throw new Error(`the evaluator knows no ${operator}`);
    }
    return Object.entries(keys).every(([key, values]) => {
      const value = context[key];
      if (value === undefined) return operator.endsWith('IfExists');
      return operator === 'StringEquals' ? values.includes(value) : values.some((pattern) => isLike(pattern, value));
    });
  });
}

/**
 * Actions, each in its statement, without which every one of these calls would be allowed all the same: `Self
 * autoscaling:SetInstanceProtection`. With none of them a policy is the least that the calls need.
 */
export function idleGrants({ Statement: statements }: PolicyDocument, calls: readonly Call[]): readonly string[] {
  const needed = new Set<string>();
  for (const call of calls) {
    const [first, ...more] = statements.filter((statement) => matches(statement, call));
    if (first !== undefined && more.length === 0) needed.add(`${first.Sid} ${call.action}`);
  }
  const granted = statements.flatMap(({ Sid, Action }) => Action.map((action) => `${Sid} ${action}`));
  return granted.filter((grant) => !needed.has(grant));
}

/** `*` any characters, `?` one, as in ARNs and StringLike; `${*}` is an asterisk itself (IAM: policy variables). */
function isLike(pattern: string, text: string): boolean {
  const source = pattern.replace(/\$\{([*?$])\}|[.+^${}()|[\]\\*?]/g, (found, itself?: string) => {
    if (itself !== undefined) return `\\${itself}`;
    return found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`;
  });
  return new RegExp(`^${source}$`, 's').test(text);
}

/** The same document without one action, wherever it stands. */
export function without(document: PolicyDocument, action: string): PolicyDocument {
  const statements = document.Statement.map((one) => ({
    ...one,
    Action: one.Action.filter((each) => each !== action),
  }));
  return { ...document, Statement: statements };
}

export const actionsOf = ({ Statement: statements }: PolicyDocument): readonly string[] => [
  ...new Set(statements.flatMap(({ Action }) => Action)),
];

/**
 * What a request needs to be allowed: to S3 (path style), SQS, SSM and KMS (JSON), SimpleDB, EC2, Auto Scaling and IAM
 * (forms), STS.
 */
export function callsOf(recorded: Recorded, asking: Asking): readonly Call[] {
  const { account } = asking;
  const target = recorded.headers['x-amz-target'];
  if (typeof target === 'string') {
    if (target.startsWith('TrentService.')) return keyCalls(target, recorded.body, account);
    if (target.startsWith('ServiceQuotas')) return quotaCalls(recorded.body, account);
    return target.startsWith('AmazonSSM.')
      ? parameterCalls(recorded.body, account)
      : sqsCalls(target, recorded, asking);
  }
  const form = new URLSearchParams(recorded.body);
  const action = recorded.method === 'POST' && recorded.url.pathname === '/' ? form.get('Action') : null;
  // Needs no permission at all (STS: GetCallerIdentity).
  if (action === 'GetCallerIdentity') return [];
  const service = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(recorded.headers.authorization ?? '')?.[1];
  if (service === 'ec2' || service === 'autoscaling' || service === 'iam')
    return queryCalls(service, form, asking, recorded.known);
  if (action !== null) {
    const domain = form.get('DomainName') ?? /from `([^`]+)`/.exec(form.get('SelectExpression') ?? '')?.[1];
    const resource = domain === undefined ? '*' : `arn:aws:sdb:us-east-1:${account}:domain/${domain}`;
    return [{ action: `sdb:${action}`, resource, context: {} }];
  }
  return [...s3Calls(recorded), ...keyCallsOfS3(recorded, asking)];
}

/**
 * What S3 asks KMS for on the caller's behalf where objects are encrypted by a key of KMS (S3UG/UsingKMSEncryption,
 * S3UG/mpuoverview: a multipart upload needs both). Nothing for what isn't there, and for a HEAD without checksums.
 */
function keyCallsOfS3({ method, url, headers, status }: Recorded, { keyOf }: Asking): readonly Call[] {
  const [, bucket = '', ...key] = decodeURIComponent(url.pathname).split('/');
  if (keyOf === undefined || key.join('') === '' || status >= 400) return [];
  const source = headers['x-amz-copy-source'];
  const from = typeof source === 'string' ? decodeURIComponent(source).replace(/^\//, '') : null;
  const isPart = url.searchParams.has('uploadId');
  const of = (action: string, at: string): readonly Call[] => {
    const resource = keyOf(at.split('/')[0] ?? '');
    const context = {
      'kms:ViaService': 's3.us-east-1.amazonaws.com',
      'kms:EncryptionContext:aws:s3:arn': `arn:aws:s3:::${at}`,
    };
    return resource === null ? [] : [{ action, resource, context }];
  };
  const reads = from === null ? [] : of('kms:Decrypt', from);
  const own = `${bucket}/${key.join('/')}`;
  if (method === 'PUT' || method === 'POST')
    return [...of(isPart ? 'kms:Decrypt' : 'kms:GenerateDataKey', own), ...reads];
  const isRead = method === 'GET' && !isPart;
  return isRead || (method === 'HEAD' && headers['x-amz-checksum-mode'] === 'ENABLED') ? of('kms:Decrypt', own) : [];
}

/** KMS calls itself so. */
function keyCalls(target: string, body: string, account: string): readonly Call[] {
  const { KeyId = '' }: { KeyId?: string } = JSON.parse(body);
  const resource = KeyId.startsWith('arn:') ? KeyId : `arn:aws:kms:us-east-1:${account}:key/${KeyId}`;
  return [{ action: `kms:${target.replace(/^TrentService\./, '')}`, resource, context: {} }];
}

function quotaCalls(body: string, account: string): readonly Call[] {
  const { ServiceCode, QuotaCode }: Readonly<Record<string, string>> = JSON.parse(body);
  const resource = `arn:aws:servicequotas:us-east-1:${account}:${ServiceCode}/${QuotaCode}`;
  return [{ action: 'servicequotas:GetServiceQuota', resource, context: {} }];
}

/** AWS's own parameters are of no account. */
function parameterCalls(body: string, account: string): readonly Call[] {
  const { Name = '' }: { Name?: string } = JSON.parse(body);
  const of = Name.startsWith('/aws/service/') ? '' : account;
  const resource = `arn:aws:ssm:us-east-1:${of}:parameter/${Name.replace(/^\//, '')}`;
  return [{ action: 'ssm:GetParameter', resource, context: {} }];
}

/** SQS judges a batch as its single message, and a queue made with tags as tagged too (SQS: API permissions reference). */
function sqsCalls(target: string, { body, known }: Recorded, { account, stack }: Asking): readonly Call[] {
  const action = target.replace(/^AmazonSQS\./, '').replace(/Batch$/, '');
  const { QueueUrl = '', QueueName, tags }: { QueueUrl?: string; QueueName?: string; tags?: object } = JSON.parse(body);
  const name = QueueName ?? QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
  const resource = name === '' ? '*' : `arn:aws:sqs:us-east-1:${account}:${name}`;
  const context = resourceTags(name, stack, known);
  const actions = tags === undefined ? [action] : [action, 'TagQueue'];
  return actions.map((each) => ({ action: `sqs:${each}`, resource, context }));
}

/** Subresources of a bucket, by what IAM calls reading and putting them. */
const OF_BUCKET: Readonly<Record<string, string>> = {
  lifecycle: 'LifecycleConfiguration',
  versioning: 'BucketVersioning',
  location: 'BucketLocation',
  encryption: 'EncryptionConfiguration',
  publicAccessBlock: 'BucketPublicAccessBlock',
  policy: 'BucketPolicy',
  policyStatus: 'BucketPolicyStatus',
  tagging: 'BucketTagging',
};

function s3Calls({ method, url, body, headers }: Recorded): readonly Call[] {
  const [, bucket = '', ...rest] = decodeURIComponent(url.pathname).split('/');
  const key = rest.join('/');
  const query = url.searchParams;
  const arn = `arn:aws:s3:::${bucket}`;
  const one = (action: string, resource = `${arn}/${key}`, context = {}): Call => ({ action, resource, context });
  if (key === '') {
    if (method === 'POST' && query.has('delete')) {
      return [...body.matchAll(/<Key>([^<]*)<\/Key>(<VersionId>)?/g)].map(([, each, version]) =>
        one(version === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion', `${arn}/${each}`),
      );
    }
    const subresource = Object.keys(OF_BUCKET).find((name) => query.has(name));
    if (subresource !== undefined) return [one(`s3:${method === 'PUT' ? 'Put' : 'Get'}${OF_BUCKET[subresource]}`, arn)];
    const prefix = query.get('prefix');
    const below = prefix === null ? {} : { 's3:prefix': prefix };
    if (query.has('versions')) return [one('s3:ListBucketVersions', arn, below)];
    if (query.has('uploads')) return [one('s3:ListBucketMultipartUploads', arn)];
    if (method === 'PUT') return [one('s3:CreateBucket', arn)];
    if (method === 'DELETE') return [one('s3:DeleteBucket', arn)];
    return [one('s3:ListBucket', arn, below)];
  }
  const source = headers['x-amz-copy-source'];
  const from = typeof source === 'string' ? decodeURIComponent(source).replace(/^\//, '').replace(/\?.*$/, '') : null;
  const read = from === null ? [] : [one('s3:GetObject', `arn:aws:s3:::${from}`)];
  if (method === 'PUT' || method === 'POST') return [one('s3:PutObject'), ...read];
  if (method === 'DELETE') {
    if (query.has('uploadId')) return [one('s3:AbortMultipartUpload')];
    return [one(query.has('versionId') ? 's3:DeleteObjectVersion' : 's3:DeleteObject')];
  }
  if (query.has('uploadId')) return [one('s3:ListMultipartUploadParts')];
  return [one(query.has('versionId') ? 's3:GetObjectVersion' : 's3:GetObject')];
}
