import type { PolicyDocument, Statement } from '../../src/infra/policy.ts';
import type { CloudCall } from './grid/front.ts';
import { type Asking, queryCalls, resourceTags } from './iam-query.ts';

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

/** Policies have few patterns, which thousands of calls are compared with. */
const expressions = new Map<string, RegExp>();

function isLike(pattern: string, text: string): boolean {
  const expression = expressions.get(pattern) ?? expressionOf(pattern);
  expressions.set(pattern, expression);
  return expression.test(text);
}

/** `*` any characters, `?` one, as in ARNs and StringLike; `${*}` is an asterisk itself (IAM: policy variables). */
function expressionOf(pattern: string): RegExp {
  const source = pattern.replace(/\$\{([*?$])\}|[.+^${}()|[\]\\*?]/g, (found, itself?: string) => {
    if (itself !== undefined) return `\\${itself}`;
    return found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`;
  });
  return new RegExp(`^${source}$`, 's');
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

/** What a request needs to be allowed. */
export function callsOf(asked: CloudCall, asking: Asking): readonly Call[] {
  const { service, action, body, known } = asked;
  const { account } = asking;
  switch (service) {
    case 's3':
      return [...s3Calls(asked), ...keyCallsOfS3(asked, asking)];
    case 'sqs':
      return sqsCalls(asked, asking);
    case 'ec2':
    case 'autoscaling':
    case 'iam':
      return queryCalls(service, new URLSearchParams(body), asking, known);
    case 'sts':
      // Needs no permission at all (STS: GetCallerIdentity).
      return action === 'GetCallerIdentity' ? [] : [{ action: `sts:${action}`, resource: '*', context: {} }];
    default:
      return [{ action: `${service}:${action}`, resource: resourceOf(service, body, account), context: {} }];
  }
}

/** What a request to a service is about that judges by nothing else. */
function resourceOf(service: string, body: string, account: string): string {
  if (service === 'sdb') {
    const form = new URLSearchParams(body);
    const domain = form.get('DomainName') ?? /from `([^`]+)`/.exec(form.get('SelectExpression') ?? '')?.[1];
    return domain === undefined ? '*' : `arn:aws:sdb:us-east-1:${account}:domain/${domain}`;
  }
  const { KeyId = '', Name = '', ServiceCode, QuotaCode }: Readonly<Record<string, string>> = JSON.parse(body);
  switch (service) {
    case 'kms':
      return KeyId.startsWith('arn:') ? KeyId : `arn:aws:kms:us-east-1:${account}:key/${KeyId}`;
    case 'servicequotas':
      return `arn:aws:servicequotas:us-east-1:${account}:${ServiceCode}/${QuotaCode}`;
    case 'ssm':
      // AWS's own parameters are of no account.
      return `arn:aws:ssm:us-east-1:${Name.startsWith('/aws/service/') ? '' : account}:parameter/${Name.replace(/^\//, '')}`;
    default:
      throw new Error(`the evaluator knows nothing of ${service}`);
  }
}

/**
 * What S3 asks KMS for on the caller's behalf where objects are encrypted by a key of KMS (S3UG/UsingKMSEncryption,
 * S3UG/mpuoverview: a multipart upload needs both). Nothing for what isn't there, and for a HEAD without checksums.
 */
function keyCallsOfS3({ method, url, headers, status }: CloudCall, { keyOf }: Asking): readonly Call[] {
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

/** SQS judges a batch as its single message, and a queue made with tags as tagged too (SQS: API permissions reference). */
function sqsCalls({ action, body, known }: CloudCall, { account, stack }: Asking): readonly Call[] {
  const { QueueUrl = '', QueueName, tags }: { QueueUrl?: string; QueueName?: string; tags?: object } = JSON.parse(body);
  const name = QueueName ?? QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
  const resource = name === '' ? '*' : `arn:aws:sqs:us-east-1:${account}:${name}`;
  const context = resourceTags(name, stack, known);
  const actions = [action.replace(/Batch$/, ''), ...(tags === undefined ? [] : ['TagQueue'])];
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

function s3Calls({ method, url, body, headers }: CloudCall): readonly Call[] {
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
