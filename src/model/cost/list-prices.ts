/**
 * List prices of AWS in us-east-1, US dollars, as of November 2026, for estimates without another price. Copied from
 * AWS's price pages, which `docs/aws.md` names; other regions cost up to about twice as much.
 */
export const LIST_PRICES = {
  /** An on-demand instance per hour (aws.amazon.com/ec2/pricing/on-demand). */
  instanceHour: { 't4g.small': 0.0168, 'c7g.medium': 0.0363, 'c7g.large': 0.0725, 'm7g.large': 0.0816 },
  /** gp3 per GB and month (aws.amazon.com/ebs/pricing). */
  volumeMonth: 0.08,
  /** A public IPv4 address per hour, including Elastic IPs (aws.amazon.com/vpc/pricing). */
  addressHour: 0.005,
  /** A NAT gateway: per hour, and per GB (aws.amazon.com/vpc/pricing). */
  natHour: 0.045,
  natGigabyte: 0.045,
  /** An interface endpoint per hour and zone, without traffic (aws.amazon.com/privatelink/pricing). */
  endpointHour: 0.01,
  /** A custom metric per month (aws.amazon.com/cloudwatch/pricing). */
  metricMonth: 0.3,
  /**
   * S3 Standard: per GB and month; per 1,000 PUT, COPY, POST, LIST requests; per 1,000 GET requests
   * (aws.amazon.com/s3/pricing).
   */
  storageMonth: 0.023,
  thousandPuts: 0.005,
  thousandGets: 0.0004,
  /** A million requests to a standard queue (aws.amazon.com/sqs/pricing). */
  millionMessages: 0.4,
  /** A customer's key per month (aws.amazon.com/kms/pricing). */
  keyMonth: 1,
  /** RDS Proxy per hour and vCPU of the database behind it, at least two (aws.amazon.com/rds/proxy/pricing). */
  proxyHour: 0.015,
  /** PostgreSQL on RDS in one zone per hour, and its gp3 per GB and month (aws.amazon.com/rds/postgresql/pricing). */
  databaseHour: { 'db.t4g.medium': 0.065, 'db.m7g.large': 0.168 },
  databaseMonth: 0.115,
  /** An action per minute (aws.amazon.com/fis/pricing). */
  faultMinute: 0.1,
} as const;

/** US dollars for requests to S3 (`puts` include LIST, COPY and POST) and to SQS, at list prices. */
export function requestsCost({ gets, puts, queue }: { gets: number; puts: number; queue: number }): number {
  const { thousandGets, thousandPuts, millionMessages } = LIST_PRICES;
  return (gets * thousandGets + puts * thousandPuts) / 1_000 + (queue * millionMessages) / 1_000_000;
}

/** Hours per month on AWS's price pages. */
export const MONTH_HOURS = 730;
