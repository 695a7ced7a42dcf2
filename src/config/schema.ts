import * as z from 'zod';
import {
  duration,
  fields,
  listOf,
  mapOf,
  oneOf,
  plainValue,
  profileNotifyList,
  secretReference,
  size,
  text,
  variableName,
  whole,
  yesOrNo,
} from '../lib/fields.ts';
import { isZone } from '../lib/instant.ts';
import { describeField, type JsonSchema, schemasAt } from '../lib/json-schema.ts';
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
  z.string({ error: KEY }).regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, {
    error: ({ input }) =>
      typeof input === 'string' && /^[\w:/-]+$/.test(input)
        ? `${KEY}, as printed by: aws kms describe-key --key-id ${input} --query KeyMetadata.Arn --output text`
        : KEY,
  });

/** IAM: CreateRole, PermissionsBoundary. */
const boundaryArn = () => text('an ARN of iam of 20 to 2048 characters', /^(?=.{20,2048}$)arn:aws[a-z-]*:iam:\S+$/);

const name = (what: string) =>
  text(`${what}: a-z first, then a-z, 0-9 and -, at most 40, not last`, /^(?!last$)[a-z][a-z0-9-]{0,39}$/);

const httpUrl = () => text('a URL such as http://127.0.0.1:5000', /^https?:\/\/[^\s/]+\S*$/);

const variable = () => text('the name of an environment variable', /^[A-Za-z_][A-Za-z0-9_]*$/);

const dollars = () => z.number({ error: 'USD, a number over 0' }).positive({ error: 'USD, a number over 0' });

const instanceType = () => text('an instance type such as c7g.large', /^[a-z0-9-]+\.[a-z0-9-]+$/);

const instanceProfile = () => text('the name of an instance profile', /^[\w+=,.@-]{1,128}$/);

const cidr = () =>
  text(
    'a CIDR block such as 203.0.113.0/24',
    /^((\d{1,3}\.){3}\d{1,3}\/([12]?\d|3[0-2])|[0-9a-fA-F:]*:[0-9a-fA-F:]*\/(\d{1,2}|1[01]\d|12[0-8]))$/,
  );

const shared = {
  tz: anyText().refine(isZone, { error: 'an IANA time zone such as Europe/London' }),
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
  backend: z.literal('local', { error: 'local, aws or manager' }),
  ...shared,
  root: pathText('a directory'),
  durability: oneOf('process', 'power'),
  slots: whole('a whole number from 1', 1, 10_000),
  groups: mapOf(name('a group name'), fields(command, 'a group: a map').partial(), 'a map of groups'),
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
  instances: listOf(instanceType(), 'a list of instance types').min(1, { error: 'at least one instance type' }),
  spot: yesOrNo(),
  rebalance: oneOf('keep', 'leave'),
  onDemandBase: whole('a whole number from 0', 0),
  onDemandMax: whole('a whole number from 0', 0),
  min: whole('a whole number from 0', 0),
  max: whole('a whole number from 1', 1),
  slots: whole('a whole number from 1', 1, 10_000),
  visibility: duration(VISIBILITY).refine(
    (value) => parseDuration(value) >= SHORTEST_LEASE && parseDuration(value) <= LONGEST_LEASE,
    { error: VISIBILITY },
  ),
  disk: size(DISK).refine((value) => parseSize(value) >= 8e9 && parseSize(value) <= 16e12, { error: DISK }),
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
  password: text(
    'ssm:NAME, secretsmanager:NAME or secretsmanager:NAME#KEY: where the password is, never the password',
    /^(ssm|secretsmanager):[^\s\0]+$/,
  ).optional(),
  passwordKey: keyArn().optional(),
  passwordEnv: variable().optional(),
  iam: yesOrNo().optional(),
  ca: pathText('a PEM file').optional(),
};

const LEDGER = 'a map with kind: store, simpledb, postgres or mysql';

const ledger = z.discriminatedUnion(
  'kind',
  [
    fields({ kind: z.literal('store') }, LEDGER),
    fields({ kind: z.literal('simpledb'), domains: whole('a whole number from 1 to 100', 1, 100).optional() }, LEDGER),
    fields({ kind: z.literal('postgres'), url: url('postgres'), ...server }, LEDGER),
    fields({ kind: z.literal('mysql'), url: url('mysql'), ...server }, LEDGER),
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? "store, simpledb, postgres or mysql (sqlite is the local profile's)" : LEDGER,
  },
);

const BUCKET = 'a bucket name, or a map with name, existing, owner, prefix';

const accountId = () => text('twelve digits, as text', /^\d{12}$/);

const aws = {
  backend: z.literal('aws', { error: 'local, aws or manager' }),
  ...shared,
  region: text('an AWS region such as eu-west-1', /^[a-z]{2,}(-[a-z]+)+-\d+$/),
  account: accountId(),
  stack: name('a stack name'),
  aws: fields({ profile: anyText().optional() }, 'a map with profile'),
  bucket: z.union(
    [
      bucketName(),
      fields(
        {
          name: bucketName().optional(),
          existing: yesOrNo().optional(),
          owner: accountId().optional(),
          prefix: text('empty, or text that ends with / and does not begin with it', /^([^/\0][^\0]*\/)?$/).optional(),
        },
        BUCKET,
      ),
    ],
    { error: BUCKET },
  ),
  ledger,
  groups: mapOf(name('a group name'), fields(group, 'a group: a map').partial(), 'a map of groups'),
  allowSecrets: allowSecrets(),
  requesterPays: requesterPays(),
  network: fields(
    {
      subnets: listOf(anyText(), 'a list of subnet ids').optional(),
      securityGroups: listOf(anyText(), 'a list of security group ids').optional(),
      publicIp: yesOrNo().optional(),
    },
    'a map with subnets, securityGroups, publicIp',
  ),
  iam: fields(
    {
      permissionsBoundary: boundaryArn().optional(),
      workerProfile: instanceProfile().optional(),
      managerProfile: instanceProfile().optional(),
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
    { instance: instanceType().optional(), allow: listOf(cidr(), 'a list of CIDR blocks').optional() },
    'a map with instance, allow',
  ),
  budget: fields({ month: dollars().optional(), job: dollars().optional() }, 'a map with month, job'),
  prices: mapOf(instanceType(), dollars(), 'a map of instance types and USD an hour'),
  endpoints: fields(Object.fromEntries(ENDPOINTS.map((service) => [service, httpUrl().optional()])), 'a map of URLs'),
  metrics: yesOrNo(),
  notify: profileNotifyList(),
};

const manager = {
  backend: z.literal('manager', { error: 'local, aws or manager' }),
  ...shared,
  url: text('an https: URL', /^(https:\/\/[^\s/@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/\S*)?$/),
  tokenEnv: variable(),
  fingerprint: text('sha256: and 64 hex digits', /^sha256:([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/),
};

const PROFILE = 'a profile: a map with backend';

/** A whole profile, after merging what it extends. */
export const profileSchemas = {
  local: fields(local, PROFILE).partial().extend({ backend: local.backend }),
  aws: fields(aws, PROFILE).partial().extend({ backend: aws.backend, region: aws.region }),
  manager: fields(manager, PROFILE).partial().extend({ backend: manager.backend, url: manager.url }),
} as const;

/** A profile as written in the file: any field may be inherited, or removed by null. */
const layer = (shape: z.core.$ZodLooseShape) => {
  const nullable = Object.entries(shape).map(([field, type]) => [field, z.nullable(type as z.ZodType)]);
  return fields({ extends: anyText(), ...Object.fromEntries(nullable) }, PROFILE).partial();
};

const profileName = () => text('letters, digits and . _ -', PROFILE_NAME);

/** The content of the file, for `schema/config.schema.json`: a profile may inherit from another. */
const configFileSchema = fields(
  {
    $schema: z.string({ error: 'text' }).optional(),
    profile: anyText().optional(),
    profiles: mapOf(profileName(), z.union([layer(local), layer(aws), layer(manager)]), 'a map of profiles').optional(),
  },
  'a map with profile and profiles',
);

/** Only the outer shape: profiles are checked once they are merged. */
export const outerSchema = configFileSchema.extend({
  profiles: mapOf(
    profileName(),
    z.looseObject({ extends: anyText().optional() }, { error: PROFILE }),
    'a map of profiles',
  ).optional(),
});

export type AwsFile = z.infer<typeof profileSchemas.aws>;

export type LocalFile = z.infer<typeof profileSchemas.local>;

export type ManagerFile = z.infer<typeof profileSchemas.manager>;

export function configJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(configFileSchema, { io: 'input' });
  schema.title = 'batchctl configuration';
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
