import type { AwsClients } from '../adapters/aws/clients.ts';
import type { Insight } from '../ports/insight.ts';

/** What an AWS profile can report of itself. Its workers' disks and supervisors are on other machines. */
export function awsInsight(clients: AwsClients): Insight {
  return {
    disks: async () => [],
    supervisor: async () => null,
    credentials: async () => (await import('../adapters/aws/credentials-facts.ts')).credentialsFacts(clients),
  };
}
