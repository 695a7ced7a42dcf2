import * as v from 'valibot';
import {
  about,
  duration,
  type Field,
  fields,
  listOf,
  mapOf,
  maybe,
  oneOf,
  partly,
  plainValue,
  profileNotifyList,
  secretReference,
  someOf,
  text,
  textsOf,
  variableName,
  whole,
  yesOrNo,
} from '../lib/fields.ts';
import { type JsonSchema, jsonSchemaOf } from '../lib/json-schema.ts';
import { parseDuration } from '../lib/units.ts';
import { notificationsOf } from '../model/notify.ts';
import { LOCAL_DEFAULTS } from './backends.ts';
import { PROFILE_NAME } from './config-file.ts';
import { ENDPOINTS } from './endpoints.ts';
import {
  accountId,
  anyText,
  arn,
  boundaryArn,
  bucketName,
  cidr,
  disk,
  dollars,
  httpUrl,
  instanceProfile,
  instanceType,
  keyArn,
  lease,
  name,
  pathText,
  s3Prefixes,
  variable,
  zone,
} from './values.ts';

/** A field that may be absent, and its value then. */
const field = <const S extends Field>(purpose: string, schema: S, fallback: NonNullable<v.InferInput<S>>) =>
  about(purpose, v.nullish(schema, fallback));

/** A field that may be absent: then it is null. */
const orNone = <const S extends Field>(purpose: string, schema: S) => about(purpose, v.nullish(schema, null));

const BACKEND = 'local, aws or manager';

const backend = <const B extends string>(name: B) =>
  about('where jobs run: on this machine, on AWS, or through a manager', v.literal(name, BACKEND));

const shared = {
  tz: orNone("the zone of times without one; none: the machine's zone", zone()),
  protect: field(
    'refuse destructive commands: queue purge, infra down, --delete-data',
    yesOrNo(),
    LOCAL_DEFAULTS.protect,
  ),
};

const notify = field(
  'receivers of notifications about all jobs of the profile',
  v.pipe(
    profileNotifyList(),
    v.transform((list) => notificationsOf(list)),
  ),
  [],
);

const allowSecrets = () =>
  listOf(
    text('env:NAME or file:/path, * for any characters but /', /^(env:[A-Za-z0-9_*]+|file:\/[^\0]+)$/),
    'a list of env:NAME and file:/path',
  );

const requesterPays = field(
  'buckets with Requester Pays: batchctl accepts the cost of requests to them',
  listOf(bucketName(), 'a list of bucket names'),
  [],
);

const command = {
  env: field(
    "set for every command of the group; a step's own values take precedence",
    v.pipe(mapOf(variableName(), plainValue(), 'a map of variable names and plain values'), v.transform(textsOf)),
    {},
  ),
  secrets: field(
    'read by the worker at each attempt: env:, file:, ssm:, secretsmanager:',
    mapOf(variableName(), secretReference(), 'a map of variable names and references'),
    {},
  ),
};

const slots = () => whole('a whole number from 1', 1, 10_000);

const local = {
  backend: backend('local'),
  ...shared,
  root: field(
    'directory of store, queue and ledger, relative to the configuration file',
    pathText('a directory'),
    LOCAL_DEFAULTS.root,
  ),
  durability: field(
    'what data must survive: a killed process, or also a power failure',
    oneOf('process', 'power'),
    LOCAL_DEFAULTS.durability,
  ),
  slots: orNone('tasks at a time on this machine; none: the number of processors', slots()),
  groups: field(
    'settings of groups; a job may use groups that are not listed',
    mapOf(name('a group name'), about('one group', fields(command, 'a group: a map')), 'a map of groups'),
    {},
  ),
  allowSecrets: orNone(
    'env: and file: references that jobs may use, * for any characters but /; none: all, unless commands run as another user',
    allowSecrets(),
  ),
  requesterPays,
  notify,
};

const groupFields = fields(
  {
    instances: field(
      'possible instance types: with more than one, spot is more reliable',
      someOf(instanceType(), 'a list of instance types', 'at least one instance type'),
      ['c7g.large', 'm7g.large'],
    ),
    spot: field(
      'use spot instances: cheaper, but sometimes interrupted; tasks are then returned to the queue',
      yesOrNo(),
      true,
    ),
    rebalance: field(
      'at a rebalance recommendation: take no long tasks for ten minutes, or finish running tasks and replace the instance',
      oneOf('keep', 'leave'),
      'keep',
    ),
    onDemandBase: field('number of instances on demand before spot is used', whole('a whole number from 0', 0), 0),
    onDemandMax: orNone(
      'number of instances that may be on demand if spot is unavailable and a deadline would be missed; none: a quarter of max; 0: never',
      whole('a whole number from 0', 0),
    ),
    min: field('minimum number of instances: 0 costs nothing between runs', whole('a whole number from 0', 0), 0),
    max: field('maximum number of instances', whole('a whole number from 1', 1), 20),
    slots: orNone('tasks at a time per instance; none: the number of its processors', slots()),
    visibility: field('the lease: a task goes to another worker after this time without a heartbeat', lease(), '120s'),
    disk: field('size of the root volume', disk(), '30GB'),
    ami: orNone(
      "the machine image; none: the newest Amazon Linux 2023 for the type's architecture",
      text('ami-... or ssm:PARAMETER', /^(ami-[0-9a-f]+|ssm:\/\S+)$/),
    ),
    setup: orNone(
      'a script that the instance runs as root before its worker, relative to the configuration file',
      pathText('a file'),
    ),
    setupTimeout: field(
      'an instance whose setup takes longer is replaced',
      v.pipe(duration(), v.transform(parseDuration)),
      '15m',
    ),
    packages: field(
      'installed before setup',
      listOf(text('a package name', /^[A-Za-z0-9][A-Za-z0-9.+_-]*$/), 'a list of package names'),
      [],
    ),
    read: field("what else the group's commands may read", s3Prefixes(), []),
    write: field('where else its workers may deliver outputs', s3Prefixes(), []),
    keys: field('KMS keys that encrypt the data of read and write', listOf(arn('kms'), 'a list of key ARNs'), []),
    commandRole: field("let commands use the instance's role; otherwise they have no role", yesOrNo(), false),
    ...command,
  },
  'a group: a map',
);

type GroupFields = v.InferOutput<typeof groupFields>;

/** No count of instances exceeds the group's `max`. */
const withinMax = v.rawCheck<GroupFields>(({ dataset, addIssue }) => {
  if (!dataset.typed) return;
  const { value: input } = dataset;
  for (const key of ['min', 'onDemandBase', 'onDemandMax'] as const) {
    const value = input[key];
    if (value === null || value <= input.max) continue;
    addIssue({
      message: `max (${input.max}) or less`,
      path: [{ type: 'object', origin: 'value', input: { ...input }, key, value }],
    });
  }
});

const group = v.pipe(
  groupFields,
  withinMax,
  v.transform(({ onDemandMax, ...others }) => ({
    ...others,
    onDemandMax: onDemandMax ?? Math.ceil(others.max / 4),
  })),
);

/** A group of at most one small spot instance, without rights, setup or variables of its own. */
export const bareGroup = () => v.parse(group, { instances: ['c7g.large'], max: 1, onDemandMax: 0 });

const url = (scheme: 'postgres' | 'mysql') =>
  about(
    'postgres, mysql: server, user and database, without the password',
    text(
      `${scheme}://USER@HOST/DATABASE, with the password elsewhere`,
      new RegExp(`^${scheme}(ql)?://([^\\s:@/]+@)?[^\\s@/]+/\\S+$`),
    ),
  );

const server = {
  password: orNone(
    'postgres, mysql: where the password is: `ssm:NAME`, `secretsmanager:NAME` or `secretsmanager:NAME#KEY`. Instances read it there, too',
    text(
      'ssm:NAME, secretsmanager:NAME or secretsmanager:NAME#KEY: where the password is, never the password',
      /^(ssm|secretsmanager):[^\s\0]+$/,
    ),
  ),
  passwordKey: orNone(
    "the customer's KMS key that encrypts that secret; none: `kmsKey`, or the service's own key",
    keyArn(),
  ),
  passwordEnv: orNone(
    'postgres, mysql: the environment variable that holds the password. Instances have none: `infra plan` refuses it',
    variable(),
  ),
  ca: orNone("postgres, mysql: the server's certificate authority (PEM), relative to the file", pathText('a PEM file')),
  iam: field('postgres, mysql: use an IAM token instead of a password', yesOrNo(), false),
};

const LEDGER = 'a map with kind: store, simpledb, postgres or mysql';

const KIND = "store, simpledb, postgres or mysql (sqlite is the local profile's)";

const kind = <const K extends string>(name: K) =>
  about('store: in the bucket, needs no other service', v.literal(name, KIND));

const ledger = v.variant(
  'kind',
  [
    fields({ kind: kind('store') }, LEDGER),
    fields(
      {
        kind: kind('simpledb'),
        domains: field(
          'simpledb: number of domains that share the writes',
          whole('a whole number from 1 to 100', 1, 100),
          4,
        ),
      },
      LEDGER,
    ),
    fields({ kind: kind('postgres'), url: url('postgres'), ...server }, LEDGER),
    fields({ kind: kind('mysql'), url: url('mysql'), ...server }, LEDGER),
  ],
  ({ path }) => (path === undefined ? LEDGER : KIND),
);

const BUCKET = 'a bucket name, or a map with name, existing, owner, prefix';

const bucketFields = fields(
  {
    name: orNone("the bucket's name", bucketName()),
    existing: field('infra does not create, reconfigure or delete it', yesOrNo(), false),
    owner: orNone(
      'of an existing bucket: the account that owns it; none: `account`. S3 refuses every request if another account owns the bucket',
      accountId(),
    ),
    prefix: field(
      'prefix of every key',
      text('empty, or text that ends with / and does not begin with it', /^([^/\0][^\0]*\/)?$/),
      '',
    ),
  },
  BUCKET,
);

const bucket = v.pipe(
  v.union([bucketName(), bucketFields], BUCKET),
  v.transform((given) => (typeof given === 'string' ? v.parse(bucketFields, { name: given }) : given)),
);

const aws = {
  backend: backend('aws'),
  ...shared,
  region: about(
    'region of all resources; none: AWS_REGION, then AWS_DEFAULT_REGION',
    text('an AWS region such as eu-west-1', /^[a-z]{2,}(-[a-z]+)+-\d+$/),
  ),
  account: orNone('the only account that batchctl may change; none: not checked', accountId()),
  stack: orNone(
    'prefix of the names of all resources that infra up creates; none: the name of the bucket, with its prefix',
    name('a stack name'),
  ),
  aws: field(
    'how the AWS SDK finds credentials',
    fields(
      { profile: orNone('the profile of ~/.aws to use; none: as the SDK searches', anyText()) },
      'a map with profile',
    ),
    {},
  ),
  bucket: field(
    'the bucket for data and jobs; none: <stack>-<account>-<region>, if account is given (<stack>: batchctl, if not given)',
    bucket,
    {},
  ),
  ledger: field('where progress and statistics are kept', ledger, { kind: 'store' }),
  groups: field(
    'the worker groups, each with its queue and Auto Scaling group',
    mapOf(name('a group name'), about('one group; jobs that name other groups are refused', group), 'a map of groups'),
    { default: {} },
  ),
  allowSecrets: field('env: and file: references that jobs may use, * for any characters but /', allowSecrets(), []),
  requesterPays,
  network: field(
    'network of the instances',
    fields(
      {
        subnets: field("none: the default VPC's", listOf(anyText(), 'a list of subnet ids'), []),
        securityGroups: field(
          'none: infra up creates one that blocks all incoming traffic',
          listOf(anyText(), 'a list of security group ids'),
          [],
        ),
        publicIp: field('false requires another route: a NAT gateway or endpoints', yesOrNo(), true),
      },
      'a map with subnets, securityGroups, publicIp',
    ),
    {},
  ),
  iam: field(
    'how roles are created',
    fields(
      {
        permissionsBoundary: orNone('set on each role that is created', boundaryArn()),
        workerProfile: orNone("the workers' existing instance profile; none: infra up creates one", instanceProfile()),
        managerProfile: orNone(
          "the manager's existing instance profile; none: infra up creates one",
          instanceProfile(),
        ),
      },
      'a map with permissionsBoundary, workerProfile, managerProfile',
    ),
    {},
  ),
  kmsKey: orNone(
    "encrypts bucket, queues and volumes; none: the services' own keys. Not an alias, which policies can't name: `aws kms describe-key --key-id alias/NAME --query KeyMetadata.Arn` prints the ARN",
    keyArn(),
  ),
  tags: field(
    'set on all created resources; letters, digits, spaces and `_.:/=+-@`, and two names must not differ only in case (IAM)',
    mapOf(text('a tag name', /^(?!aws:)[^\0]{1,128}$/), text('text of at most 256', /^[^\0]{0,256}$/), 'a map of text'),
    {},
  ),
  manager: orNone(
    'without it, no manager, role or Elastic IP is created',
    fields(
      {
        instance: field("the manager's instance", instanceType(), 't4g.small'),
        allow: field('who may reach its port; none: no one', listOf(cidr(), 'a list of CIDR blocks'), []),
      },
      'a map with instance, allow',
    ),
  ),
  budget: field(
    'cost limits, in USD',
    fields(
      {
        month: orNone('at this cost in a calendar month (in tz, or else UTC) all jobs pause', dollars()),
        job: orNone('cost at which a job pauses, unless --max-cost is given', dollars()),
      },
      'a map with month, job',
    ),
    {},
  ),
  prices: field(
    'hourly price of on-demand instances, and of spot instances without a market price',
    mapOf(instanceType(), dollars(), 'a map of instance types and USD an hour'),
    {},
  ),
  metrics: field('the manager or tick publishes metrics to CloudWatch every minute: docs/notify.md', yesOrNo(), false),
  endpoints: field(
    "servers to use instead of AWS's own; AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE> take precedence",
    fields(
      v.entriesFromList(ENDPOINTS, v.exactOptional(about('the server for this service', httpUrl()))),
      'a map of URLs',
    ),
    {},
  ),
  notify,
};

const manager = {
  backend: backend('manager'),
  ...shared,
  url: v.pipe(
    about(
      "the manager's address",
      text('an https: URL', /^(https:\/\/[^\s/@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/\S*)?$/),
    ),
    v.transform((address) => address.replace(/\/+$/, '')),
  ),
  tokenEnv: field('the environment variable with the token', variable(), 'BATCHCTL_TOKEN'),
  fingerprint: orNone(
    'fingerprint of a certificate to accept even if no authority signed it',
    text('sha256: and 64 hex digits', /^sha256:([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/),
  ),
};

const PROFILE = 'a profile: a map with backend';

/**
 * A whole profile, after merging what it extends: every field of the configuration with its purpose, its allowed values
 * and its default. Types, checks, the JSON Schema and the tables of `docs/configuration.md` come from here. The output
 * has every default, durations in seconds and sizes in bytes; paths are as written.
 */
export const profileSchemas = {
  local: fields(local, PROFILE),
  aws: fields(aws, PROFILE),
  manager: fields(manager, PROFILE),
} as const;

/** A profile as written in the file: any field may be inherited, or removed by null. */
const layer = (entries: Readonly<Record<string, Field>>) => {
  const removable = Object.entries(entries).map(
    ([key, type]) => [key, type.type === 'nullish' ? type : v.nullable(type)] as const,
  );
  const base = maybe('a profile whose fields this one inherits', anyText());
  return fields(partly({ extends: base, ...Object.fromEntries(removable) }), PROFILE);
};

const profileName = () => text('letters, digits and . _ -', PROFILE_NAME);

const FILE = 'a map with profile and profiles';

/** The content of the file, for `schema/config.schema.json`: a profile may inherit from another. */
const configFileSchema = fields(
  {
    $schema: maybe('this schema, for editors', v.string('text')),
    profile: v.optional(about('the profile to use if none is selected', anyText()), 'local'),
    profiles: maybe(
      'profiles for --profile; local always exists',
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

/** Null, which removes an inherited value, is allowed everywhere, but is no default to tell an editor. */
export const configJsonSchema = (): JsonSchema =>
  JSON.parse(
    JSON.stringify(jsonSchemaOf(configFileSchema, 'batchctl configuration'), (key, value) =>
      key === 'default' && value === null ? undefined : value,
    ),
  );
