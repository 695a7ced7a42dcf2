import { AwsClients, type AwsClientsOptions } from '../../src/adapters/aws/clients.ts';
import { useTestKeys } from './aws-keys.ts';

type Endpoints = AwsClientsOptions['endpoints'];

/** Options of clients for any account, which send requests to these endpoints in place of AWS's. */
export function clientsOptions(endpoints: Endpoints, options: Partial<AwsClientsOptions> = {}): AwsClientsOptions {
  return { region: 'us-east-1', profile: null, account: null, endpoints, ...options };
}

/** Clients of emulators, which accept any keys. */
export function openClients(endpoints: Endpoints, options: Partial<AwsClientsOptions> = {}): AwsClients {
  useTestKeys();
  return new AwsClients(clientsOptions(endpoints, options));
}
