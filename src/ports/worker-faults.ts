/** What a rehearsal's workers do to themselves. */
export interface Faults {
  /** A worker kills itself in the middle of an attempt; its supervisor starts another. */
  readonly kill: boolean;
  /** Each message is sent twice. */
  readonly duplicate: boolean;
  /** The share of attempts that fail without running, 0..1. */
  readonly fail: number;
  /** Milliseconds that each read and write of the store takes longer. */
  readonly slowMs: number;
}

/** What one worker process is told. */
export interface WorkerFaults extends Faults {
  readonly seed: number;
  /** It kills itself in the attempt that it begins as the so-manieth, from 1; null: never. */
  readonly killAt: number | null;
  /** A file of this machine to which a line is added for each fault, before it happens. */
  readonly tally: string;
}

/** The variable that holds a worker's own faults as JSON. A rehearsal sets it, for its own workers alone. */
export const FAULTS_VARIABLE = 'BATCHCTL_REHEARSAL_FAULTS';
