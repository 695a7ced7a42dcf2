import { BatchctlError, type ErrorKind, hasCode, isBatchctlError } from '../../errors.ts';
import { isCertificateError } from '../../lib/certificate.ts';

export interface AwsOperation {
  /** Completes "could not": `put jobs/a/job.json`. */
  readonly what: string;
  /** The IAM action needed: `s3:PutObject`. */
  readonly action: string;
  /** The ARN of the resource. */
  readonly resource: string;
  /** The profile in ~/.aws/config that signed; null: the SDK's default chain. */
  readonly profile: string | null;
  /** True for a bucket other than the profile's own. */
  readonly foreign?: true;
}

/** Names that different services use for the same error. */
const EXPIRED_CODES = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'CredentialsEnded',
  'RequestExpired',
  'TokenProviderError',
  'UnauthorizedException',
]);
const NOT_ACCEPTED_CODES = new Set([
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'UnrecognizedClientException',
  'AuthFailure',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
]);
const DENIED_CODES = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AuthorizationError',
  'UnauthorizedOperation',
  'Forbidden',
  'AllAccessDisabled',
  'KMS.AccessDeniedException',
  'KmsAccessDenied',
]);
const MISSING_CODES = new Set([
  'NoSuchBucket',
  'NoSuchDomain',
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'ResourceNotFoundException',
  'ParameterNotFound',
]);
/** Refusals (403 or 400) that no permission would change: the finding and the way out. */
const REFUSED: Readonly<Record<string, { readonly found: (doing: AwsOperation) => string; readonly hint: string }>> = {
  // S3API/API_GetObject: an object in an archive tier must be restored before it can be read.
  InvalidObjectState: {
    found: ({ resource }) => `${resource} is in an archive tier (S3 Glacier), and is not restored`,
    hint: 'aws s3api restore-object restores it within hours; then batchctl resume or retry',
  },
  OptInRequired: {
    found: ({ action }) => `this account is not signed up for the service of ${action} (OptInRequired)`,
    hint: 'open the service once in the console; SimpleDB is closed to new accounts: choose another `ledger.kind`',
  },
  NotSignedUp: {
    found: ({ action }) => `this account is not signed up for the service of ${action} (NotSignedUp)`,
    hint: 'open the service once in the console',
  },
  AccountProblem: {
    found: () => 'AWS has blocked this account from doing so (AccountProblem)',
    hint: 'check its billing and its messages in the console',
  },
  // Bucket names are unique across all accounts of a partition (userguide/bucketnamingrules).
  BucketAlreadyExists: {
    found: ({ resource }) => `${resource} belongs to another account`,
    hint: 'choose another `bucket.name` in the profile',
  },
};
/** A KMS key is disabled, pending deletion, deleted or of the wrong kind (S3UG/UsingKMSEncryption; SQS: common errors). */
const KEY_UNUSABLE = /^(KMS\.|Kms[A-Z])/;
const KEY_HINT =
  'aws kms describe-key shows its state; aws kms enable-key, or cancel-key-deletion and then enable-key, makes it usable again; a deleted key is lost: choose another one for new objects';
/** The signing time is too far from the service's: the clock is wrong, not the key (Signature Version 4). */
const BAD_TIME = /signature (not yet current|expired)/i;
/** EC2 and SimpleDB use this code for a wrong clock and for expired credentials. */
const EXPIRED = 'RequestExpired';
/** Milliseconds. Most services refuse a request signed further from their own time (General Reference: signing). */
const SKEW_REFUSED_MS = 300_000;
/** The object is missing: it may exist at the next try, so these are no refusal. */
const GONE_STATUS = new Set([404, 410]);
/** IAM's message may name another permission than the request's own: of a KMS key, or of the bucket. */
const NOT_AUTHORIZED = /is not authorized to perform: ([\w-]+:\w+) on resource: "?(arn:[^\s"]+)/;
const THROTTLED =
  /^(SlowDown|Throttl\w*|Request(Throttled|LimitExceeded)\w*|TooManyRequests\w*|OverLimit|KMS\.ThrottlingException|KmsThrottled|ServiceUnavailable|BandwidthLimitExceeded)$/;
const PASSING_STATUS = new Set([429, 500, 502, 503, 504]);
const WRONG_REGION_CODES = new Set([
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);
const NETWORK_CODES = [
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ERR_STREAM_PREMATURE_CLOSE',
];
export const SET_CLOCK = 'set the clock: chronyd or systemd-timesyncd (timedatectl set-ntp true)';

/** An MFA code is needed and can't be had. */
export class MfaError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** The SDK's facts about the requests that led to an error. */
function metadataOf(error: unknown): { readonly httpStatusCode?: unknown; readonly attempts?: unknown } {
  const metadata = error instanceof Error && '$metadata' in error ? error.$metadata : null;
  return typeof metadata === 'object' && metadata !== null ? metadata : {};
}

/** The HTTP status of a service's answer; null if there was no answer. */
export function statusOf(error: unknown): number | null {
  const { httpStatusCode } = metadataOf(error);
  return typeof httpStatusCode === 'number' ? httpStatusCode : null;
}

/** The headers of an HTTP answer, by lower-case names; empty without an answer. */
export function headersOf(response: unknown): Readonly<Record<string, string>> {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return {};
  const { headers } = response;
  return typeof headers === 'object' && headers !== null ? { ...headers } : {};
}

/** The headers of the answer that became this error. */
export function errorHeaders(error: unknown): Readonly<Record<string, string>> {
  return headersOf(error instanceof Error && '$response' in error ? error.$response : null);
}

/** Null if the service answers by one of these errors, such as that it doesn't exist, or exists already. */
export async function nullOnError<T>(answer: Promise<T>, ...names: readonly (string | RegExp)[]): Promise<T | null> {
  return await answer.catch((error: unknown) => {
    if (hasName(error, ...names)) return null;
    throw error;
  });
}

/** True if a service says that the credentials have expired, whatever their own expiry. */
export const isExpiry = (error: unknown): boolean => hasName(error, ...EXPIRED_CODES);

/** True for an error that may pass: throttling, 5xx, a lost or refused connection, a timeout. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const status = statusOf(error);
  if (status !== null && PASSING_STATUS.has(status)) return true;
  if (error.name === 'TimeoutError' || error.name === 'RequestTimeout' || THROTTLED.test(error.name)) return true;
  return hasCode(error, ...NETWORK_CODES) || (error.cause !== undefined && isTransient(error.cause));
}

/** True for an error with one of these names: the SDK names errors by the service's codes. */
export const hasName = (error: unknown, ...names: readonly (string | RegExp)[]): error is Error =>
  error instanceof Error &&
  names.some((name) => (typeof name === 'string' ? name === error.name : name.test(error.name)));

/** True for the two errors that end a request when its signal aborts. */
export const isAbort = (error: unknown): boolean => hasName(error, 'AbortError');

/** The error of one entry of an answer, in the form in which the SDK throws errors. */
export function errorOf(code: string, message: string): Error {
  const status = code === 'InternalError' ? 500 : code === 'AccessDenied' ? 403 : 400;
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: status } });
}

/** Runs one operation, and throws its error as `translateAwsError` translates it. */
export async function translateErrors<T>(about: AwsOperation, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw translateAwsError(error, about);
  }
}

/**
 * Translates an SDK error into the project's: `credentials` (none, expired, not accepted, or an action denied),
 * `notFound`, `config` (another region, an untrusted certificate, a wrong clock), `refused` (no permission would help),
 * `unavailable` (all attempts failed), `full`, else `unexpected`. An error that already has a kind, or that an aborted
 * signal threw, is returned unchanged. Its `isRefusal` says that only a person can change the answer.
 */
export function translateAwsError(error: unknown, doing: AwsOperation): Error {
  const ours: Translation = (kind, found, hint, denied) =>
    new BatchctlError(kind, `could not ${doing.what}: ${found}`, {
      ...(hint !== undefined && { hint }),
      ...(denied !== undefined && { denied }),
      isRefusal: REFUSAL_KINDS.includes(kind) || (kind === 'unexpected' && isClientError(error)),
      cause: error,
    });
  if (!(error instanceof Error)) return ours('unexpected', String(error));
  if (isBatchctlError(error) || isAbort(error)) return error;
  return (
    setupErrorOf(error, doing, ours) ??
    credentialsErrorOf(error, doing, ours) ??
    serviceErrorOf(error, ours) ??
    fallback(error, ours)
  );
}

/** Kinds of translated errors that only a person can end. */
const REFUSAL_KINDS: readonly ErrorKind[] = ['refused', 'config'];

/** True if the service answered that it won't do it (4xx), except that an object is missing. */
function isClientError(error: unknown): boolean {
  const status = statusOf(error) ?? 0;
  return status >= 400 && status < 500 && !GONE_STATUS.has(status);
}

/** Makes the project's error of a kind, with what was found, the way out, and the action that is denied. */
type Translation = (kind: ErrorKind, found: string, hint?: string, denied?: string) => BatchctlError;

function credentialsErrorOf(error: Error, doing: AwsOperation, ours: Translation): BatchctlError | null {
  const { name, message } = error;
  if (error instanceof MfaError) return ours('credentials', message, error.hint);
  // STS: AssumeRole, with a code that is wrong, expired or used.
  if (/^MultiFactorAuthentication failed/.test(message)) {
    const hint = 'run the same command again with the next code: each can be used once';
    return ours('credentials', `the MFA code was rejected: ${firstLine(message)}`, hint);
  }
  if (EXPIRED_CODES.has(name) || /(token|session|credentials)[^.]* (has |is |have |are )?expired/i.test(message)) {
    return expiryError(doing, `could not ${doing.what}: the credentials have expired (${name})`, error);
  }
  if (name === 'CredentialsProviderError' || name === 'ProviderError') {
    return ours('credentials', `no AWS credentials were found: ${firstLine(message)}`, signInHint(doing));
  }
  if (NOT_ACCEPTED_CODES.has(name)) {
    const hint = `${signInAgain(doing)}; also check this machine's clock`;
    return ours('credentials', `AWS rejects the credentials (${name})`, hint);
  }
  const status = statusOf(error);
  // SQS throttles with 403 (RequestThrottled).
  if (DENIED_CODES.has(name) || ((status === 403 || status === 401) && !THROTTLED.test(name))) {
    const said = firstLine(message);
    const detail = said === '' || /^(UnknownError|Unknown|Forbidden)$/.test(said) ? '' : `: ${said}`;
    const asked = `${doing.action} on ${doing.resource}`;
    const [, action, resource = ''] = NOT_AUTHORIZED.exec(message) ?? [];
    if (action === undefined || action.toLowerCase() === doing.action.toLowerCase()) {
      return ours('credentials', `${asked} is denied${detail}`, allowHint(doing), asked);
    }
    const denied = `${action} on ${resource}`;
    const hint = `allow ${denied} in the policy${action.startsWith('kms:') ? ", and in the key's own policy" : ''}`;
    return ours('credentials', `${denied} is denied, which ${asked} needs${detail}`, hint, denied);
  }
  return null;
}

function setupErrorOf(error: Error, doing: AwsOperation, ours: Translation): BatchctlError | null {
  const { name } = error;
  if (MISSING_CODES.has(name)) {
    const what = name === 'NoSuchBucket' ? doing.resource.replace(/\/.*/, '') : doing.resource;
    const hint = doing.foreign ? 'correct the name of the bucket' : 'batchctl infra up creates it';
    return ours('notFound', `${what} does not exist (${name})`, hint);
  }
  const status = statusOf(error);
  if (WRONG_REGION_CODES.has(name) || status === 301 || status === 307) {
    const found = `${doing.resource} is in another region than the profile's (${name})`;
    return ours('config', found, 'set `region` of the profile to its region');
  }
  // Ceph answers QuotaExceeded with 403, which is no missing permission (docs.csc.fi: Allas, error messages).
  if (status === 507 || name === 'QuotaExceeded' || name === 'InsufficientStorage') {
    return ours('full', `the store is full (${name})`, 'free space there, or raise its quota');
  }
  const refused = REFUSED[name];
  if (refused !== undefined) return ours('refused', refused.found(doing), refused.hint);
  if (KEY_UNUSABLE.test(name) && !DENIED_CODES.has(name) && !isTransient(error)) {
    const found = `the KMS key of ${doing.resource} can't be used: ${firstLine(error.message)} (${name})`;
    return ours('refused', found, KEY_HINT);
  }
  const ahead = clockLeadOf(error);
  const isOff = ahead !== null && Math.abs(ahead) >= SKEW_REFUSED_MS;
  if (name === 'RequestTimeTooSkewed' || BAD_TIME.test(error.message) || (name === EXPIRED && isOff)) {
    const off = isOff
      ? `${Math.round(Math.abs(ahead) / 60_000)} min ${ahead > 0 ? 'ahead of' : 'behind'} AWS's`
      : 'wrong';
    return ours('config', `this machine's clock is ${off} (${name})`, SET_CLOCK);
  }
  const code = codeOf(error);
  if (code !== null && isCertificateError(code)) {
    const hint = 'set AWS_CA_BUNDLE to a file with the certificates of your proxy or endpoint';
    return ours('config', `the certificate is not trusted (${code})`, hint);
  }
  return null;
}

function serviceErrorOf(error: Error, ours: Translation): BatchctlError | null {
  const status = statusOf(error);
  if (/^Bad response: 407/.test(error.message)) {
    return ours('config', 'the proxy requires a user name and password', 'set them in HTTPS_PROXY');
  }
  if (!isTransient(error) && !/^(Bad response: |Proxy timeout)/.test(error.message)) return null;
  const answer = status === null ? firstLine(error.message) : `${error.name}, HTTP ${status}`;
  const what = THROTTLED.test(error.name) ? 'AWS limits the request rate' : 'the service is unreachable or failing';
  return ours('unavailable', `${what} (${answer})${attemptsOf(error)}`, 'batchctl doctor');
}

function fallback(error: Error, ours: Translation): BatchctlError {
  const refused = /checksum|trailer/i.test(error.message) && (statusOf(error) ?? 0) >= 400;
  const hint = refused
    ? 'for an endpoint without checksums, set AWS_REQUEST_CHECKSUM_CALCULATION=WHEN_REQUIRED'
    : undefined;
  return ours('unexpected', `${error.name}: ${firstLine(error.message)}`, hint);
}

/** Another account's bucket must allow it too. Without the right to list, S3 answers 403 even for a missing object. */
function allowHint({ action, resource, foreign }: AwsOperation): string {
  if (!foreign) return `allow ${action} on ${resource} in the policy (batchctl infra policies)`;
  const bucket = resource.replace(/\/.*/s, '');
  const unlisted = action.startsWith('s3:GetObject')
    ? ` (without s3:ListBucket on ${bucket}, missing objects are reported as denied)`
    : '';
  const payer = action.startsWith('s3:')
    ? `; if the bucket has Requester Pays, add ${bucket.replace(/^.*:/, '')} to \`requesterPays\``
    : '';
  // The printed policies have what the groups name.
  const entry = /^s3:(Get|List)/.test(action) ? 'groups.*.read (for a delivery, groups.*.write)' : 'groups.*.write';
  const named = `batchctl infra policies prints it, and infra up gives it to workers, once ${entry} of the profile names s3://${bucket.replace(/^.*:/, '')}/...`;
  return `allow ${action} on ${resource} in your policy (${named}), and in the bucket's own policy if another account owns it${unlisted}${payer}`;
}

type Signed = Pick<AwsOperation, 'profile'>;

/** The error for credentials that have expired or soon will, with the way to get new ones. */
export function expiryError(by: Signed, message: string, cause?: unknown): BatchctlError {
  const details = { hint: signInAgain(by), signIn: signInText(by.profile), cause };
  return new BatchctlError('credentials', message, details);
}

export const signInText = (profile: string | null): string =>
  `aws sso login${profile === null ? '' : ` --profile ${profile}`} (or get credentials in another way)`;

const signInAgain = ({ profile }: Signed): string => `${signInText(profile)}, then run the same command again`;

const signInHint = ({ profile }: Signed): string =>
  profile === null
    ? 'aws sso login, or set a profile in `aws.profile`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
    : `aws sso login --profile ${profile}; aws configure list --profile ${profile} shows the credentials found`;

function attemptsOf(error: Error): string {
  const { attempts } = metadataOf(error);
  return Number(attempts) > 1 ? `, after ${attempts} attempts` : '';
}

/** How far this machine's clock is ahead of the answer's date, milliseconds; null if the answer has none. */
function clockLeadOf(error: Error): number | null {
  const theirs = Date.parse(errorHeaders(error).date ?? '');
  return Number.isNaN(theirs) ? null : Date.now() - theirs;
}

function codeOf(error: Error): string | null {
  return 'code' in error && typeof error.code === 'string' ? error.code : null;
}

const firstLine = (text: string): string => text.split('\n')[0]?.trim().slice(0, 300) ?? '';
