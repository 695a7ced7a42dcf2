import * as v from 'valibot';
import {
  duration,
  type Field,
  fields,
  listOf,
  mapOf,
  oneOf,
  partly,
  plainValue,
  profileNotifyList,
  secretReference,
  size,
  someOf,
  text,
  variableName,
  whole,
  yesOrNo,
} from '../lib/fields.ts';
import { isZone } from '../lib/instant.ts';
import { describeField, type JsonSchema, jsonSchemaOf, schemasAt } from '../lib/json-schema.ts';
import { parseDuration, parseSize } from '../lib/units.ts';
import { PROFILE_NAME } from './config-file.ts';
import { ENDPOINTS } from './profile.ts';
import { BACKENDS, CONFIG_TABLE } from './table.ts';

const anyText = () => text('text');

const pathText = (what: string) => text(what, /^[^\0]*\S[^\0]*$/);

const arn = (service: string) => text(`an ARN of ${service}`, new RegExp(`^arn:aws[a-z-]*:${service}:\\S+$`));

const KEY = 'the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID';

/** Policies refer to keys by this ARN only; an alias's ARN is not a resource there (KMS: alias-authorization). */
const keyArn = () =>
  v.pipe(
    v.string(KEY),
    v.regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, ({ input }) =>
      /^[\w:/-]+$/.test(input)
        ? `${KEY}, as printed by: aws kms describe-key --key-id ${input} --query KeyMetadata.Arn --output text`
        : KEY,
    ),
  );

/** IAM: CreateRole, PermissionsBoundary. */
const boundaryArn = () => text('an ARN of iam of 20 to 2048 characters', /^(?=.{20,2048}$)arn:aws[a-z-]*:iam:\S+$/);

const name = (what: string) =>
  text(`${what}: a-z first, then a-z, 0-9 and -, at most 40, not last`, /^(?!last$)[a-z][a-z0-9-]{0,39}$/);

const httpUrl = () => text('a URL such as http://127.0.0.1:5000', /^https?:\/\/[^\s/]+\S*$/);

const variable = () => text('the name of an environment variable', /^[A-Za-z_][A-Za-z0-9_]*$/);

const DOLLARS = 'USD, a number over 0';

const dollars = () => v.pipe(v.number(DOLLARS), v.finite(DOLLARS), v.gtValue(0, DOLLARS));

const instanceType = () => text('an instance type such as c7g.large', /^[a-z0-9-]+\.[a-z0-9-]+$/);

const instanceProfile = () => text('the name of an instance profile', /^[\w+=,.@-]{1,128}$/);

const cidr = () =>
  text(
    'a CIDR block such as 203.0.113.0/24',
    /^((\d{1,3}\.){3}\d{1,3}\/([12]?\d|3[0-2])|[0-9a-fA-F:]*:[0-9a-fA-F:]*\/(\d{1,2}|1[01]\d|12[0-8]))$/,
  );

const shared = {
  tz: v.pipe(anyText(), v.check(isZone, 'an IANA time zone such as Europe/London')),
  protect: yesOrNo(),
};

const allowSecrets = () =>
  listOf(
    text('env:NAME or file:/path, * for any characters but /', /^(env:[A-Za-z0-9_*]+|file:\/[^\0]+)$/),
    'a list of env:NAME and file:/path',
  );

const bucketName = () => text('3 to 63 of a-z, 0-9, . and -', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/);

const requesterPays = () => listOf(bucketName(), 'a list of bucket names');

const command = {
  env: mapOf(variableName(), plainValue(), 'a map of variable names and plain values'),
  secrets: mapOf(variableName(), secretReference(), 'a map of variable names and references'),
};

const local = {
  backend: v.literal('local', 'local, aws or manager'),
  ...shared,
  root: pathText('a directory'),
  durability: oneOf('process', 'power'),
  slots: whole('a whole number from 1', 1, 10_000),
  groups: mapOf(name('a group name'), fields(partly(command), 'a group: a map'), 'a map of groups'),
  allowSecrets: allowSecrets(),
  requesterPays: requesterPays(),
  notify: profileNotifyList(),
};

const s3Prefixes = () => listOf(text('s3://BUCKET/PREFIX', /^s3:\/\/[^/\s]+(\/\S*)?$/), 'a list of s3:// prefixes');

const SHORTEST_LEASE = 15;

const LONGEST_LEASE = 12 * 3600;

const VISIBILITY = 'a duration from 15s to 12h';

const DISK = 'a size from 8GB to 16TB';

const group = {
  instances: someOf(instanceType(), 'a list of instance types', 'at least one instance type'),
  spot: yesOrNo(),
  rebalance: oneOf('keep', 'leave'),
  onDemandBase: whole('a whole number from 0', 0),
  onDemandMax: whole('a whole number from 0', 0),
  min: whole('a whole number from 0', 0),
  max: whole('a whole number from 1', 1),
  slots: whole('a whole number from 1', 1, 10_000),
  visibility: v.pipe(
    duration(VISIBILITY),
    v.check((value) => parseDuration(value) >= SHORTEST_LEASE && parseDuration(value) <= LONGEST_LEASE, VISIBILITY),
  ),
  disk: v.pipe(
    size(DISK),
    v.check((value) => parseSize(value) >= 8e9 && parseSize(value) <= 16e12, DISK),
  ),
  ami: text('ami-... or ssm:PARAMETER', /^(ami-[0-9a-f]+|ssm:\/\S+)$/),
  setup: pathText('a file'),
  setupTimeout: duration(),
  packages: listOf(text('a package name', /^[A-Za-z0-9][A-Za-z0-9.+_-]*$/), 'a list of package names'),
  read: s3Prefixes(),
  write: s3Prefixes(),
  keys: listOf(arn('kms'), 'a list of key ARNs'),
  commandRole: yesOrNo(),
  ...command,
};

const url = (scheme: 'postgres' | 'mysql') =>
  text(
    `${scheme}://USER@HOST/DATABASE, with the password elsewhere`,
    new RegExp(`^${scheme}(ql)?://([^\\s:@/]+@)?[^\\s@/]+/\\S+$`),
  );

const server = {
  password: v.optional(
    text(
      'ssm:NAME, secretsmanager:NAME or secretsmanager:NAME#KEY: where the password is, never the password',
      /^(ssm|secretsmanager):[^\s\0]+$/,
    ),
  ),
  passwordKey: v.optional(keyArn()),
  passwordEnv: v.optional(variable()),
  iam: v.optional(yesOrNo()),
  ca: v.optional(pathText('a PEM file')),
};

const LEDGER = 'a map with kind: store, simpledb, postgres or mysql';

const ledger = v.variant(
  'kind',
  [
    fields({ kind: v.literal('store') }, LEDGER),
    fields({ kind: v.literal('simpledb'), domains: v.optional(whole('a whole number from 1 to 100', 1, 100)) }, LEDGER),
    fields({ kind: v.literal('postgres'), url: url('postgres'), ...server }, LEDGER),
    fields({ kind: v.literal('mysql'), url: url('mysql'), ...server }, LEDGER),
  ],
  ({ path }) => (path === undefined ? LEDGER : "store, simpledb, postgres or mysql (sqlite is the local profile's)"),
);

const BUCKET = 'a bucket name, or a map with name, existing, owner, prefix';

const accountId = () => text('twelve digits, as text', /^\d{12}$/);

const aws = {
  backend: v.literal('aws', 'local, aws or manager'),
  ...shared,
  region: text('an AWS region such as eu-west-1', /^[a-z]{2,}(-[a-z]+)+-\d+$/),
  account: accountId(),
  stack: name('a stack name'),
  aws: fields({ profile: v.optional(anyText()) }, 'a map with profile'),
  bucket: v.union(
    [
      bucketName(),
      fields(
        {
          name: v.optional(bucketName()),
          existing: v.optional(yesOrNo()),
          owner: v.optional(accountId()),
          prefix: v.optional(text('empty, or text that ends with / and does not begin with it', /^([^/\0][^\0]*\/)?$/)),
        },
        BUCKET,
      ),
    ],
    BUCKET,
  ),
  ledger,
  groups: mapOf(name('a group name'), fields(partly(group), 'a group: a map'), 'a map of groups'),
  allowSecrets: allowSecrets(),
  requesterPays: requesterPays(),
  network: fields(
    {
      subnets: v.optional(listOf(anyText(), 'a list of subnet ids')),
      securityGroups: v.optional(listOf(anyText(), 'a list of security group ids')),
      publicIp: v.optional(yesOrNo()),
    },
    'a map with subnets, securityGroups, publicIp',
  ),
  iam: fields(
    {
      permissionsBoundary: v.optional(boundaryArn()),
      workerProfile: v.optional(instanceProfile()),
      managerProfile: v.optional(instanceProfile()),
    },
    'a map with permissionsBoundary, workerProfile, managerProfile',
  ),
  kmsKey: keyArn(),
  tags: mapOf(
    text('a tag name', /^(?!aws:)[^\0]{1,128}$/),
    text('text of at most 256', /^[^\0]{0,256}$/),
    'a map of text',
  ),
  manager: fields(
    { instance: v.optional(instanceType()), allow: v.optional(listOf(cidr(), 'a list of CIDR blocks')) },
    'a map with instance, allow',
  ),
  budget: fields({ month: v.optional(dollars()), job: v.optional(dollars()) }, 'a map with month, job'),
  prices: mapOf(instanceType(), dollars(), 'a map of instance types and USD an hour'),
  endpoints: fields(v.entriesFromList(ENDPOINTS, v.exactOptional(httpUrl())), 'a map of URLs'),
  metrics: yesOrNo(),
  notify: profileNotifyList(),
};

const manager = {
  backend: v.literal('manager', 'local, aws or manager'),
  ...shared,
  url: text('an https: URL', /^(https:\/\/[^\s/@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/\S*)?$/),
  tokenEnv: variable(),
  fingerprint: text('sha256: and 64 hex digits', /^sha256:([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/),
};

const PROFILE = 'a profile: a map with backend';

/** A whole profile, after merging what it extends. */
export const profileSchemas = {
  local: fields({ ...partly(local), backend: local.backend }, PROFILE),
  aws: fields({ ...partly(aws), backend: aws.backend, region: aws.region }, PROFILE),
  manager: fields({ ...partly(manager), backend: manager.backend, url: manager.url }, PROFILE),
} as const;

/** A profile as written in the file: any field may be inherited, or removed by null. */
const layer = (entries: Readonly<Record<string, Field>>) => {
  const nullable = Object.entries(entries).map(([field, type]) => [field, v.nullable(type)] as const);
  return fields(partly({ extends: anyText(), ...Object.fromEntries(nullable) }), PROFILE);
};

const profileName = () => text('letters, digits and . _ -', PROFILE_NAME);

const FILE = 'a map with profile and profiles';

/** The content of the file, for `schema/config.schema.json`: a profile may inherit from another. */
const configFileSchema = fields(
  {
    $schema: v.optional(v.string('text')),
    profile: v.optional(anyText()),
    profiles: v.optional(
      mapOf(profileName(), v.union([layer(local), layer(aws), layer(manager)]), 'a map of profiles'),
    ),
  },
  FILE,
);

/** Only the outer shape: profiles are checked once they are merged. */
export const outerSchema = fields(
  {
    ...configFileSchema.entries,
    profiles: v.optional(
      mapOf(profileName(), v.looseObject({ extends: v.optional(anyText()) }, PROFILE), 'a map of profiles'),
    ),
  },
  FILE,
);

export type AwsFile = v.InferInput<typeof profileSchemas.aws>;

export type LocalFile = v.InferInput<typeof profileSchemas.local>;

export type ManagerFile = v.InferInput<typeof profileSchemas.manager>;

export function configJsonSchema(): JsonSchema {
  const schema = jsonSchemaOf(configFileSchema, 'batchctl configuration');
  describeField(schema, ['$schema'], { description: 'this schema, for editors' });
  describeField(schema, ['profile'], { description: 'the profile to use if none is selected', default: 'local' });
  describeField(schema, ['profiles'], { description: 'profiles for --profile; local always exists' });
  const variants = schemasAt(schema, ['profiles', '*']).filter((variant) => variant.properties !== undefined);
  for (const [index, variant] of variants.entries()) {
    describeField(variant, ['extends'], { description: 'a profile whose fields this one inherits' });
    for (const row of CONFIG_TABLE.filter(({ backends }) => backends.includes(BACKENDS[index] ?? 'local'))) {
      const fallback = row.default === null ? {} : { default: row.default };
      describeField(variant, row.path.replaceAll('[]', '.[]').split('.'), { description: row.doc, ...fallback });
    }
  }
  return schema;
}
