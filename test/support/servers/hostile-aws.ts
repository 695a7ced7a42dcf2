import { errorFor } from '../grid/faults.ts';
import { type Asked, type CloudCall, type Reply, startFront } from '../grid/front.ts';
import { Form } from '../grid/query.ts';

/** What AWS enforces and no emulator here does. Wire formats are AWS's; the page is named beside each. */
export interface Rule {
  /** AWS's refusal; null: this rule lets the request pass. */
  readonly refuse?: (call: Asked) => Reply | null;
  /** The answer as AWS gives it, where the emulator's says less; null: as it is. */
  readonly amend?: (call: Asked, reply: Reply) => Reply | null;
}

/** Stands before emulators as a stricter AWS: each request passes all the rules in force. */
export class HostileAws {
  /** Every request that was answered, oldest first. */
  readonly calls: CloudCall[] = [];
  /** Requests that a rule refused or whose answer it changed, by what they asked for: `s3:GET`, `iam:GetRole`. */
  readonly met: string[] = [];
  url = '';
  #rules: readonly Rule[] = [];
  #close: () => Promise<void> = async () => undefined;

  /** `serverOf`: the URL of the emulator that answers for a service (`s3`, `sqs`, `ec2`). */
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

  /** These rules, and no others, are in force from now on. */
  enforce(...rules: readonly Rule[]): void {
    this.#rules = rules;
    this.met.length = 0;
    this.calls.length = 0;
  }

  close(): Promise<void> {
    return this.#close();
  }

  #refuse(call: Asked): Reply | null {
    for (const { refuse } of this.#rules) {
      const reply = refuse?.(call) ?? null;
      if (reply === null) continue;
      this.met.push(`${call.service}:${call.action}`);
      // The answer to a HEAD has no body: of an error it is the status alone (S3API/API_HeadObject).
      return call.method === 'HEAD' ? { ...reply, body: Buffer.alloc(0) } : reply;
    }
    return null;
  }

  #amend(call: Asked, reply: Reply): Reply {
    let told = reply;
    for (const { amend } of this.#rules) {
      const changed = amend?.(call, told) ?? null;
      if (changed !== null) this.met.push(`${call.service}:${call.action}`);
      told = changed ?? told;
    }
    if (told.body.length === reply.body.length) return told;
    return { ...told, headers: { ...told.headers, 'content-length': String(told.body.length) } };
  }
}

/** The bucket and the key that a request to S3 names in its path. */
export function placeOf({ url }: Asked): { readonly bucket: string; readonly key: string } {
  const [, bucket = '', ...key] = decodeURIComponent(url.pathname).split('/');
  return { bucket, key: key.join('/') };
}

const CALLER = 'arn:aws:sts::123456789012:assumed-role/month-end-worker/i-0123456789abcdef0';

/** IAM's words for a denial (IAM/troubleshoot_access-denied). S3 puts buckets' and objects' ARNs in quotes. */
const deniedText = (action: string, resource: string): string =>
  `User: ${CALLER} is not authorized to perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`;

const denied = (action: string, resource: string): Reply =>
  errorFor('s3', 403, 'AccessDenied', deniedText(action, resource));

/** An object of these is read (HEAD with its checksum needs the key, too: S3API/API_HeadObject), copied or put. */
type Objects = (bucket: string, key: string) => boolean;

/** A key of KMS that the caller may not use (S3UG/troubleshoot-403-errors): to read objects, or to write them. */
export function kmsDenies(kmsKey: string, objects: Objects, use: 'Decrypt' | 'GenerateDataKey' = 'Decrypt'): Rule {
  return {
    refuse: (call) => {
      if (call.service !== 's3' || !opensData(call, use)) return null;
      const { bucket, key } = placeOf(call);
      return objects(bucket, key) ? denied(`kms:${use}`, kmsKey) : null;
    },
  };
}

function opensData({ method, headers, url }: Asked, use: 'Decrypt' | 'GenerateDataKey'): boolean {
  if (use === 'GenerateDataKey') return method === 'PUT' || (method === 'POST' && url.searchParams.has('uploads'));
  return method === 'GET' || (method === 'HEAD' && headers['x-amz-checksum-mode'] === 'ENABLED');
}

/** How an object is archived: HEAD and listings tell the class, HEAD what Intelligent-Tiering made of it. */
interface Archived {
  readonly storageClass: 'GLACIER' | 'DEEP_ARCHIVE' | 'INTELLIGENT_TIERING';
  readonly archiveStatus?: 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS';
}

/** Objects in an archive tier are not read before they are restored (S3API/API_GetObject: InvalidObjectState). */
export function archives(archived: Archived, objects: Objects): Rule {
  const isArchived = (call: Asked): boolean => {
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
 * A bucket of another account: a request that says whose it should be is refused unless it is theirs (S3UG/
 * bucket-owner-condition). Where `demanded`, as the profile names the owner, one that says nothing is refused too.
 */
export function ownedBy(owner: string, bucket: string, { demanded = false } = {}): Rule {
  const name = 'x-amz-expected-bucket-owner';
  return {
    refuse: (call) => {
      if (call.service !== 's3' || placeOf(call).bucket !== bucket) return null;
      const said = call.headers[name] ?? call.url.searchParams.get(name);
      const isFine = said === null || said === undefined ? !demanded : said === owner;
      return isFine ? null : errorFor('s3', 403, 'AccessDenied', 'Access Denied');
    },
  };
}

/**
 * A policy that allows s3:ListBucket below some prefixes only (S3UG/amazon-s3-policy-keys: s3:prefix). `strict`: by StringLike,
 * so that what names no prefix is denied, HeadBucket among it; then what is missing is denied too (S3API/API_GetObject). Else
 * by StringLikeIfExists.
 */
export function listsBelow(bucket: string, prefixes: readonly string[], { strict = false } = {}): Rule {
  const concerns = (call: Asked): boolean => call.service === 's3' && placeOf(call).bucket === bucket;
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
      const answer = denied('s3:ListBucket', `"arn:aws:s3:::${bucket}"`);
      return call.method === 'HEAD' ? { ...answer, body: Buffer.alloc(0) } : answer;
    },
  };
}

/** How each service words that too much is asked of it (9.2 of the services' own API references: common errors). */
const THROTTLED: Readonly<Record<string, readonly [number, string, string]>> = {
  ec2: [503, 'RequestLimitExceeded', 'Request limit exceeded.'],
  autoscaling: [400, 'Throttling', 'Rate exceeded'],
  iam: [400, 'Throttling', 'Rate exceeded'],
  sts: [400, 'Throttling', 'Rate exceeded'],
  ssm: [400, 'ThrottlingException', 'Rate exceeded'],
  sqs: [403, 'RequestThrottled', 'Request is throttled.'],
};

/** The first so many requests of each kind that only asks are throttled. */
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

/** Minutes that a request's date may be off (S3UG/RESTAuthentication; General Reference: signing). */
const TOLERATED: Readonly<Record<string, number>> = { s3: 15, sdb: 15 };

/** The services' clock is so many minutes ahead of this machine's: they say so, and refuse what was signed at another time. */
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

/** Milliseconds since the epoch; NaN: it isn't signed. */
function signedAt({ service, url, headers, body }: Asked): number {
  if (service === 'sdb') return Date.parse(Form.parse(body).text('Timestamp') ?? '');
  const said = headers['x-amz-date'] ?? url.searchParams.get('X-Amz-Date') ?? '';
  return Date.parse(String(said).replace(BASIC, '$1-$2-$3T$4:$5:$6Z'));
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
