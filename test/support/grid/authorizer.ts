import { IAM } from '@aws-sdk/client-iam';
import { type AnyDocument, allowsWithin, type Call, callsOf } from '../iam.ts';
import { errorFor } from './faults.ts';
import type { CloudRequest, Known, Reply } from './front.ts';
import type { Grid } from './grid.ts';

interface Source {
  /** The URL of what answers for IAM. */
  readonly moto: string;
  readonly account: string;
  readonly grid: Grid;
}

/** What IAM decides by: the statements of all policies of a caller, and its boundary. */
interface Rights {
  readonly policy: AnyDocument;
  readonly boundary: AnyDocument | null;
}

/** How each service says that an action is denied (errors of its API); others say AccessDeniedException. */
const REFUSALS: Readonly<Record<string, readonly [status: number, code: string]>> = {
  s3: [403, 'AccessDenied'],
  sqs: [403, 'AccessDenied'],
  ec2: [403, 'UnauthorizedOperation'],
  iam: [403, 'AccessDenied'],
  autoscaling: [403, 'AccessDenied'],
  sts: [403, 'AccessDenied'],
  sdb: [403, 'AuthorizationError'],
};

/**
 * IAM's decision on every request of an emulated account: people by the policies that they were given, instances by those
 * that their role has in the account. Callers without policies, such as the test's own clients, may do everything.
 */
export class Authorizer {
  /** Each kind of request that was refused, once: `AKIDOPERATOR: s3:GetObject on arn:...`. */
  readonly refused: string[] = [];
  /** The KMS key of an object, `BUCKET/KEY`, that no request of the test put. */
  keyOf: (object: string) => string | null = () => null;
  /** The default keys of buckets, for puts that name none. */
  readonly defaultKeys = new Map<string, string>();
  /** The keys of objects that were put with one. */
  readonly #keys = new Map<string, string>();
  readonly #people = new Map<string, Rights>();
  readonly #roles = new Map<string, Promise<Rights>>();
  #source: Source | null = null;
  #iam: IAM | null = null;

  open(source: Source): void {
    this.#source = source;
    const credentials = { accessKeyId: 'AKIDIAM', secretAccessKey: 's' };
    this.#iam = new IAM({ region: 'us-east-1', endpoint: source.moto, credentials });
  }

  close(): void {
    this.#iam?.destroy();
  }

  /** From now on, only these policies apply to what the owner of an access key requests. */
  admit(accessKeyId: string, ...policies: readonly AnyDocument[]): void {
    this.#people.set(accessKeyId, { policy: merge(policies), boundary: null });
  }

  /** The permissions of a request that its caller does not have. */
  async denied(request: CloudRequest, known?: Known): Promise<readonly Call[]> {
    const rights = await this.#rightsOf(request.accessKeyId);
    if (rights === null || this.#source === null) return [];
    const { account } = this.#source;
    const keyOf = (object: string): string | null => this.#keys.get(object) ?? this.keyOf(object);
    const given = keyOfPut(request, this.defaultKeys);
    const facts = { account, stack: '', keyOf, ...(given !== null && { putKey: given }) };
    const calls = callsOf({ ...request, known: known ?? {} }, facts);
    return calls.filter((call) => !allowsWithin(rights.boundary, rights.policy, call));
  }

  async refuse(request: CloudRequest, known?: Known): Promise<Reply | null> {
    const [call] = await this.denied(request, known);
    // A change of a role applies to its next request.
    if (request.service === 'iam' && !/^(Get|List)/.test(request.action)) this.#roles.clear();
    if (call !== undefined) return this.#refusal(request, call);
    this.#noteKey(request);
    return null;
  }

  #noteKey(request: CloudRequest): void {
    const key = keyOfPut(request, this.defaultKeys);
    if (key !== null) this.#keys.set(decodeURIComponent(request.url.pathname).slice(1), key);
  }

  /** Without the right to list, S3 does not say that an object is missing (S3API/API_GetObject). */
  async amend(request: CloudRequest, reply: Reply): Promise<Reply> {
    const [, bucket = '', key = ''] = /^\/([^/]+)\/(.+)$/.exec(request.url.pathname) ?? [];
    if (request.service !== 's3' || reply.status !== 404 || key === '') return reply;
    const rights = await this.#rightsOf(request.accessKeyId);
    const call = { action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket}`, context: {} };
    if (rights === null || allowsWithin(rights.boundary, rights.policy, call)) return reply;
    return this.#refusal(request, call);
  }

  #refusal({ service, method, accessKeyId }: CloudRequest, { action, resource }: Call): Reply {
    const who = this.#source?.grid.roleBy(accessKeyId) ?? accessKeyId;
    const what = `${who}: ${action} on ${resource}`;
    if (!this.refused.includes(what)) this.refused.push(what);
    const [status, code] = REFUSALS[service] ?? [400, 'AccessDeniedException'];
    // IAM/troubleshoot_access-denied.
    const message = `User: arn:aws:sts::${this.#source?.account}:assumed-role/${who} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;
    const reply = errorFor(service, status, code, message);
    return method === 'HEAD' ? { ...reply, body: Buffer.alloc(0) } : reply;
  }

  async #rightsOf(accessKeyId: string): Promise<Rights | null> {
    const person = this.#people.get(accessKeyId);
    if (person !== undefined) return person;
    const role = this.#source?.grid.roleBy(accessKeyId) ?? null;
    if (role === null) return null;
    const rights = this.#roles.get(role) ?? this.#readRole(role);
    this.#roles.set(role, rights);
    return rights;
  }

  async #readRole(RoleName: string): Promise<Rights> {
    const iam = this.#iam;
    if (iam === null) throw new Error('the account is not open');
    const { Role } = await iam.getRole({ RoleName });
    const { PolicyNames = [] } = await iam.listRolePolicies({ RoleName });
    const inline = PolicyNames.map(async (PolicyName) => {
      return documentOf((await iam.getRolePolicy({ RoleName, PolicyName })).PolicyDocument);
    });
    const { AttachedPolicies = [] } = await iam.listAttachedRolePolicies({ RoleName });
    const managed = AttachedPolicies.map(({ PolicyArn = '' }) => this.#readManaged(PolicyArn));
    const edge = Role?.PermissionsBoundary?.PermissionsBoundaryArn;
    return {
      policy: merge(await Promise.all([...inline, ...managed])),
      boundary: edge === undefined ? null : await this.#readManaged(edge),
    };
  }

  async #readManaged(PolicyArn: string): Promise<AnyDocument> {
    const { Policy } = (await this.#iam?.getPolicy({ PolicyArn })) ?? {};
    const found = await this.#iam?.getPolicyVersion({ PolicyArn, VersionId: Policy?.DefaultVersionId });
    return documentOf(found?.PolicyVersion?.Document);
  }
}

/**
 * The KMS key that encrypts what a request puts: the one that it names, or the bucket's default one
 * (S3UG/specifying-kms-encryption). Null for other requests.
 */
function keyOfPut(
  { service, method, url, headers }: CloudRequest,
  defaults: ReadonlyMap<string, string>,
): string | null {
  const [, bucket = '', key = ''] = url.pathname.split('/');
  const isPut = (method === 'PUT' && !url.searchParams.has('uploadId')) || url.searchParams.has('uploads');
  if (service !== 's3' || !isPut || key === '') return null;
  const named = headers['x-amz-server-side-encryption-aws-kms-key-id'];
  return typeof named === 'string' ? named : (defaults.get(bucket) ?? null);
}

const merge = (policies: readonly AnyDocument[]): AnyDocument => ({
  Statement: policies.flatMap(({ Statement }) => Statement),
});

/** A document as IAM gives it: percent-encoded, with one statement or several. */
function documentOf(text: string | undefined): AnyDocument {
  type Statement = AnyDocument['Statement'][number];
  const { Statement = [] }: { Statement?: Statement | readonly Statement[] } = JSON.parse(
    decodeURIComponent(text ?? '') || '{}',
  );
  return { Statement: [Statement].flat() };
}
