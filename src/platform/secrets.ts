import type { AwsClients } from '../adapters/aws/clients.ts';
import type { AwsProfile, LocalProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import type { Environment } from '../lib/environment.ts';
import { OpenMap } from '../lib/once.ts';
import type { SecretSource } from '../ports/secret-source.ts';

/** Reads secrets with the profile's own clients, which are loaded on first use. */
export function awsSecrets(clients: AwsClients): SecretSource {
  return {
    read: async (reference) => new (await import('../adapters/aws/secrets.ts')).AwsSecrets(clients).read(reference),
  };
}

/** The secrets that the profile lets jobs use, and those it gives to commands of its groups. */
export function allowedSecrets(
  { allowSecrets, groups }: Pick<AwsProfile | LocalProfile, 'allowSecrets' | 'groups'>,
  commandUser: boolean,
): readonly string[] | null {
  if (allowSecrets === null && !commandUser) return null;
  return [...(allowSecrets ?? []), ...Object.values(groups).flatMap(({ secrets }) => Object.values(secrets))];
}

/**
 * Reads secrets for a local profile, so that a job runs here as on AWS. Credentials, region and endpoints come from the
 * environment, as with the AWS CLI. An ARN contains its own region.
 */
export function localSecrets(env: Environment = process.env): {
  readonly source: SecretSource;
  /** Clients for the region in a reference such as `sns:ARN`. */
  readonly clientsOf: (reference: string) => Promise<AwsClients>;
  readonly close: () => Promise<void>;
} {
  const clients = new OpenMap<AwsClients>((region) => openClients(region, env));
  const clientsOf = async (reference: string): Promise<AwsClients> => clients.get(regionOf(reference, env));
  return {
    source: { read: async (reference) => awsSecrets(await clientsOf(reference)).read(reference) },
    clientsOf,
    close: () => clients.close(),
  };
}

function regionOf(reference: string, env: Environment): string {
  const [, ofArn] = /^[a-z]+:arn:[^:]+:[^:]+:([^:]+):/.exec(reference) ?? [];
  const region = ofArn ?? nonEmpty(env.AWS_REGION) ?? nonEmpty(env.AWS_DEFAULT_REGION);
  if (region !== undefined) return region;
  throw new BatchctlError('config', 'expected its region in AWS_REGION, found none', {
    hint: 'export AWS_REGION=eu-west-1 (or another), or use env: or file: on this profile',
  });
}

async function openClients(region: string, env: Environment): Promise<AwsClients> {
  const { AwsClients } = await import('../adapters/aws/clients.ts');
  const ssm = nonEmpty(env.AWS_ENDPOINT_URL_SSM) ?? nonEmpty(env.AWS_ENDPOINT_URL);
  const secretsmanager = nonEmpty(env.AWS_ENDPOINT_URL_SECRETS_MANAGER) ?? nonEmpty(env.AWS_ENDPOINT_URL);
  const sns = nonEmpty(env.AWS_ENDPOINT_URL_SNS) ?? nonEmpty(env.AWS_ENDPOINT_URL);
  const endpoints = {
    ...(ssm !== undefined && { ssm }),
    ...(secretsmanager !== undefined && { secretsmanager }),
    ...(sns !== undefined && { sns }),
  };
  return new AwsClients({ region, profile: null, account: null, endpoints });
}

const nonEmpty = (value: string | undefined): string | undefined => (value === '' ? undefined : value);
