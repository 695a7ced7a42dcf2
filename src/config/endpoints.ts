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
