import type { PolicyDocument, Statement } from '../../src/infra/policy.ts';
import type { Cloud } from './grid/cloud.ts';
import type { CloudCall } from './grid/front.ts';
import { queryCalls, type RequestFacts, resourceTags } from './iam-query.ts';
import type { Workspace } from './workspace.ts';

/** A permission that a request needs, as IAM judges it. */
export interface Call {
  readonly action: string;
  readonly resource: string;
  /** Keys of the request's context: `s3:prefix`. */
  readonly context: Readonly<Record<string, string>>;
}

/** A policy as people write it: with wildcards, denials, and strings in place of lists. */
export interface AnyDocument {
  readonly Statement: readonly {
    readonly Effect: string;
    readonly Action: string | readonly string[];
    readonly Resource: string | readonly string[];
    readonly Condition?: Statement['Condition'];
  }[];
}

/** Whether a policy allows a call and does not deny it. Only the condition operators of this project are implemented. */
export function allows({ Statement: statements }: AnyDocument, call: Call): boolean {
  const has = (effect: string): boolean =>
    statements.some((statement) => statement.Effect === effect && matches(statement, call));
  return has('Allow') && !has('Deny');
}

/** The calls that a policy does not allow. */
export const deniedBy = (policy: AnyDocument, calls: readonly Call[]): readonly Call[] =>
  calls.filter((call) => !allows(policy, call));

/** A role may do what both its policy and its permissions boundary allow (IAM: policy evaluation logic). */
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
    const [, kind, ifExists] = /^String(Equals|NotEquals|Like)(IfExists)?$/.exec(operator) ?? [];
    if (kind === undefined) throw new Error(`the operator ${operator} is not implemented`);
    return Object.entries(keys).every(([key, values]) => {
      const value = context[key];
      // A missing key doesn't equal (IAM: string condition operators).
      if (kind === 'NotEquals') return value === undefined || !values.includes(value);
      if (value === undefined) return ifExists !== undefined;
      return kind === 'Equals' ? values.includes(value) : values.some((pattern) => isLike(pattern, value));
    });
  });
}

/** Statements and their actions that none of the calls needs: `Self autoscaling:SetInstanceProtection`. */
export function idleGrants({ Statement: statements }: PolicyDocument, calls: readonly Call[]): readonly string[] {
  const needed = new Set<string>();
  for (const call of calls) {
    const [first, ...more] = statements.filter((statement) => matches(statement, call));
    if (first !== undefined && more.length === 0) needed.add(`${first.Sid} ${call.action}`);
  }
  const granted = statements.flatMap(({ Sid, Action }) => Action.map((action) => `${Sid} ${action}`));
  return granted.filter((grant) => !needed.has(grant));
}

/** Compiled once, because thousands of calls are compared with the same few patterns. */
const expressions = new Map<string, RegExp>();

function isLike(pattern: string, text: string): boolean {
  const expression = expressions.get(pattern) ?? expressionOf(pattern);
  expressions.set(pattern, expression);
  return expression.test(text);
}

/** `*` matches any characters, `?` one, as in ARNs and StringLike. `${*}` is an asterisk (IAM: policy variables). */
function expressionOf(pattern: string): RegExp {
  const source = pattern.replace(/\$\{([*?$])\}|[.+^${}()|[\]\\*?]/g, (found, itself?: string) => {
    if (itself !== undefined) return `\\${itself}`;
    return found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`;
  });
  return new RegExp(`^${source}$`, 's');
}

/** Actions of a policy that none of the calls needs, in whichever statement. */
export function idleActions(policy: PolicyDocument, calls: readonly Call[]): readonly string[] {
  const needed = calls.filter((call) => allows(policy, call));
  return actionsOf(policy).filter((action) => {
    const Statement = policy.Statement.map((statement) => ({
      ...statement,
      Action: statement.Action.filter((each) => each !== action),
    }));
    return deniedBy({ Statement }, needed).length === 0;
  });
}

/** What `infra policies --for ROLE` prints. */
export const printedPolicy = async (
  workspace: Workspace,
  role: string,
  ...flags: readonly string[]
): Promise<PolicyDocument> =>
  JSON.parse((await workspace.runSuccessfully('infra', 'policies', '--for', role, ...flags)).stdout);

export const actionsOf = ({ Statement: statements }: PolicyDocument): readonly string[] => [
  ...new Set(statements.flatMap(({ Action }) => Action)),
];

type Recording = Pick<Cloud, 'account' | 'takeCalls'>;

/** The permissions that the requests since the last call need, of those that `isWanted`. */
export const takePermissions = (
  { account, takeCalls }: Recording,
  facts: Omit<RequestFacts, 'account' | 'region'>,
  isWanted: (call: CloudCall) => boolean = () => true,
): readonly Call[] =>
  takeCalls()
    .filter(isWanted)
    .flatMap((call) => callsOf(call, { account, ...facts }));

/** The permissions that a request needs. */
export function callsOf(asked: Request, given: Omit<RequestFacts, 'region'>): readonly Call[] {
  const { service, action, body, known, region } = asked;
  const facts = { ...given, region };
  switch (service) {
    case 's3':
      return [...s3Calls(asked), ...keyCallsOfS3(asked, facts)];
    case 'sqs':
      return sqsCalls(asked, facts);
    case 'ec2':
    case 'autoscaling':
    case 'iam':
      return queryCalls(service, new URLSearchParams(body), facts, known);
    case 'sts':
      // It needs no permission (STS: GetCallerIdentity).
      return action === 'GetCallerIdentity' ? [] : [{ action: `sts:${action}`, resource: '*', context: {} }];
    default:
      return [{ action: `${service}:${action}`, resource: resourceOf(service, body, facts), context: {} }];
  }
}

/** The resource of a request to a service whose policies have no conditions. */
function resourceOf(service: string, body: string, { account, region }: RequestFacts): string {
  if (service === 'sdb') {
    const form = new URLSearchParams(body);
    const domain = form.get('DomainName') ?? /from `([^`]+)`/.exec(form.get('SelectExpression') ?? '')?.[1];
    return domain === undefined ? '*' : `arn:aws:sdb:${region}:${account}:domain/${domain}`;
  }
  const {
    KeyId = '',
    Name = '',
    SecretId = '',
    ServiceCode,
    QuotaCode,
  }: Readonly<Record<string, string>> = JSON.parse(body);
  switch (service) {
    case 'kms':
      return KeyId.startsWith('arn:') ? KeyId : `arn:aws:kms:${region}:${account}:key/${KeyId}`;
    case 'servicequotas':
      return `arn:aws:servicequotas:${region}:${account}:${ServiceCode}/${QuotaCode}`;
    case 'secretsmanager':
      // A secret's ARN ends with six random characters.
      return SecretId.startsWith('arn:')
        ? SecretId
        : `arn:aws:secretsmanager:${region}:${account}:secret:${SecretId}-a1b2c3`;
    case 'ssm':
      if (Name === '') return '*';
      // AWS's own parameters belong to no account.
      return `arn:aws:ssm:${region}:${Name.startsWith('/aws/service/') ? '' : account}:parameter/${Name.replace(/^\//, '')}`;
    default:
      throw new Error(`the service ${service} is not implemented`);
  }
}

/** A request, before or after its answer. */
type Request = Omit<CloudCall, 'status'> & Partial<Pick<CloudCall, 'status'>>;

/**
 * The requests to KMS that S3 makes for the caller if a KMS key encrypts the objects (S3UG/UsingKMSEncryption,
 * S3UG/mpuoverview: a multipart upload needs both). There are none for missing objects, and for a HEAD without checksums.
 */
function keyCallsOfS3(
  { method, url, headers, status = 200 }: Request,
  { keyOf, putKey, region }: RequestFacts,
): readonly Call[] {
  const [, bucket = '', ...key] = decodeURIComponent(url.pathname).split('/');
  if (keyOf === undefined || key.join('') === '' || status >= 400) return [];
  const source = headers['x-amz-copy-source'];
  const from = typeof source === 'string' ? decodeURIComponent(source).replace(/^\//, '') : null;
  const isPart = url.searchParams.has('uploadId');
  const keyCall = (action: string, object: string, resource = keyOf(object)): readonly Call[] => {
    const context = {
      'kms:ViaService': `s3.${region}.amazonaws.com`,
      'kms:EncryptionContext:aws:s3:arn': `arn:aws:s3:::${object}`,
    };
    return resource === null ? [] : [{ action, resource, context }];
  };
  const reads = from === null ? [] : keyCall('kms:Decrypt', from);
  const own = `${bucket}/${key.join('/')}`;
  if (method === 'PUT' || method === 'POST')
    return [...keyCall(isPart ? 'kms:Decrypt' : 'kms:GenerateDataKey', own, putKey), ...reads];
  const isRead = method === 'GET' && !isPart;
  const decrypts = isRead || (method === 'HEAD' && headers['x-amz-checksum-mode'] === 'ENABLED');
  return decrypts ? keyCall('kms:Decrypt', own) : [];
}

/**
 * SQS judges a batch as one message, and the creation of a queue with tags also as tagging (SQS: API permissions
 * reference).
 */
function sqsCalls({ action, body, known }: Request, { account, stack, region }: RequestFacts): readonly Call[] {
  const { QueueUrl = '', QueueName, tags }: { QueueUrl?: string; QueueName?: string; tags?: object } = JSON.parse(body);
  const name = QueueName ?? QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
  const resource = name === '' ? '*' : `arn:aws:sqs:${region}:${account}:${name}`;
  const context = resourceTags(name, stack, known);
  const actions = [action.replace(/Batch$/, ''), ...(tags === undefined ? [] : ['TagQueue'])];
  return actions.map((each) => ({ action: `sqs:${each}`, resource, context }));
}

/** Subresources of a bucket, and their names in IAM's actions. */
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

function s3Calls({ method, url, body, headers }: Request): readonly Call[] {
  const [, bucket = '', ...rest] = decodeURIComponent(url.pathname).split('/');
  const key = rest.join('/');
  const query = url.searchParams;
  const arn = `arn:aws:s3:::${bucket}`;
  const permission = (action: string, resource = `${arn}/${key}`, context = {}): Call => ({
    action,
    resource,
    context,
  });
  if (key === '') {
    if (method === 'POST' && query.has('delete')) {
      return [...body.matchAll(/<Key>([^<]*)<\/Key>(<VersionId>)?/g)].map(([, each, version]) =>
        permission(version === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion', `${arn}/${each}`),
      );
    }
    const subresource = Object.keys(OF_BUCKET).find((name) => query.has(name));
    if (subresource !== undefined)
      return [permission(`s3:${method === 'PUT' ? 'Put' : 'Get'}${OF_BUCKET[subresource]}`, arn)];
    const prefix = query.get('prefix');
    const below = prefix === null ? {} : { 's3:prefix': prefix };
    if (query.has('versions')) return [permission('s3:ListBucketVersions', arn, below)];
    if (query.has('uploads')) return [permission('s3:ListBucketMultipartUploads', arn)];
    if (method === 'PUT') return [permission('s3:CreateBucket', arn)];
    if (method === 'DELETE') return [permission('s3:DeleteBucket', arn)];
    return [permission('s3:ListBucket', arn, below)];
  }
  const source = headers['x-amz-copy-source'];
  const from = typeof source === 'string' ? decodeURIComponent(source).replace(/^\//, '').replace(/\?.*$/, '') : null;
  const read = from === null ? [] : [permission('s3:GetObject', `arn:aws:s3:::${from}`)];
  if (method === 'PUT' || method === 'POST') return [permission('s3:PutObject'), ...read];
  if (method === 'DELETE') {
    if (query.has('uploadId')) return [permission('s3:AbortMultipartUpload')];
    return [permission(query.has('versionId') ? 's3:DeleteObjectVersion' : 's3:DeleteObject')];
  }
  if (query.has('uploadId')) return [permission('s3:ListMultipartUploadParts')];
  return [permission(query.has('versionId') ? 's3:GetObjectVersion' : 's3:GetObject')];
}
