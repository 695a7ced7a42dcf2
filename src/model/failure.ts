/** How an attempt failed. */
export interface Failure {
  /** A stable word: exit, signal, timeout, stall, memory, missing, input, output, counters, changed, killed ... */
  readonly reason: string;
  readonly exitCode: number | null;
  /** The last line of stderr, or what the worker found; at most 512 characters. */
  readonly error: string | null;
}

/** tries/: a failed attempt. failed/: a task that failed for good in a round. */
export interface FailureRecord extends Failure {
  readonly format: 1;
  readonly attempt: string;
  readonly number: number;
  readonly worker: string;
  /** ISO-8601 UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** The folded cause, as text. */
  readonly cause: string;
  /** How many entries of the job's journal its worker had read when it began; absent of older versions. */
  readonly entries?: number;
  /**
   * True: bad input, as far as one can tell: the task used up its attempts, and they failed on at least two workers.
   * Only in `failed/`; absent where it isn't so.
   */
  readonly badInput?: true;
}
