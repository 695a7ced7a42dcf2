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

export interface WorkerFaults extends Faults {
  readonly seed: number;
  /** The number, from 1, of the attempt in which it kills itself; null: never. */
  readonly killAt: number | null;
  /** A file on this machine that gets one line per fault, before it happens. */
  readonly tally: string;
}

/** The variable with a worker's own faults as JSON. A rehearsal sets it only for its own workers. */
export const FAULTS_VARIABLE = 'BATCHCTL_REHEARSAL_FAULTS';
