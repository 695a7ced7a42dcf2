/** One figure of this moment. */
export interface Metric {
  /** As CloudWatch has it: `BacklogVisible`. */
  readonly name: string;
  readonly unit: 'count' | 'seconds' | 'perMinute';
  readonly value: number;
  /** Null: of the whole stack. */
  readonly group: string | null;
}

/** Where figures go again and again. */
export interface MetricsSink {
  /** Throws `credentials` or `unavailable`: then those of this moment are missing, and nothing else. */
  put(metrics: readonly Metric[], at: Date): Promise<void>;
}
