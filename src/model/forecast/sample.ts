/** What one published task took, and what it was given. */
export interface Observation {
  readonly task: number;
  /** Bytes of the part that its chain began with; 0 where parts have no size. */
  readonly size: number;
  readonly seconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly cpuSeconds: number | null;
  readonly peakMemory: number | null;
  /** Files that it published, of a step that explodes. */
  readonly files: number | null;
}

/** A job that ran: some of its tasks of each step, in step order. */
export interface SampleRun {
  readonly steps: readonly (readonly Observation[])[];
  /** Bytes that its first step took in, all tasks together. */
  readonly bytesIn: number;
  /** Seconds from submission to the first attempt, and from the last one to the close. */
  readonly before: number;
  readonly after: number;
}

/** A figure with its error: one in ten is below `low`, one in ten above `high`. */
export interface Estimate {
  readonly low: number;
  readonly expected: number;
  readonly high: number;
}
