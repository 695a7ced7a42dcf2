import type { WorkerMachine } from '../ports/ledger.ts';
import type { FaultPoint } from './context.ts';
import type { Executor } from './executor.ts';
import type { Resources } from './fit.ts';
import type { OwnFaults } from './own-faults.ts';

/** What a worker is to do, and until when. */
export interface WorkerOptions {
  readonly worker: string;
  readonly groups: readonly string[];
  readonly host: string;
  readonly version: string;
  readonly total: Resources;
  /** The instance that it runs on, as it is told of; absent, or null, elsewhere. */
  readonly machine?: WorkerMachine | null;
  /** Leave once no open job has work for these groups (law 7). */
  readonly untilEmpty: boolean;
  /** Leave after so many seconds without work; null: never. */
  readonly idleExit: number | null;
  /** Leave after so many failed attempts in a row; null: never. */
  readonly maxFailures: number | null;
  /** Aborted: stop taking, finish, leave. */
  readonly drain: AbortSignal;
  /** Aborted: give back what runs, leave now. */
  readonly stop: AbortSignal;
  readonly makeExecutor: (options: { slots: number; worker: string; directory: string }) => Executor;
  readonly say: (line: string) => void;
  /** From SIGTERM to SIGKILL for a command that is ended, milliseconds; 10,000 unless said. */
  readonly graceMs?: number;
  readonly passed?: (point: FaultPoint) => void;
  /** Only in a rehearsal's worker. */
  readonly faults?: OwnFaults | null;
}
