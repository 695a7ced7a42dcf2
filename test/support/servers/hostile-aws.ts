import { errorFor } from '../grid/faults.ts';
import { type CloudCall, type CloudRequest, type Reply, startFront } from '../grid/front.ts';
import { Form } from '../grid/query.ts';

/** A rule that AWS enforces and the emulators don't. Responses have AWS's format; each rule names the page of AWS's docs. */
export interface Rule {
  /** AWS's refusal; null if the rule allows the request. */
  readonly refuse?: (call: CloudRequest) => Reply | null;
  /** AWS's response, if the emulator's lacks something; null: unchanged. */
  readonly amend?: (call: CloudRequest, reply: Reply) => Reply | null;
}

/** A proxy of emulators that is as strict as AWS: all current rules apply to each request. */
export class HostileAws {
  /** All requests that got a response, oldest first. */
  readonly calls: CloudCall[] = [];
  /** Requests that a rule refused, or whose response it changed, such as `s3:GET` or `iam:GetRole`. */
  readonly met: string[] = [];
  url = '';
  #rules: readonly Rule[] = [];
  #close: () => Promise<void> = async () => undefined;

  /** `serverOf`: the URL of the emulator of a service (`s3`, `sqs`, `ec2`). */
  static async start(serverOf: (service: string) => string): Promise<HostileAws> {
    const hostile = new HostileAws();
    const { url, close } = await startFront({
      backendOf: ({ service }) => serverOf(service),
      refuse: (call) => hostile.#refuse(call),
      amend: (call, reply) => hostile.#amend(call, reply),
      onAnswer: (call) => hostile.calls.push(call),
    });
    hostile.url = url;
    hostile.#close = close;
    return hostile;
  }

  /** Replaces all rules. */
  enforce(...rules: readonly Rule[]): void {
    this.#rules = rules;
    this.met.length = 0;
    this.calls.length = 0;
  }

  close(): Promise<void> {
    return this.#close();
  }

  #refuse(call: CloudRequest): Reply | null {
    for (const { refuse } of this.#rules) {
      const reply = refuse?.(call) ?? null;
      if (reply === null) continue;
      this.met.push(`${call.service}:${call.action}`);
      // The response to HEAD has no body, so an error is only a status (S3API/API_HeadObject).
      return call.method === 'HEAD' ? { ...reply, body: Buffer.alloc(0) } : reply;
    }
    return null;
  }

  #amend(call: CloudRequest, reply: Reply): Reply {
    let amended = reply;
    for (const { amend } of this.#rules) {
      const changed = amend?.(call, amended) ?? null;
      if (changed !== null) this.met.push(`${call.service}:${call.action}`);
      amended = changed ?? amended;
    }
    if (amended.body.length === reply.body.length) return amended;
    return { ...amended, headers: { ...amended.headers, 'content-length': String(amended.body.length) } };
  }
}

export function placeOf({ url }: CloudRequest): { readonly bucket: string; readonly key: string } {
  const [, bucket = '', ...key] = decodeURIComponent(url.pathname).split('/');
  return { bucket, key: key.join('/') };
}

const CALLER = 'arn:aws:sts::123456789012:assumed-role/month-end-worker/i-0123456789abcdef0';

/** IAM's text of a denial (IAM/troubleshoot_access-denied). S3 quotes the ARNs of buckets and objects. */
const deniedText = (action: string, resource: string): string =>
  `User: ${CALLER} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;

const denied = (action: string, resource: string): Reply =>
  errorFor('s3', 403, 'AccessDenied', deniedText(action, resource));

/** Selects objects. */
type Objects = (bucket: string, key: string) => boolean;

/**
 * A KMS key that the caller may not use to read objects, or to write them (S3UG/troubleshoot-403-errors). HEAD with checksum
 * needs the key, too (S3API/API_HeadObject).
 */
export function kmsDenies(kmsKey: string, objects: Objects, use: 'Decrypt' | 'GenerateDataKey' = 'Decrypt'): Rule {
  return {
    refuse: (call) => {
      if (call.service !== 's3' || !usesKey(call, use)) return null;
      const { bucket, key } = placeOf(call);
      return objects(bucket, key) ? denied(`kms:${use}`, kmsKey) : null;
    },
  };
}

/** An answer of S3 to each request of this method for these objects, instead of the object or its receipt. */
export function answers(
  method: 'GET' | 'PUT',
  [status, code, message]: readonly [number, string, string],
  objects: Objects,
): Rule {
  return {
    refuse: (call) => {
      if (call.service !== 's3' || call.method !== method) return null;
      const { bucket, key } = placeOf(call);
      return objects(bucket, key) ? errorFor('s3', status, code, message) : null;
    },
  };
}

function usesKey({ method, headers, url }: CloudRequest, use: 'Decrypt' | 'GenerateDataKey'): boolean {
  if (use === 'GenerateDataKey') return method === 'PUT' || (method === 'POST' && url.searchParams.has('uploads'));
  return method === 'GET' || (method === 'HEAD' && headers['x-amz-checksum-mode'] === 'ENABLED');
}

/** The storage class of an archived object, and its archive tier in Intelligent-Tiering, which only HEAD returns. */
interface Archived {
  readonly storageClass: 'GLACIER' | 'DEEP_ARCHIVE' | 'INTELLIGENT_TIERING';
  readonly archiveStatus?: 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS';
}

/** Archived objects can't be read before they are restored (S3API/API_GetObject: InvalidObjectState). */
export function archives(archived: Archived, objects: Objects): Rule {
  const isArchived = (call: CloudRequest): boolean => {
    const { bucket, key } = placeOf(call);
    return call.service === 's3' && key !== '' && objects(bucket, key);
  };
  const { storageClass, archiveStatus } = archived;
  return {
    refuse: (call) => {
      if (call.method !== 'GET' || !isArchived(call)) return null;
      const tier = archiveStatus === undefined ? '' : `<AccessTier>${archiveStatus}</AccessTier>`;
      const body = `<Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the object's ${archiveStatus === undefined ? 'storage class' : 'access tier'}</Message><StorageClass>${storageClass}</StorageClass>${tier}</Error>`;
      return { status: 403, headers: { 'content-type': 'application/xml' }, body: Buffer.from(body) };
    },
    amend: (call, reply) => {
      if (call.method !== 'HEAD' || reply.status !== 200 || !isArchived(call)) return null;
      const status = archiveStatus === undefined ? {} : { 'x-amz-archive-status': archiveStatus };
      return { ...reply, headers: { ...reply.headers, 'x-amz-storage-class': storageClass, ...status } };
    },
  };
}

/**
 * The bucket belongs to the account `owner`: requests that expect another owner are refused (S3UG/bucket-owner-condition).
 * If `demanded`, because the profile names the owner, requests that expect no owner are refused, too.
 */
export function ownedBy(owner: string, bucket: string, { demanded = false } = {}): Rule {
  const name = 'x-amz-expected-bucket-owner';
  return {
    refuse: (call) => {
      if (call.service !== 's3' || placeOf(call).bucket !== bucket) return null;
      const expected = call.headers[name] ?? call.url.searchParams.get(name);
      const isAllowed = expected === null || expected === undefined ? !demanded : expected === owner;
      return isAllowed ? null : errorFor('s3', 403, 'AccessDenied', 'Access Denied');
    },
  };
}

/**
 * A policy that allows s3:ListBucket only below some prefixes (S3UG/amazon-s3-policy-keys: s3:prefix). `strict`: its condition
 * is StringLike, which denies requests without a prefix, such as HeadBucket, and makes S3 answer 403 for missing objects
 * (S3API/API_GetObject). Otherwise the condition is StringLikeIfExists.
 */
export function listsBelow(bucket: string, prefixes: readonly string[], { strict = false } = {}): Rule {
  const concerns = (call: CloudRequest): boolean => call.service === 's3' && placeOf(call).bucket === bucket;
  const refusal = denied('s3:ListBucket', `"arn:aws:s3:::${bucket}"`);
  return {
    refuse: (call) => {
      if (!concerns(call) || placeOf(call).key !== '') return null;
      const lists = call.method === 'GET' && call.url.searchParams.has('list-type');
      if (!lists && call.method !== 'HEAD') return null;
      const prefix = call.url.searchParams.get('prefix');
      if (prefix === null) return strict ? refusal : null;
      return prefixes.some((each) => prefix.startsWith(each)) ? null : refusal;
    },
    amend: (call, reply) => {
      const { key } = placeOf(call);
      if (!strict || reply.status !== 404 || key === '' || !concerns(call)) return null;
      return call.method === 'HEAD' ? { ...refusal, body: Buffer.alloc(0) } : refusal;
    },
  };
}

/** Each service's throttling error (common errors, in the services' API references). */
const THROTTLED: Readonly<Record<string, readonly [number, string, string]>> = {
  ec2: [503, 'RequestLimitExceeded', 'Request limit exceeded.'],
  autoscaling: [400, 'Throttling', 'Rate exceeded'],
  iam: [400, 'Throttling', 'Rate exceeded'],
  sts: [400, 'Throttling', 'Rate exceeded'],
  ssm: [400, 'ThrottlingException', 'Rate exceeded'],
  sqs: [403, 'RequestThrottled', 'Request is throttled.'],
};

/** Throttles the first `times` requests of each kind of Describe, Get and List. */
export function throttlesReads(times: number): Rule {
  const left = new Map<string, number>();
  return {
    refuse: ({ service, action }) => {
      const words = THROTTLED[service];
      if (words === undefined || !/^(Describe|Get|List)/.test(action)) return null;
      const kind = `${service}:${action}`;
      const more = left.get(kind) ?? times;
      if (more <= 0) return null;
      left.set(kind, more - 1);
      return errorFor(service, ...words);
    },
  };
}

/** Minutes by which a request's date may differ (S3UG/RESTAuthentication; General Reference: signing). */
const TOLERATED: Readonly<Record<string, number>> = { s3: 15, sdb: 15 };

/** The services' clock is ahead of this machine's; requests that were signed at another time are refused. */
export function clockAhead(minutes: number): Rule {
  const now = (): number => Date.now() + minutes * 60_000;
  const dated = (reply: Reply): Reply => ({
    ...reply,
    headers: { ...reply.headers, date: new Date(now()).toUTCString() },
  });
  return {
    refuse: (call) => {
      const signed = signedAt(call);
      const tolerated = TOLERATED[call.service] ?? 5;
      if (Number.isNaN(signed) || Math.abs(signed - now()) < tolerated * 60_000) return null;
      return dated(skewed(call.service, { signed, now: now(), minutes: tolerated }));
    },
    amend: (_, reply) => dated(reply),
  };
}

/** When a request was signed, milliseconds since the epoch; NaN if it isn't signed. */
function signedAt({ service, url, headers, body }: CloudRequest): number {
  if (service === 'sdb') return Date.parse(Form.parse(body).text('Timestamp') ?? '');
  const date = headers['x-amz-date'] ?? url.searchParams.get('X-Amz-Date') ?? '';
  return Date.parse(String(date).replace(BASIC, '$1-$2-$3T$4:$5:$6Z'));
}

const BASIC = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
const iso = (at: number): string => new Date(at).toISOString().replace(/\.\d+/, '');
const basic = (at: number): string => iso(at).replace(/[-:]/g, '');

function skewed(
  service: string,
  { signed, now, minutes }: { readonly signed: number; readonly now: number; readonly minutes: number },
): Reply {
  if (service === 's3') {
    const body = `<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message><RequestTime>${basic(signed)}</RequestTime><ServerTime>${iso(now)}</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>`;
    return { status: 403, headers: { 'content-type': 'application/xml' }, body: Buffer.from(body) };
  }
  if (service === 'ec2' || service === 'sdb') return errorFor(service, 400, 'RequestExpired', 'Request has expired.');
  const by = minutes * 60_000;
  const message =
    signed < now
      ? `Signature expired: ${basic(signed)} is now earlier than ${basic(now - by)} (${basic(now)} - ${minutes} min.)`
      : `Signature not yet current: ${basic(signed)} is still later than ${basic(now + by)} (${basic(now)} + ${minutes} min.)`;
  const isJson = !['sts', 'iam', 'autoscaling'].includes(service);
  return errorFor(service, 403, isJson ? 'InvalidSignatureException' : 'SignatureDoesNotMatch', message);
}
