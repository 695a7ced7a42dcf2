import type { Notification } from '../model/notify.ts';

/** Where and how jobs run: one profile of the configuration with all defaults, units resolved and paths absolute. */
export type Profile = LocalProfile | AwsProfile | ManagerProfile;

interface ProfileBase {
  readonly name: string;
  /** IANA zone of times without one; null: the machine's. */
  readonly tz: string | null;
  /** True: destructive commands are refused. */
  readonly protect: boolean;
}

/** The embedded default: files, SQLite and worker processes of this machine. */
export interface LocalProfile extends ProfileBase {
  readonly backend: 'local';
  /** Absolute. */
  readonly root: string;
  readonly durability: 'process' | 'power';
  /** Null: the number of processors. */
  readonly slots: number | null;
  readonly groups: Readonly<Record<string, CommandSettings>>;
  /** Patterns of `env:` and `file:` references that jobs may use; null: any that their commands can read anyway. */
  readonly allowSecrets: readonly string[] | null;
  readonly requesterPays: readonly string[];
  readonly notify: readonly Notification[];
}

export interface AwsProfile extends ProfileBase {
  readonly backend: 'aws';
  readonly region: string;
  readonly account: string | null;
  readonly stack: string;
  readonly aws: { readonly profile: string | null };
  /** `owner`: the account that must own it; null: any. `prefix` is empty or ends with a slash. */
  readonly bucket: {
    readonly name: string;
    readonly existing: boolean;
    readonly owner: string | null;
    readonly prefix: string;
  };
  readonly ledger: AwsLedger;
  readonly groups: Readonly<Record<string, AwsGroup>>;
  /** Patterns of the `env:` and `file:` references that jobs may use. */
  readonly allowSecrets: readonly string[];
  readonly requesterPays: readonly string[];
  readonly network: {
    readonly subnets: readonly string[];
    readonly securityGroups: readonly string[];
    readonly publicIp: boolean;
  };
  /** Names of existing instance profiles; null: `infra up` creates them. */
  readonly iam: {
    readonly permissionsBoundary: string | null;
    readonly workerProfile: string | null;
    readonly managerProfile: string | null;
  };
  readonly kmsKey: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Null: none is created. */
  readonly manager: { readonly instance: string; readonly allow: readonly string[] } | null;
  /** USD; null: no limit. */
  readonly budget: { readonly month: number | null; readonly job: number | null };
  /** USD per hour by instance type: of on-demand instances, and of spot instances without a market price. */
  readonly prices: Readonly<Record<string, number>>;
  readonly endpoints: Readonly<Partial<Record<Endpoint, string>>>;
  /** Whether metrics are published to CloudWatch. */
  readonly metrics: boolean;
  readonly notify: readonly Notification[];
}

export type AwsLedger =
  | { readonly kind: 'store' }
  | { readonly kind: 'simpledb'; readonly domains: number }
  | LedgerServer;

export interface LedgerServer {
  readonly kind: 'postgres' | 'mysql';
  readonly url: string;
  /** The secret with the password: `ssm:NAME` or `secretsmanager:NAME#KEY`. */
  readonly password: string | null;
  /** The ARN of the customer's key that encrypts the secret; null: AWS's own, or `kmsKey`. */
  readonly passwordKey: string | null;
  /** The variable with the password, on this machine only. */
  readonly passwordEnv: string | null;
  /** Whether a token of IAM replaces the password. */
  readonly iam: boolean;
  readonly ca: string | null;
}

export interface CommandSettings {
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface AwsGroup extends CommandSettings {
  readonly instances: readonly string[];
  readonly spot: boolean;
  /** What a worker does when EC2 reports an elevated risk of interruption. */
  readonly rebalance: 'keep' | 'leave';
  readonly onDemandBase: number;
  /** Number of instances that may be on demand where spot would miss a deadline. */
  readonly onDemandMax: number;
  readonly min: number;
  readonly max: number;
  /** Null: the number of the instance's processors. */
  readonly slots: number | null;
  /** Seconds. */
  readonly visibility: number;
  /** Bytes. */
  readonly disk: number;
  readonly ami: string | null;
  /** An absolute path. */
  readonly setup: string | null;
  /** Seconds. */
  readonly setupTimeout: number;
  readonly packages: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** ARNs of the keys that encrypt the data of `read` and `write`. */
  readonly keys: readonly string[];
  /** Whether commands may use the instance's role. */
  readonly commandRole: boolean;
}

/** A group of at most one small spot instance, without rights, setup or variables of its own. */
export const BARE_GROUP: AwsGroup = {
  instances: ['c7g.large'],
  spot: true,
  rebalance: 'keep',
  onDemandBase: 0,
  onDemandMax: 0,
  min: 0,
  max: 1,
  slots: null,
  visibility: 120,
  disk: 30e9,
  ami: null,
  setup: null,
  setupTimeout: 900,
  packages: [],
  read: [],
  write: [],
  keys: [],
  commandRole: false,
  env: {},
  secrets: {},
};

/** A manager used instead of AWS. */
export interface ManagerProfile extends ProfileBase {
  readonly backend: 'manager';
  /** Without a final slash. */
  readonly url: string;
  readonly tokenEnv: string;
  readonly fingerprint: string | null;
}

/** Services with an endpoint of their own, and their names in the variables AWS_ENDPOINT_URL_<NAME>. */
export const ENDPOINT_VARIABLES = {
  s3: 'S3',
  sqs: 'SQS',
  ec2: 'EC2',
  autoscaling: 'AUTO_SCALING',
  iam: 'IAM',
  ssm: 'SSM',
  sts: 'STS',
  simpledb: 'SIMPLEDB',
  secretsmanager: 'SECRETS_MANAGER',
  kms: 'KMS',
  sns: 'SNS',
  cloudwatch: 'CLOUDWATCH',
  servicequotas: 'SERVICE_QUOTAS',
} as const;
export type Endpoint = keyof typeof ENDPOINT_VARIABLES;
export const ENDPOINTS = Object.keys(ENDPOINT_VARIABLES) as readonly Endpoint[];
