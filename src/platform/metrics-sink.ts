import type { AwsClients } from '../adapters/aws/clients.ts';
import type { MetricsSink } from '../ports/metrics.ts';

/** CloudWatch, loaded when metrics are first published. */
export function metricsSink(clients: AwsClients, stack: string): MetricsSink {
  return {
    put: async (metrics, at) => (await import('../adapters/aws/cloudwatch.ts')).putMetrics(clients, stack, metrics, at),
  };
}
