import { ENDPOINTS } from './profile.ts';

/** One field of the configuration: what it may be, what it is when no one says, and what it is for. */
export interface ConfigField {
  /** Where: `*` is any name. */
  readonly path: string;
  readonly backends: readonly Backend[];
  /** What it may be, for people. */
  readonly type: string;
  /** As it would be written in the file; null: nothing. Fields of a group, a ledger or the manager apply where that exists. */
  readonly default: unknown;
  readonly doc: string;
}

export type Backend = 'local' | 'aws' | 'manager';

const LOCAL: readonly Backend[] = ['local'];
const AWS: readonly Backend[] = ['aws'];
const MANAGER: readonly Backend[] = ['manager'];
const RUNS: readonly Backend[] = ['local', 'aws'];
const ALL: readonly Backend[] = ['local', 'aws', 'manager'];

const field = (
  backends: readonly Backend[],
  path: string,
  type: string,
  fallback: unknown,
  doc: string,
): ConfigField => ({ path, backends, type, default: fallback, doc });

/** Every field of a profile with its default: the one table (`docs/configuration.md` documents each of them). */
export const CONFIG_TABLE: readonly ConfigField[] = [
  field(ALL, 'backend', 'local, aws or manager', null, 'where jobs run: this machine, AWS, or a manager that is asked'),
  field(ALL, 'tz', 'an IANA time zone', null, "what times without a zone mean; none: the machine's zone"),
  field(ALL, 'protect', 'true or false', false, 'refuse what destroys: queue purge, infra down, --delete-data'),
  field(
    RUNS,
    'notify',
    'a list of {on, to, secret}',
    [],
    "who hears of jobs' ends and troubles, for all jobs of the profile",
  ),
  field(RUNS, 'notify[].on', 'a list of events', null, 'succeeded, failed, late, paused, budget, no-start'),
  field(RUNS, 'notify[].to', 'sns:, https: or exec:', null, 'the topic, address or program that is told'),
  field(
    RUNS,
    'notify[].secret',
    'a reference',
    null,
    'of https: what signs the body: env:, file:, ssm:, secretsmanager:',
  ),

  field(
    LOCAL,
    'root',
    'a directory',
    '.batchctl',
    "where store, queue and ledger are; relative to the file's directory",
  ),
  field(
    LOCAL,
    'durability',
    'process or power',
    'process',
    'what nothing is lost to: a killed process, or a power cut too',
  ),
  field(LOCAL, 'slots', 'a whole number from 1', null, "tasks at once on this machine; none: the processors' number"),
  field(LOCAL, 'groups', 'a map of names', {}, 'settings of groups; every group that a job names exists anyway'),
  field(LOCAL, 'groups.*', 'a map', null, 'one group'),
  field(RUNS, 'groups.*.env', 'a map of plain values', {}, "set in every command of the group; the step's own win"),
  field(
    RUNS,
    'groups.*.secrets',
    'a map of references',
    {},
    'resolved by the worker at each attempt: env:, file:, ssm:, secretsmanager:',
  ),
  field(
    RUNS,
    'allowSecrets',
    'a list of env: and file:',
    null,
    "what jobs' secrets may name of a worker's machine, * for any characters but /; none: on local all, unless commands have a user of their own; else nothing",
  ),
  field(
    RUNS,
    'requesterPays',
    'a list of bucket names',
    [],
    'buckets that use Requester Pays: requests to them accept the cost',
  ),

  field(AWS, 'region', 'an AWS region', null, 'where all of it lives; none: AWS_REGION, then AWS_DEFAULT_REGION'),
  field(AWS, 'account', 'twelve digits, as text', null, 'the only account that is ever written to; none: not checked'),
  field(AWS, 'stack', 'a name', 'batchctl', 'prefix of the names of all that infra up makes'),
  field(AWS, 'aws', 'a map', {}, 'how the AWS SDK finds credentials'),
  field(AWS, 'aws.profile', 'a name', null, "the profile of ~/.aws to use; none: the SDK's own search"),
  field(
    AWS,
    'bucket',
    'a name, or a map',
    null,
    'the bucket of data and jobs; none: <stack>-<account>-<region>, if account is given',
  ),
  field(AWS, 'bucket.name', 'a bucket name', null, "the bucket's name"),
  field(AWS, 'bucket.existing', 'true or false', false, 'it is not made, reconfigured or deleted by infra'),
  field(
    AWS,
    'bucket.owner',
    'twelve digits, as text',
    null,
    'of an existing bucket: the account that owns it; none: account',
  ),
  field(AWS, 'bucket.prefix', 'empty, or text that ends with /', '', 'put before every key'),
  field(AWS, 'ledger', 'a map with kind', { kind: 'store' }, 'where progress and statistics are kept'),
  field(
    AWS,
    'ledger.kind',
    'store, simpledb, postgres or mysql',
    'store',
    'store: in the bucket, nothing to run besides',
  ),
  field(AWS, 'ledger.domains', '1 to 100', 4, 'simpledb: how many domains share the writes'),
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
  field(AWS, 'ledger.iam', 'true or false', false, 'postgres: an IAM token in place of a password'),
  field(
    AWS,
    'groups',
    'a map of groups',
    { default: {} },
    'the worker groups, each with its queue and Auto Scaling group',
  ),
  field(AWS, 'groups.*', 'a map', null, 'one group; a job that names another is refused when planned'),
  field(
    AWS,
    'groups.*.instances',
    'a list of instance types',
    ['c7g.large', 'm7g.large'],
    'what may be started: several make spot steadier',
  ),
  field(
    AWS,
    'groups.*.spot',
    'true or false',
    true,
    'spot instances: cheaper, now and then interrupted; tasks are given back unharmed',
  ),
  field(
    AWS,
    'groups.*.rebalance',
    'keep or leave',
    'keep',
    'at a rebalance recommendation: take no long tasks for ten minutes, or finish what runs and replace the instance',
  ),
  field(
    AWS,
    'groups.*.onDemandBase',
    'a whole number from 0',
    0,
    'so many instances are on demand before spot is used',
  ),
  field(
    AWS,
    'groups.*.onDemandMax',
    'a whole number from 0',
    null,
    'so many may be on demand where spot cannot be had and a deadline would be missed; none: a quarter of max; 0: never',
  ),
  field(AWS, 'groups.*.min', 'a whole number from 0', 0, 'never fewer instances: 0 costs nothing between month ends'),
  field(AWS, 'groups.*.max', 'a whole number from 1', 20, 'never more instances'),
  field(
    AWS,
    'groups.*.slots',
    'a whole number from 1',
    null,
    "tasks at once on an instance; none: its processors' number",
  ),
  field(
    AWS,
    'groups.*.visibility',
    'a duration up to 12h',
    '120s',
    'the lease: after so long without a heartbeat a task goes to another worker',
  ),
  field(AWS, 'groups.*.disk', 'a size from 8GB', '30GB', 'the root volume'),
  field(
    AWS,
    'groups.*.ami',
    'ami-..., or ssm:PARAMETER',
    null,
    "the machine image; none: the newest Amazon Linux 2023 of the type's architecture",
  ),
  field(
    AWS,
    'groups.*.setup',
    'a file',
    null,
    'a script that the instance runs as root before its worker, relative to the file',
  ),
  field(AWS, 'groups.*.setupTimeout', 'a duration', '15m', 'an instance whose setup takes longer is replaced'),
  field(AWS, 'groups.*.packages', 'a list of package names', [], 'installed before setup'),
  field(AWS, 'groups.*.read', 'a list of s3:// prefixes', [], "what else the group's commands may read"),
  field(AWS, 'groups.*.write', 'a list of s3:// prefixes', [], 'where else its workers may deliver outputs'),
  field(AWS, 'groups.*.keys', 'a list of key ARNs', [], 'KMS keys that encrypt what read and write name'),
  field(AWS, 'groups.*.commandRole', 'true or false', false, "commands reach the instance's role; else they have none"),
  field(AWS, 'network', 'a map', {}, 'where instances stand'),
  field(AWS, 'network.subnets', 'a list of subnet ids', [], "none: the default VPC's"),
  field(AWS, 'network.securityGroups', 'a list of security group ids', [], 'none: one is made that lets nothing in'),
  field(AWS, 'network.publicIp', 'true or false', true, 'false needs a way out: a NAT gateway, or endpoints'),
  field(AWS, 'iam', 'a map', {}, 'how roles are made'),
  field(AWS, 'iam.permissionsBoundary', 'a policy ARN', null, 'set on each role that is made'),
  field(
    AWS,
    'iam.workerProfile',
    'a name',
    null,
    "the workers' instance profile, if it is there already; none: one is made",
  ),
  field(
    AWS,
    'iam.managerProfile',
    'a name',
    null,
    "the manager's instance profile, if it is there already; none: one is made",
  ),
  field(AWS, 'kmsKey', 'a key ARN', null, 'encrypts bucket, queues and volumes; none: the keys of the services'),
  field(AWS, 'tags', 'a map of text', {}, 'set on all that is made'),
  field(AWS, 'manager', 'a map', null, 'without it no manager, role or Elastic IP is made'),
  field(AWS, 'manager.instance', 'an instance type', 't4g.small', "the manager's instance"),
  field(AWS, 'manager.allow', 'a list of CIDR blocks', [], 'who reaches its port; none: no one'),
  field(AWS, 'budget', 'a map', {}, 'guards against cost, in USD'),
  field(
    AWS,
    'budget.month',
    'a number over 0',
    null,
    'at so much in a calendar month (of tz, else of UTC) all jobs pause',
  ),
  field(AWS, 'budget.job', 'a number over 0', null, 'a job pauses at so much, unless --max-cost says otherwise'),
  field(
    AWS,
    'prices',
    'a map of instance types and USD an hour',
    {},
    'what on-demand instances cost, and spot ones where the market does not tell',
  ),
  field(AWS, 'metrics', 'true or false', false, 'keepers put figures into CloudWatch, each minute: docs/notify.md'),
  field(
    AWS,
    'endpoints',
    'a map of URLs',
    {},
    "other servers than AWS's own; AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE> beat it",
  ),
  ...ENDPOINTS.map((service) =>
    field(AWS, `endpoints.${service}`, 'an http: or https: URL', null, `the server for ${service}`),
  ),

  field(MANAGER, 'url', 'an https: URL', null, "the manager's address"),
  field(MANAGER, 'tokenEnv', 'a variable name', 'BATCHCTL_TOKEN', 'the environment variable that holds the token'),
  field(MANAGER, 'fingerprint', 'sha256:...', null, 'the certificate that is accepted though no authority signed it'),
];
