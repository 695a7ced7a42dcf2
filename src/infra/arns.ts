import type { AwsProfile } from '../config/load-config.ts';
import { deadQueueName, domainName, gridName, partitionOf, queueName } from '../lib/stack-names.ts';

/** The ARNs of a profile's resources; `*` stands for an account that the profile doesn't name. */
export class Arns {
  readonly #profile: AwsProfile;
  readonly #partition: string;
  /** Whether patterns stand for lists of queues and groups, which many groups make long. */
  readonly wide: boolean;

  constructor(profile: AwsProfile, wide = false) {
    this.#profile = profile;
    this.wide = wide;
    this.#partition = partitionOf(profile.region);
  }

  get bucket(): string {
    return this.bucketNamed(this.#profile.bucket.name);
  }

  bucketNamed(name: string): string {
    return `arn:${this.#partition}:s3:::${name}`;
  }

  /** Objects of the bucket below the profile's prefix. `*` matches any part of a key. */
  objects(...keys: readonly string[]): readonly string[] {
    return keys.map((key) => `${this.bucket}/${escapePattern(this.#profile.bucket.prefix)}${key}`);
  }

  /** Each group's queue and dead-letter queue. */
  get queues(): readonly string[] {
    const { stack, groups } = this.#profile;
    if (this.wide) return [this.queue(`${stack}-*`)];
    const names = Object.keys(groups).map((group) => queueName(stack, group));
    return names.flatMap((name) => [name, deadQueueName(name)]).map((name) => this.queue(name));
  }

  queue(name: string): string {
    return this.#of('sqs', name);
  }

  /** Empty unless the ledger is in SimpleDB. */
  get domains(): readonly string[] {
    const { stack, ledger } = this.#profile;
    if (ledger.kind !== 'simpledb') return [];
    return Array.from({ length: ledger.domains }, (_, n) => this.domain(domainName(stack, n)));
  }

  domain(name: string): string {
    return this.#of('sdb', `domain/${name}`);
  }

  /** The database's user, if it uses IAM tokens. RDS's ARN names the instance by an id that no URL contains. */
  get databaseUsers(): readonly string[] {
    const { ledger } = this.#profile;
    if ((ledger.kind !== 'postgres' && ledger.kind !== 'mysql') || !ledger.iam) return [];
    return [this.#of('rds-db', `dbuser:*/${decodeURIComponent(new URL(ledger.url).username)}`)];
  }

  /**
   * The SSM parameter of a reference: an ARN, or a name with or without its leading slash. A version or label isn't
   * part of the ARN.
   */
  parameter(name: string): string {
    return name.startsWith('arn:') ? name : this.#of('ssm', `parameter/${name.replace(/^\//, '').replace(/:.*$/, '')}`);
  }

  /** A secret in Secrets Manager, which ends every ARN with six random characters. */
  secret(name: string): string {
    return name.startsWith('arn:') ? name : this.#of('secretsmanager', `secret:${name}-??????`);
  }

  /** An SNS topic, by its ARN or its name. */
  topic(name: string): string {
    return name.startsWith('arn:') ? name : this.#of('sns', name);
  }

  /** Each worker group's Auto Scaling group. The service's own id is part of the ARN. */
  get groups(): readonly string[] {
    const { stack, groups } = this.#profile;
    if (this.wide) return [this.group(`${stack}-*`)];
    return Object.keys(groups).map((group) => this.group(gridName(stack, group)));
  }

  group(name: string): string {
    return this.#of('autoscaling', `autoScalingGroup:*:autoScalingGroupName/${name}`);
  }

  /** A resource of EC2: `volume/*`. */
  ec2(resource: string): string {
    return this.#of('ec2', resource);
  }

  /** The account's keys. */
  get keys(): string {
    return this.#of('kms', 'key/*');
  }

  /** EC2's quotas (Service Quotas: resource types). */
  get quotas(): string {
    return this.#of('servicequotas', 'ec2/*');
  }

  /** Images and AWS's own parameters, whose ARNs have no account. */
  public(service: 'ec2' | 'ssm', resource: string): string {
    return `arn:${this.#partition}:${service}:${this.#profile.region}::${resource}`;
  }

  /** A resource of IAM, which has no regions: `role/prod-worker`. */
  iam(resource: string): string {
    return `arn:${this.#partition}:iam::${this.#profile.account ?? '*'}:${resource}`;
  }

  #of(service: string, resource: string): string {
    const { region, account } = this.#profile;
    return `arn:${this.#partition}:${service}:${region}:${account ?? '*'}:${resource}`;
  }
}

/**
 * Escapes literal text in an ARN or a policy's pattern (IAM: policy variables, special characters). A
 * policy can't contain characters above U+00FF (IAM: PutRolePolicy): a `?` stands for each.
 */
export const escapePattern = (text: string): string =>
  replaceNonLatin(text.replace(/[*?$]/g, (character) => `\${${character}}`));

export const replaceNonLatin = (text: string): string => text.replace(/[^\0-\xff]/g, '?');
