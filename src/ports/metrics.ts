import type { Metric } from '../model/metrics.ts';

export interface MetricsSink {
  /** Throws `credentials` or `unavailable`; then only the metrics of this moment are lost. */
  put(metrics: readonly Metric[], at: Date): Promise<void>;
}
