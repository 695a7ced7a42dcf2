import { ENDPOINTS } from './profile.ts';

/** One field of the configuration: its allowed values, default and purpose. */
export interface ConfigField {
  /** Its path: `*` is any name. */
  readonly path: string;
  readonly backends: readonly Backend[];
  /** Allowed values, as text. */
  readonly type: string;
  /** As written in the file; null: none. Fields of a group, a ledger or the manager apply if that exists. */
  readonly default: unknown;
  readonly doc: string;
}

export type Backend = 'local' | 'aws' | 'manager';

const LOCAL: readonly Backend[] = ['local'];
const AWS: readonly Backend[] = ['aws'];
const MANAGER: readonly Backend[] = ['manager'];
const LOCAL_AND_AWS: readonly Backend[] = ['local', 'aws'];
const ALL: readonly Backend[] = ['local', 'aws', 'manager'];

const field = (
  backends: readonly Backend[],
  path: string,
  type: string,
  fallback: unknown,
  doc: string,
): ConfigField => ({ path, backends, type, default: fallback, doc });

/** Every field of a profile with its default: the only such table (`docs/configuration.md` documents each of them). */
export const CONFIG_TABLE: readonly ConfigField[] = [
  field(ALL, 'backend', 'local, aws or manager', null, 'where jobs run: on this machine, on AWS, or through a manager'),
  field(ALL, 'tz', 'an IANA time zone', null, "the zone of times without one; none: the machine's zone"),
  field(ALL, 'protect', 'true or false', false, 'refuse destructive commands: queue purge, infra down, --delete-data'),
  field(
    LOCAL_AND_AWS,
    'notify',
    'a list of {on, to, secret}',
    [],
    'receivers of notifications about all jobs of the profile',
  ),
  field(LOCAL_AND_AWS, 'notify[].on', 'a list of events', null, 'succeeded, failed, late, paused, budget, no-start'),
  field(LOCAL_AND_AWS, 'notify[].to', 'sns:, https: or exec:', null, 'the topic, address or program to notify'),
  field(
    LOCAL_AND_AWS,
    'notify[].secret',
    'a reference',
    null,
    'for https: the secret that signs the body: env:, file:, ssm:, secretsmanager:',
  ),

  field(
    LOCAL,
    'root',
    'a directory',
    '.batchctl',
    'directory of store, queue and ledger, relative to the configuration file',
  ),
  field(
    LOCAL,
    'durability',
    'process or power',
    'process',
    'what data must survive: a killed process, or also a power failure',
  ),
  field(
    LOCAL,
    'slots',
    'a whole number from 1',
    null,
    'tasks at a time on this machine; none: the number of processors',
  ),
  field(LOCAL, 'groups', 'a map of names', {}, 'settings of groups; a job may use groups that are not listed'),
  field(LOCAL, 'groups.*', 'a map', null, 'one group'),
  field(
    LOCAL_AND_AWS,
    'groups.*.env',
    'a map of plain values',
    {},
    "set for every command of the group; a step's own values take precedence",
  ),
  field(
    LOCAL_AND_AWS,
    'groups.*.secrets',
    'a map of references',
    {},
    'read by the worker at each attempt: env:, file:, ssm:, secretsmanager:',
  ),
  field(
    LOCAL_AND_AWS,
    'allowSecrets',
    'a list of env: and file:',
    null,
    "what jobs' secrets may refer to on a worker's machine, * for any characters but /; none: on local everything, unless commands run as another user; otherwise nothing",
  ),
  field(
    LOCAL_AND_AWS,
    'requesterPays',
    'a list of bucket names',
    [],
    'buckets with Requester Pays: batchctl accepts the cost of requests to them',
  ),

  field(AWS, 'region', 'an AWS region', null, 'region of all resources; none: AWS_REGION, then AWS_DEFAULT_REGION'),
  field(AWS, 'account', 'twelve digits, as text', null, 'the only account that batchctl may change; none: not checked'),
  field(AWS, 'stack', 'a name', 'batchctl', 'prefix of the names of all resources that infra up creates'),
  field(AWS, 'aws', 'a map', {}, 'how the AWS SDK finds credentials'),
  field(AWS, 'aws.profile', 'a name', null, 'the profile of ~/.aws to use; none: as the SDK searches'),
  field(
    AWS,
    'bucket',
    'a name, or a map',
    null,
    'the bucket for data and jobs; none: <stack>-<account>-<region>, if account is given',
  ),
  field(AWS, 'bucket.name', 'a bucket name', null, "the bucket's name"),
  field(AWS, 'bucket.existing', 'true or false', false, 'infra does not create, reconfigure or delete it'),
  field(
    AWS,
    'bucket.owner',
    'twelve digits, as text',
    null,
    'for an existing bucket: the account that owns it; none: account',
  ),
  field(AWS, 'bucket.prefix', 'empty, or text that ends with /', '', 'prefix of every key'),
  field(AWS, 'ledger', 'a map with kind', { kind: 'store' }, 'where progress and statistics are kept'),
  field(
    AWS,
    'ledger.kind',
    'store, simpledb, postgres or mysql',
    'store',
    'store: in the bucket, needs no other service',
  ),
  field(AWS, 'ledger.domains', '1 to 100', 4, 'simpledb: number of domains that share the writes'),
  field(
    AWS,
    'ledger.url',
    'a postgres: or mysql: URL',
    null,
    'postgres, mysql: server, user and database, without the password',
  ),
  field(
    AWS,
    'ledger.passwordEnv',
    'a variable name',
    null,
    'postgres, mysql: the environment variable that holds the password',
  ),
  field(
    AWS,
    'ledger.ca',
    'a file',
    null,
    "postgres, mysql: the server's certificate authority (PEM), relative to the file",
  ),
  field(AWS, 'ledger.iam', 'true or false', false, 'postgres: use an IAM token instead of a password'),
  field(
    AWS,
    'groups',
    'a map of groups',
    { default: {} },
    'the worker groups, each with its queue and Auto Scaling group',
  ),
  field(AWS, 'groups.*', 'a map', null, 'one group; jobs that name other groups are refused'),
  field(
    AWS,
    'groups.*.instances',
    'a list of instance types',
    ['c7g.large', 'm7g.large'],
    'possible instance types: with more than one, spot is more reliable',
  ),
  field(
    AWS,
    'groups.*.spot',
    'true or false',
    true,
    'use spot instances: cheaper, but sometimes interrupted; tasks are then returned to the queue',
  ),
  field(
    AWS,
    'groups.*.rebalance',
    'keep or leave',
    'keep',
    'at a rebalance recommendation: take no long tasks for ten minutes, or finish running tasks and replace the instance',
  ),
  field(AWS, 'groups.*.onDemandBase', 'a whole number from 0', 0, 'number of instances on demand before spot is used'),
  field(
    AWS,
    'groups.*.onDemandMax',
    'a whole number from 0',
    null,
    'number of instances that may be on demand if spot is unavailable and a deadline would be missed; none: a quarter of max; 0: never',
  ),
  field(AWS, 'groups.*.min', 'a whole number from 0', 0, 'minimum number of instances: 0 costs nothing between runs'),
  field(AWS, 'groups.*.max', 'a whole number from 1', 20, 'maximum number of instances'),
  field(
    AWS,
    'groups.*.slots',
    'a whole number from 1',
    null,
    'tasks at a time per instance; none: the number of its processors',
  ),
  field(
    AWS,
    'groups.*.visibility',
    'a duration up to 12h',
    '120s',
    'the lease: a task goes to another worker after this time without a heartbeat',
  ),
  field(AWS, 'groups.*.disk', 'a size from 8GB', '30GB', 'size of the root volume'),
  field(
    AWS,
    'groups.*.ami',
    'ami-..., or ssm:PARAMETER',
    null,
    "the machine image; none: the newest Amazon Linux 2023 for the type's architecture",
  ),
  field(
    AWS,
    'groups.*.setup',
    'a file',
    null,
    'a script that the instance runs as root before its worker, relative to the configuration file',
  ),
  field(AWS, 'groups.*.setupTimeout', 'a duration', '15m', 'an instance whose setup takes longer is replaced'),
  field(AWS, 'groups.*.packages', 'a list of package names', [], 'installed before setup'),
  field(AWS, 'groups.*.read', 'a list of s3:// prefixes', [], "what else the group's commands may read"),
  field(AWS, 'groups.*.write', 'a list of s3:// prefixes', [], 'where else its workers may deliver outputs'),
  field(AWS, 'groups.*.keys', 'a list of key ARNs', [], 'KMS keys that encrypt the data of read and write'),
  field(
    AWS,
    'groups.*.commandRole',
    'true or false',
    false,
    "let commands use the instance's role; otherwise they have no role",
  ),
  field(AWS, 'network', 'a map', {}, 'network of the instances'),
  field(AWS, 'network.subnets', 'a list of subnet ids', [], "none: the default VPC's"),
  field(
    AWS,
    'network.securityGroups',
    'a list of security group ids',
    [],
    'none: infra up creates one that blocks all incoming traffic',
  ),
  field(AWS, 'network.publicIp', 'true or false', true, 'false requires another route: a NAT gateway or endpoints'),
  field(AWS, 'iam', 'a map', {}, 'how roles are created'),
  field(AWS, 'iam.permissionsBoundary', 'a policy ARN', null, 'set on each role that is created'),
  field(AWS, 'iam.workerProfile', 'a name', null, "the workers' existing instance profile; none: infra up creates one"),
  field(
    AWS,
    'iam.managerProfile',
    'a name',
    null,
    "the manager's existing instance profile; none: infra up creates one",
  ),
  field(AWS, 'kmsKey', 'a key ARN', null, "encrypts bucket, queues and volumes; none: the services' own keys"),
  field(AWS, 'tags', 'a map of text', {}, 'set on all created resources'),
  field(AWS, 'manager', 'a map', null, 'without it, no manager, role or Elastic IP is created'),
  field(AWS, 'manager.instance', 'an instance type', 't4g.small', "the manager's instance"),
  field(AWS, 'manager.allow', 'a list of CIDR blocks', [], 'who may reach its port; none: no one'),
  field(AWS, 'budget', 'a map', {}, 'cost limits, in USD'),
  field(
    AWS,
    'budget.month',
    'a number over 0',
    null,
    'at this cost in a calendar month (in tz, or else UTC) all jobs pause',
  ),
  field(AWS, 'budget.job', 'a number over 0', null, 'cost at which a job pauses, unless --max-cost is given'),
  field(
    AWS,
    'prices',
    'a map of instance types and USD an hour',
    {},
    'hourly price of on-demand instances, and of spot instances without a market price',
  ),
  field(
    AWS,
    'metrics',
    'true or false',
    false,
    'the manager or tick publishes metrics to CloudWatch every minute: docs/notify.md',
  ),
  field(
    AWS,
    'endpoints',
    'a map of URLs',
    {},
    "servers to use instead of AWS's own; AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE> take precedence",
  ),
  ...ENDPOINTS.map((service) =>
    field(AWS, `endpoints.${service}`, 'an http: or https: URL', null, `the server for ${service}`),
  ),

  field(MANAGER, 'url', 'an https: URL', null, "the manager's address"),
  field(MANAGER, 'tokenEnv', 'a variable name', 'BATCHCTL_TOKEN', 'the environment variable with the token'),
  field(
    MANAGER,
    'fingerprint',
    'sha256:...',
    null,
    'fingerprint of a certificate to accept even if no authority signed it',
  ),
];
