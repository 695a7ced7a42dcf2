/**
 * List prices of AWS in us-east-1, US dollars, as of November 2026: for estimates of what has no price elsewhere. They
 * were copied from AWS's price pages; other regions ask up to about twice as much. `docs/aws.md` names the pages.
 */
export const LIST_PRICES = {
  /** An hour of an on-demand instance (aws.amazon.com/ec2/pricing/on-demand). */
  instanceHour: { 't4g.small': 0.0168, 'c7g.medium': 0.0363, 'c7g.large': 0.0725, 'm7g.large': 0.0816 },
  /** A GB of gp3 for a month (aws.amazon.com/ebs/pricing). */
  volumeMonth: 0.08,
  /** An hour of a public IPv4 address, Elastic IPs too (aws.amazon.com/vpc/pricing). */
  addressHour: 0.005,
  /** A NAT gateway: an hour, and a GB through it (aws.amazon.com/vpc/pricing). */
  natHour: 0.045,
  natGigabyte: 0.045,
  /** S3 Standard: a GB for a month; a thousand of PUT, COPY, POST, LIST; a thousand of GET (aws.amazon.com/s3/pricing). */
  storageMonth: 0.023,
  thousandPuts: 0.005,
  thousandGets: 0.0004,
  /** A million requests to a standard queue (aws.amazon.com/sqs/pricing). */
  millionMessages: 0.4,
  /** A customer's key for a month (aws.amazon.com/kms/pricing). */
  keyMonth: 1,
  /** An hour of a vCPU of the database behind an RDS Proxy, two at least (aws.amazon.com/rds/proxy/pricing). */
  proxyHour: 0.015,
  /** An hour of PostgreSQL on RDS in one zone, and a GB of its gp3 for a month (aws.amazon.com/rds/postgresql/pricing). */
  databaseHour: { 'db.t4g.medium': 0.065, 'db.m7g.large': 0.168 },
  databaseMonth: 0.115,
  /** A minute of an action (aws.amazon.com/fis/pricing). */
  faultMinute: 0.1,
} as const;

/** Hours of a month, as AWS's price pages have it. */
export const MONTH_HOURS = 730;
