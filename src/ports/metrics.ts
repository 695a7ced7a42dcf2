export interface Metric {
  /** As named in CloudWatch: `BacklogVisible`. */
  readonly name: string;
  readonly unit: 'count' | 'seconds' | 'perMinute';
  readonly value: number;
  /** Null: for the whole stack. */
  readonly group: string | null;
}

export interface MetricsSink {
  /** Throws `credentials` or `unavailable`; then only the metrics of this moment are lost. */
  put(metrics: readonly Metric[], at: Date): Promise<void>;
}
