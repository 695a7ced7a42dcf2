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

export const BACKENDS = ['local', 'aws', 'manager'] as const;
export type Backend = (typeof BACKENDS)[number];

const fieldOf =
  (...backends: readonly Backend[]) =>
  (path: string, type: string, fallback: unknown, doc: string): ConfigField => ({
    path,
    backends,
    type,
    default: fallback,
    doc,
  });

const all = fieldOf(...BACKENDS);
const localAndAws = fieldOf('local', 'aws');
const local = fieldOf('local');
const aws = fieldOf('aws');
const manager = fieldOf('manager');

/** Every field of a profile with its default: the JSON Schema and the tables of `docs/configuration.md` are made from it. */
export const CONFIG_TABLE: readonly ConfigField[] = [
  all('backend', 'local, aws or manager', null, 'where jobs run: on this machine, on AWS, or through a manager'),
  all('tz', 'an IANA time zone', null, "the zone of times without one; none: the machine's zone"),
  all('protect', 'true or false', false, 'refuse destructive commands: queue purge, infra down, --delete-data'),
  localAndAws('notify', 'a list of {on, to, secret}', [], 'receivers of notifications about all jobs of the profile'),
  localAndAws('notify[].on', 'a list of events', null, 'succeeded, failed, late, paused, budget, no-start, stays'),
  localAndAws('notify[].to', 'sns:, https: or exec:', null, 'the topic, address or program to notify'),
  localAndAws(
    'notify[].secret',
    'a reference',
    null,
    'for https: the secret that signs the body: env:, file:, ssm:, secretsmanager:',
  ),

  local('root', 'a directory', '.batchctl', 'directory of store, queue and ledger, relative to the configuration file'),
  local(
    'durability',
    'process or power',
    'process',
    'what data must survive: a killed process, or also a power failure',
  ),
  local('slots', 'a whole number from 1', null, 'tasks at a time on this machine; none: the number of processors'),
  local('groups', 'a map of names', {}, 'settings of groups; a job may use groups that are not listed'),
  local('groups.*', 'a map', null, 'one group'),
  localAndAws(
    'groups.*.env',
    'a map of plain values',
    {},
    "set for every command of the group; a step's own values take precedence",
  ),
  localAndAws(
    'groups.*.secrets',
    'a map of references',
    {},
    'read by the worker at each attempt: env:, file:, ssm:, secretsmanager:',
  ),
  localAndAws(
    'allowSecrets',
    'a list of env: and file:',
    null,
    'env: and file: references that jobs may use, * for any characters but /; none: local allows all, unless commands run as another user; aws allows none',
  ),
  localAndAws(
    'requesterPays',
    'a list of bucket names',
    [],
    'buckets with Requester Pays: batchctl accepts the cost of requests to them',
  ),

  aws('region', 'an AWS region', null, 'region of all resources; none: AWS_REGION, then AWS_DEFAULT_REGION'),
  aws('account', 'twelve digits, as text', null, 'the only account that batchctl may change; none: not checked'),
  aws(
    'stack',
    'a name',
    null,
    'prefix of the names of all resources that infra up creates; none: the name of the bucket, with its prefix',
  ),
  aws('aws', 'a map', {}, 'how the AWS SDK finds credentials'),
  aws('aws.profile', 'a name', null, 'the profile of ~/.aws to use; none: as the SDK searches'),
  aws(
    'bucket',
    'a name, or a map',
    null,
    'the bucket for data and jobs; none: <stack>-<account>-<region>, if account is given (<stack>: batchctl, if not given)',
  ),
  aws('bucket.name', 'a bucket name', null, "the bucket's name"),
  aws('bucket.existing', 'true or false', false, 'infra does not create, reconfigure or delete it'),
  aws(
    'bucket.owner',
    'twelve digits, as text',
    null,
    'of an existing bucket: the account that owns it; none: `account`. S3 refuses every request if another account owns the bucket',
  ),
  aws('bucket.prefix', 'empty, or text that ends with /', '', 'prefix of every key'),
  aws('ledger', 'a map with kind', { kind: 'store' }, 'where progress and statistics are kept'),
  aws('ledger.kind', 'store, simpledb, postgres or mysql', 'store', 'store: in the bucket, needs no other service'),
  aws('ledger.domains', '1 to 100', 4, 'simpledb: number of domains that share the writes'),
  aws(
    'ledger.url',
    'a postgres: or mysql: URL',
    null,
    'postgres, mysql: server, user and database, without the password',
  ),
  aws(
    'ledger.password',
    'a reference',
    null,
    'postgres, mysql: where the password is: `ssm:NAME`, `secretsmanager:NAME` or `secretsmanager:NAME#KEY`. Instances read it there, too',
  ),
  aws(
    'ledger.passwordKey',
    'a key ARN',
    null,
    "the customer's KMS key that encrypts that secret; none: `kmsKey`, or the service's own key",
  ),
  aws(
    'ledger.passwordEnv',
    'a variable name',
    null,
    'postgres, mysql: the environment variable that holds the password. Instances have none: `infra plan` refuses it',
  ),
  aws('ledger.ca', 'a file', null, "postgres, mysql: the server's certificate authority (PEM), relative to the file"),
  aws('ledger.iam', 'true or false', false, 'postgres, mysql: use an IAM token instead of a password'),
  aws('groups', 'a map of groups', { default: {} }, 'the worker groups, each with its queue and Auto Scaling group'),
  aws('groups.*', 'a map', null, 'one group; jobs that name other groups are refused'),
  aws(
    'groups.*.instances',
    'a list of instance types',
    ['c7g.large', 'm7g.large'],
    'possible instance types: with more than one, spot is more reliable',
  ),
  aws(
    'groups.*.spot',
    'true or false',
    true,
    'use spot instances: cheaper, but sometimes interrupted; tasks are then returned to the queue',
  ),
  aws(
    'groups.*.rebalance',
    'keep or leave',
    'keep',
    'at a rebalance recommendation: take no long tasks for ten minutes, or finish running tasks and replace the instance',
  ),
  aws('groups.*.onDemandBase', 'a whole number from 0', 0, 'number of instances on demand before spot is used'),
  aws(
    'groups.*.onDemandMax',
    'a whole number from 0',
    null,
    'number of instances that may be on demand if spot is unavailable and a deadline would be missed; none: a quarter of max; 0: never',
  ),
  aws('groups.*.min', 'a whole number from 0', 0, 'minimum number of instances: 0 costs nothing between runs'),
  aws('groups.*.max', 'a whole number from 1', 20, 'maximum number of instances'),
  aws(
    'groups.*.slots',
    'a whole number from 1',
    null,
    'tasks at a time per instance; none: the number of its processors',
  ),
  aws(
    'groups.*.visibility',
    'a duration up to 12h',
    '120s',
    'the lease: a task goes to another worker after this time without a heartbeat',
  ),
  aws('groups.*.disk', 'a size from 8GB', '30GB', 'size of the root volume'),
  aws(
    'groups.*.ami',
    'ami-..., or ssm:PARAMETER',
    null,
    "the machine image; none: the newest Amazon Linux 2023 for the type's architecture",
  ),
  aws(
    'groups.*.setup',
    'a file',
    null,
    'a script that the instance runs as root before its worker, relative to the configuration file',
  ),
  aws('groups.*.setupTimeout', 'a duration', '15m', 'an instance whose setup takes longer is replaced'),
  aws('groups.*.packages', 'a list of package names', [], 'installed before setup'),
  aws('groups.*.read', 'a list of s3:// prefixes', [], "what else the group's commands may read"),
  aws('groups.*.write', 'a list of s3:// prefixes', [], 'where else its workers may deliver outputs'),
  aws('groups.*.keys', 'a list of key ARNs', [], 'KMS keys that encrypt the data of read and write'),
  aws(
    'groups.*.commandRole',
    'true or false',
    false,
    "let commands use the instance's role; otherwise they have no role",
  ),
  aws('network', 'a map', {}, 'network of the instances'),
  aws('network.subnets', 'a list of subnet ids', [], "none: the default VPC's"),
  aws(
    'network.securityGroups',
    'a list of security group ids',
    [],
    'none: infra up creates one that blocks all incoming traffic',
  ),
  aws('network.publicIp', 'true or false', true, 'false requires another route: a NAT gateway or endpoints'),
  aws('iam', 'a map', {}, 'how roles are created'),
  aws('iam.permissionsBoundary', 'a policy ARN', null, 'set on each role that is created'),
  aws('iam.workerProfile', 'a name', null, "the workers' existing instance profile; none: infra up creates one"),
  aws('iam.managerProfile', 'a name', null, "the manager's existing instance profile; none: infra up creates one"),
  aws(
    'kmsKey',
    'a key ARN',
    null,
    "encrypts bucket, queues and volumes; none: the services' own keys. Not an alias, which policies can't name: `aws kms describe-key --key-id alias/NAME --query KeyMetadata.Arn` prints the ARN",
  ),
  aws(
    'tags',
    'a map of text',
    {},
    'set on all created resources; letters, digits, spaces and `_.:/=+-@`, and two names must not differ only in case (IAM)',
  ),
  aws('manager', 'a map', null, 'without it, no manager, role or Elastic IP is created'),
  aws('manager.instance', 'an instance type', 't4g.small', "the manager's instance"),
  aws('manager.allow', 'a list of CIDR blocks', [], 'who may reach its port; none: no one'),
  aws('budget', 'a map', {}, 'cost limits, in USD'),
  aws('budget.month', 'a number over 0', null, 'at this cost in a calendar month (in tz, or else UTC) all jobs pause'),
  aws('budget.job', 'a number over 0', null, 'cost at which a job pauses, unless --max-cost is given'),
  aws(
    'prices',
    'a map of instance types and USD an hour',
    {},
    'hourly price of on-demand instances, and of spot instances without a market price',
  ),
  aws(
    'metrics',
    'true or false',
    false,
    'the manager or tick publishes metrics to CloudWatch every minute: docs/notify.md',
  ),
  aws(
    'endpoints',
    'a map of URLs',
    {},
    "servers to use instead of AWS's own; AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE> take precedence",
  ),
  ...ENDPOINTS.map((service) =>
    aws(`endpoints.${service}`, 'an http: or https: URL', null, `the server for ${service}`),
  ),

  manager('url', 'an https: URL', null, "the manager's address"),
  manager('tokenEnv', 'a variable name', 'BATCHCTL_TOKEN', 'the environment variable with the token'),
  manager('fingerprint', 'sha256:...', null, 'fingerprint of a certificate to accept even if no authority signed it'),
];
