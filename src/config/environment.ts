import { BatchctlError } from '../errors.ts';
import type { Layer, Plain } from './merge.ts';
import type { Backend } from './table.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The SDK's names of the services in AWS_ENDPOINT_URL_<NAME>. */
const ENDPOINT_VARIABLES: Readonly<Record<string, string>> = {
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
};

/** Environment settings that the file overrides: a region, if the profile has none. */
export function environmentBelow(backend: Backend, env: Environment): Layer[] {
  if (backend !== 'aws') return [];
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    const region = env[name];
    if (region === undefined || region === '') continue;
    if (!/^[a-z]{2,}(-[a-z]+)+-\d+$/.test(region)) throw badVariable(name, region, 'an AWS region such as eu-west-1');
    return [layer(name, { region })];
  }
  return [];
}

/** Environment settings that override the file: endpoints, in the SDK's own variables. */
export function environmentAbove(backend: Backend, env: Environment): Layer[] {
  if (backend !== 'aws') return [];
  return Object.entries(ENDPOINT_VARIABLES).flatMap(([service, suffix]) => {
    const name = [`AWS_ENDPOINT_URL_${suffix}`, 'AWS_ENDPOINT_URL'].find((variable) => (env[variable] ?? '') !== '');
    const url = name === undefined ? undefined : env[name];
    if (name === undefined || url === undefined) return [];
    if (!/^https?:\/\/[^\s/]+\S*$/.test(url)) throw badVariable(name, url, 'a URL such as http://127.0.0.1:5000');
    return [layer(name, { endpoints: { [service]: url } })];
  });
}

const layer = (origin: string, value: Plain): Layer => ({ origin, profile: null, value });

const badVariable = (name: string, found: string, allowed: string): BatchctlError =>
  new BatchctlError('config', `${name}: found ${JSON.stringify(found)}, allowed: ${allowed}`, {
    hint: `correct or unset ${name}`,
  });
