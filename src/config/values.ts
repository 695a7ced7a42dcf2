import * as v from 'valibot';
import { duration, listOf, size, text } from '../lib/fields.ts';
import { isZone } from '../lib/instant.ts';
import { parseDuration, parseSize } from '../lib/units.ts';

/** How single values of the configuration are written. Every message says what is allowed. */

export const anyText = () => text('text');

export const pathText = (what: string) => text(what, /^[^\0]*\S[^\0]*$/);

export const arn = (service: string) => text(`an ARN of ${service}`, new RegExp(`^arn:aws[a-z-]*:${service}:\\S+$`));

const KEY = 'the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID';

/** Policies refer to keys by this ARN only; an alias's ARN is not a resource there (KMS: alias-authorization). */
export const keyArn = () =>
  v.pipe(
    v.string(KEY),
    v.regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, ({ input }) =>
      /^[\w:/-]+$/.test(input)
        ? `${KEY}, as printed by: aws kms describe-key --key-id ${input} --query KeyMetadata.Arn --output text`
        : KEY,
    ),
  );

/** IAM: CreateRole, PermissionsBoundary. */
export const boundaryArn = () =>
  text('an ARN of iam of 20 to 2048 characters', /^(?=.{20,2048}$)arn:aws[a-z-]*:iam:\S+$/);

export const name = (what: string) =>
  text(`${what}: a-z first, then a-z, 0-9 and -, at most 40, not last`, /^(?!last$)[a-z][a-z0-9-]{0,39}$/);

export const httpUrl = () => text('a URL such as http://127.0.0.1:5000', /^https?:\/\/[^\s/]+\S*$/);

export const variable = () => text('the name of an environment variable', /^[A-Za-z_][A-Za-z0-9_]*$/);

const DOLLARS = 'USD, a number over 0';

export const dollars = () => v.pipe(v.number(DOLLARS), v.finite(DOLLARS), v.gtValue(0, DOLLARS));

export const instanceType = () => text('an instance type such as c7g.large', /^[a-z0-9-]+\.[a-z0-9-]+$/);

export const instanceProfile = () => text('the name of an instance profile', /^[\w+=,.@-]{1,128}$/);

export const cidr = () =>
  text(
    'a CIDR block such as 203.0.113.0/24',
    /^((\d{1,3}\.){3}\d{1,3}\/([12]?\d|3[0-2])|[0-9a-fA-F:]*:[0-9a-fA-F:]*\/(\d{1,2}|1[01]\d|12[0-8]))$/,
  );

export const bucketName = () => text('3 to 63 of a-z, 0-9, . and -', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/);

export const s3Prefixes = () =>
  listOf(text('s3://BUCKET/PREFIX', /^s3:\/\/[^/\s]+(\/\S*)?$/), 'a list of s3:// prefixes');

export const accountId = () => text('twelve digits, as text', /^\d{12}$/);

const ZONE = 'an IANA time zone such as Europe/London';

export const zone = () => v.pipe(v.string(ZONE), v.check(isZone, ZONE));

const LEASE = 'a duration from 15s to 12h';

/** Seconds. SQS: ChangeMessageVisibility, at most 12 hours. */
export const lease = () =>
  v.pipe(
    duration(LEASE),
    v.transform(parseDuration),
    v.check((seconds) => seconds >= 15 && seconds <= 12 * 3600, LEASE),
  );

const DISK = 'a size from 8GB to 16TB';

/** Bytes. */
export const disk = () =>
  v.pipe(
    size(DISK),
    v.transform(parseSize),
    v.check((bytes) => bytes >= 8e9 && bytes <= 16e12, DISK),
  );
