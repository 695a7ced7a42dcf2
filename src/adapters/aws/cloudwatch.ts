import type { Metric } from '../../model/metrics.ts';
import type { AwsClients } from './clients.ts';
import { translateErrors } from './errors.ts';

/** Metrics per request (CloudWatch: PutMetricData). */
const AT_ONCE = 1_000;
const NAMESPACE = 'batchctl';

/** Puts the metrics of a stack. Throws as `translateAwsError` does. */
export async function putMetrics(
  clients: AwsClients,
  stack: string,
  metrics: readonly Metric[],
  at: Date,
): Promise<void> {
  if (metrics.length === 0) return;
  const [{ PutMetricDataCommand }, client] = await Promise.all([
    import('@aws-sdk/client-cloudwatch'),
    clients.cloudWatch(),
  ]);
  const data = metrics.map(({ name, unit, value, group }) => ({
    MetricName: name,
    Timestamp: at,
    Value: value,
    Unit: UNITS[unit],
    // No dimension for the job: each combination of values is a metric that is billed.
    Dimensions: [{ Name: 'stack', Value: stack }, ...(group === null ? [] : [{ Name: 'group', Value: group }])],
  }));
  const { profile } = clients;
  const doing = { what: 'put metrics', action: 'cloudwatch:PutMetricData', resource: '*', profile };
  for (let from = 0; from < data.length; from += AT_ONCE) {
    const MetricData = data.slice(from, from + AT_ONCE);
    await translateErrors(doing, () => client.send(new PutMetricDataCommand({ Namespace: NAMESPACE, MetricData })));
  }
}

const UNITS = { count: 'Count', seconds: 'Seconds', perMinute: 'None' } as const;
