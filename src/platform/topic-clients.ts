import { AwsClients, type AwsClientsOptions } from '../adapters/aws/clients.ts';

/** Clients for the region in a topic's ARN, where it must be published. */
export function topicClients(
  own: AwsClients,
  at: AwsClientsOptions,
): { readonly of: (topic: string) => AwsClients; readonly close: () => Promise<void> } {
  const made = new Map<string, AwsClients>();
  return {
    of: (topic) => {
      const [, region = own.region] = /^arn:[^:]+:sns:([^:]+):/.exec(topic) ?? [];
      if (region === own.region) return own;
      const clients = made.get(region) ?? new AwsClients({ ...at, region });
      made.set(region, clients);
      return clients;
    },
    close: async () => {
      await Promise.all([...made.values()].map((clients) => clients.close()));
    },
  };
}
