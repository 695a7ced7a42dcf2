import type { LifecycleRule } from '@aws-sdk/client-s3';
import { randomId } from '../../lib/id.ts';
import { formatDuration } from '../../lib/units.ts';
import { type Finding, fail, pass, warn } from '../../model/finding.ts';
import type { Check } from '../../ports/check.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { headersOf, nullOnError, SET_CLOCK, statusOf, translateErrors } from './errors.ts';
import { bucketParams, type S3Bucket, s3Operation } from './s3-bucket.ts';

/** This machine's clock error, seconds. Most services refuse requests from the second value, S3 from 15 minutes on. */
const SKEW_SECONDS = { doubtful: 30, wrong: 300 };

interface HeadResult {
  readonly error: unknown;
  /** The region that S3 names; null if it names none. */
  readonly region: string | null;
  /** This machine's clock minus S3's, milliseconds; null without an answer. */
  readonly skew: number | null;
}

export function bucketChecks(bucket: S3Bucket, region: string): readonly Check[] {
  const headed = headBucket(bucket);
  return [
    { code: 'bucket', run: async () => bucketFinding(bucket, region, await headed) },
    { code: 'clock', run: async () => clockFinding((await headed).skew) },
  ];
}

export function bucketSettings(bucket: S3Bucket): readonly Check[] {
  return [
    { code: 'publicAccess', run: () => publicAccess(bucket) },
    { code: 'versioning', run: () => versioning(bucket) },
    { code: 'lifecycle', run: () => lifecycle(bucket) },
  ];
}

/** Whether objects that the store puts are encrypted with the profile's key and can be read back. */
export function keyCheck(bucket: S3Bucket, kmsKey: string, store: ObjectStore): Check {
  const run = async (): Promise<Finding> => {
    const key = `workers/doctor-${randomId(10)}/key`;
    try {
      await store.put(key, 'one', { ifAbsent: true });
      const found = await store.read(key);
      const at = { ...bucketParams(bucket), Key: bucket.prefix + key };
      const { SSEKMSKeyId: used } = await bucket.client.send(new bucket.sdk.HeadObjectCommand(at));
      if (found === null || used !== kmsKey) {
        return fail(
          `objects are encrypted with ${used ?? 'no KMS key'}, not with ${kmsKey}`,
          'correct `kmsKey` of the profile: the ARN of a key',
        );
      }
      return pass(`${kmsKey} encrypts and decrypts`);
    } finally {
      await store.delete([key]);
    }
  };
  return { code: 'kmsKey', run };
}

async function headBucket(bucket: S3Bucket): Promise<HeadResult> {
  const command = new bucket.sdk.HeadBucketCommand(bucketParams(bucket));
  let headers: Readonly<Record<string, string>> = {};
  let skew: number | null = null;
  command.middlewareStack.add(
    (next) => async (args) => {
      const before = Date.now();
      const result = await next(args);
      headers = headersOf(result.response);
      // The Date header has whole seconds: compare the middle of that second with the middle of the request.
      const theirs = Date.parse(headers.date ?? '') + 500;
      skew = Number.isNaN(theirs) ? null : (before + Date.now()) / 2 - theirs;
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  try {
    const { BucketRegion } = await bucket.client.send(command);
    return { error: null, region: BucketRegion ?? headers['x-amz-bucket-region'] ?? null, skew };
  } catch (error) {
    return { error, region: headers['x-amz-bucket-region'] ?? null, skew };
  }
}

async function bucketFinding(bucket: S3Bucket, expected: string, { error, region }: HeadResult): Promise<Finding> {
  const { name, arn, owner, prefix } = bucket;
  if (statusOf(error) === 404) {
    return fail(
      `the bucket ${name} does not exist`,
      'create it with batchctl infra up; or correct `bucket` of the profile',
    );
  }
  const found = region ?? (error === null ? await readBucketLocation(bucket) : null);
  if (found !== null && found !== expected) {
    return fail(
      `the bucket ${name} is in ${found}, but the profile in ${expected}`,
      `"region": "${found}" in the profile`,
    );
  }
  if (statusOf(error) === 403) {
    if (prefix !== '' && (await isListed(bucket))) {
      return fail(
        `s3:ListBucket on ${arn} is allowed only for requests with a prefix, so S3 returns 403 for missing objects, as for denied ones`,
        'use StringLikeIfExists for the condition on s3:prefix, as batchctl infra policies prints it',
      );
    }
    const owned = owner === null ? '' : `, or the bucket belongs to another account than ${owner}`;
    return fail(
      `s3:ListBucket on ${arn} is denied${owned}`,
      `allow s3:ListBucket on it in the policy${owner === null ? '' : '; correct `bucket`, its `owner` or `account` of the profile, if it is another one'}`,
    );
  }
  // Any other error, by its kind.
  await translateErrors(s3Operation(bucket, 's3:ListBucket', '', `read the bucket ${name}`), async () => {
    if (error !== null) throw error;
  });
  const whose = owner === null ? '' : `, of the account ${owner}`;
  return pass(`${name} exists, in ${found ?? expected}${whose}`);
}

/** Whether keys below the prefix may be listed. */
async function isListed(bucket: S3Bucket): Promise<boolean> {
  const command = new bucket.sdk.ListObjectsV2Command({ ...bucketParams(bucket), Prefix: bucket.prefix, MaxKeys: 1 });
  return await bucket.client.send(command).then(
    () => true,
    () => false,
  );
}

async function readBucketLocation(bucket: S3Bucket): Promise<string | null> {
  const command = new bucket.sdk.GetBucketLocationCommand(bucketParams(bucket));
  const answer = await bucket.client.send(command).catch(() => null);
  // Null means us-east-1, and EU is the former name of eu-west-1 (S3: GetBucketLocation).
  if (answer === null) return null;
  const { LocationConstraint: place } = answer;
  return place === undefined ? 'us-east-1' : place === 'EU' ? 'eu-west-1' : place;
}

/** @param skew milliseconds that this machine's clock is ahead of S3's. */
function clockFinding(skew: number | null): Finding {
  if (skew === null) return warn('unknown: S3 did not return the time', 'fix the check `bucket` first');
  const off = Math.abs(skew) / 1_000;
  const text = `this machine's clock is ${formatDuration(off)} ${skew > 0 ? 'ahead of' : 'behind'} S3's`;
  if (off > SKEW_SECONDS.wrong) {
    return fail(`${text}: requests are rejected from 5 minutes on (S3: 15), and times and ages are wrong`, SET_CLOCK);
  }
  if (off > SKEW_SECONDS.doubtful) return warn(text, SET_CLOCK);
  return pass("this machine's clock agrees with S3's");
}

async function publicAccess(bucket: S3Bucket): Promise<Finding> {
  const { sdk, client, name } = bucket;
  const fix = `aws s3api put-public-access-block --bucket ${name} --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`;
  const status = await client.send(new sdk.GetBucketPolicyStatusCommand(bucketParams(bucket))).catch(() => null);
  if (status?.PolicyStatus?.IsPublic === true) return fail(`the policy of ${name} makes it public`, fix);
  return settingFinding(bucket, 'the public access block', 's3:GetBucketPublicAccessBlock', async () => {
    const asked = client.send(new sdk.GetPublicAccessBlockCommand(bucketParams(bucket)));
    const block = (await nullOnError(asked, 'NoSuchPublicAccessBlockConfiguration'))?.PublicAccessBlockConfiguration;
    const closed = block?.BlockPublicAcls && block.IgnorePublicAcls && block.BlockPublicPolicy;
    if (closed && block.RestrictPublicBuckets) return pass('public access is blocked');
    return warn(`public access to ${name} is not fully blocked: one wrong policy would expose all its data`, fix);
  });
}

function versioning(bucket: S3Bucket): Promise<Finding> {
  return settingFinding(bucket, 'versioning', 's3:GetBucketVersioning', async () => {
    const { Status } = await bucket.client.send(new bucket.sdk.GetBucketVersioningCommand(bucketParams(bucket)));
    if (Status === 'Enabled') {
      // If the rules can't be read, the check `lifecycle` says so.
      const rules = await lifecycleRules(bucket).catch(() => null);
      return rules === null ? pass(`versioning is on: ${VERSIONS_KEPT}`) : judgeVersions(rules, bucket.prefix);
    }
    return pass(`versioning is ${Status === 'Suspended' ? 'suspended' : 'off'}: deleted objects are gone`);
  });
}

const VERSIONS_KEPT =
  'what prune deletes and what workers write again (heartbeats, counters) is kept, and charged for, until a rule expires older versions';

/** Checks that older versions below the prefix expire, in a bucket that keeps versions. */
export function judgeVersions(rules: readonly LifecycleRule[], prefix: string): Finding {
  const expiring = rules.find(
    (rule) =>
      rule.Status === 'Enabled' &&
      rule.NoncurrentVersionExpiration?.NoncurrentDays !== undefined &&
      covers(rule, prefix),
  );
  const days = expiring?.NoncurrentVersionExpiration?.NoncurrentDays;
  if (days !== undefined) {
    return pass(`versioning is on; older versions are removed after ${days} ${days === 1 ? 'day' : 'days'}`);
  }
  return warn(
    `versioning is on, and no rule expires older versions${prefix === '' ? '' : ` below ${prefix}`}: ${VERSIONS_KEPT}`,
    `add a lifecycle rule NoncurrentVersionExpiration of 30 days${prefix === '' ? '' : ` for the prefix ${prefix}`}`,
  );
}

function lifecycle(bucket: S3Bucket): Promise<Finding> {
  return settingFinding(bucket, 'the lifecycle rules', 's3:GetLifecycleConfiguration', async () => {
    return judgeLifecycle(await lifecycleRules(bucket), bucket.prefix);
  });
}

async function lifecycleRules(bucket: S3Bucket): Promise<readonly LifecycleRule[]> {
  const asked = bucket.client.send(new bucket.sdk.GetBucketLifecycleConfigurationCommand(bucketParams(bucket)));
  return (await nullOnError(asked, 'NoSuchLifecycleConfiguration'))?.Rules ?? [];
}

/** An operator may lack the right to read settings. That is reported, but isn't a failure. */
async function settingFinding(
  bucket: S3Bucket,
  what: string,
  action: string,
  look: () => Promise<Finding>,
): Promise<Finding> {
  try {
    return await translateErrors(s3Operation(bucket, action, '', `read ${what} of ${bucket.name}`), look);
  } catch (error) {
    if (!(error instanceof Error) || statusOf(error.cause) !== 403) throw error;
    return warn(error.message, `allow ${action} in the policy, so that doctor can check ${what}`);
  }
}

/** Keys below the profile's prefix that a job needs. */
const NEEDED_PREFIXES = [
  'data/',
  'code/',
  'runs/',
  'open/',
  'jobs/',
  'ledger/',
  'schedules/',
  'groups/',
  'tokens/',
  'releases/',
];
/** Days. An open job can be this old: a shorter expiry deletes its files while it runs. */
const OLDEST_JOB_DAYS = 45;
/** Objects in these classes must be restored before they can be read (S3: storage-class-intro). */
const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

export function judgeLifecycle(rules: readonly LifecycleRule[], prefix: string): Finding {
  const enabled = rules.filter(({ Status }) => Status === 'Enabled');
  const effects = enabled.flatMap((rule) => harmfulEffectsOf(rule, prefix));
  const [worst] = [...effects].sort((a, b) => a.days - b.days);
  if (worst !== undefined) {
    const { what, keys, days } = worst;
    const message = `the rule ${what} objects below ${keys} after ${days} days, including results`;
    const fix = `remove that rule, or give it a prefix outside of ${prefix === '' ? 'what batchctl writes' : prefix}`;
    return days < OLDEST_JOB_DAYS
      ? fail(message, fix)
      : warn(message, `${fix}; first fetch outputs that you want to keep`);
  }
  const aborts = enabled.find((rule) => rule.AbortIncompleteMultipartUpload !== undefined && covers(rule, prefix));
  const days = aborts?.AbortIncompleteMultipartUpload?.DaysAfterInitiation;
  if (days === undefined) {
    return warn(
      'no rule removes unfinished uploads: their parts are charged for, but not listed',
      'add a lifecycle rule AbortIncompleteMultipartUpload of 7 days (batchctl infra up does)',
    );
  }
  return pass(
    `no rule removes what jobs need; unfinished uploads are removed after ${days} ${days === 1 ? 'day' : 'days'}`,
  );
}

interface HarmfulEffect {
  /** For messages: `"tidy" deletes`. */
  readonly what: string;
  readonly keys: string;
  readonly days: number;
}

function harmfulEffectsOf(rule: LifecycleRule, prefix: string): readonly HarmfulEffect[] {
  // batchctl's objects have no tags.
  if (rule.Filter?.Tag !== undefined || (rule.Filter?.And?.Tags ?? []).length > 0) return [];
  const keys = NEEDED_PREFIXES.map((place) => prefix + place).find((place) => prefixesOverlap(prefixOf(rule), place));
  if (keys === undefined) return [];
  const name = `"${rule.ID ?? 'without a name'}"`;
  const { Days, Date: date } = rule.Expiration ?? {};
  const found: HarmfulEffect[] = [];
  const deleted = Days ?? (date === undefined ? undefined : daysUntil(date));
  if (deleted !== undefined) found.push({ what: `${name} deletes`, keys: prefixOf(rule) || keys, days: deleted });
  for (const { Days: after = 0, StorageClass = '' } of rule.Transitions ?? []) {
    if (ARCHIVES.has(StorageClass)) found.push({ what: `${name} archives (${StorageClass})`, keys, days: after });
  }
  return found;
}

const daysUntil = (date: Date): number => Math.max(0, Math.ceil((date.getTime() - Date.now()) / 86_400_000));

/** A rule's own Prefix is the older form, which S3 still returns. */
function prefixOf({ Filter, Prefix }: LifecycleRule): string {
  return Filter?.Prefix ?? Filter?.And?.Prefix ?? Prefix ?? '';
}

const prefixesOverlap = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a);

function covers(rule: LifecycleRule, prefix: string): boolean {
  const { Filter } = rule;
  const sizes = Filter?.ObjectSizeGreaterThan ?? Filter?.ObjectSizeLessThan;
  return sizes === undefined && Filter?.Tag === undefined && prefix.startsWith(prefixOf(rule));
}
