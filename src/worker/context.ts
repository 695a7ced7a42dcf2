import type { PlacePoint } from '../jobs/fetch/fill-place.ts';
import type { TellPoint } from '../jobs/notify/tell.ts';
import type { Streaks } from '../model/breaker.ts';
import type { AttemptEvent, WorkerMachine } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import type { Executor } from './executor.ts';
import type { JobCache } from './job-cache.ts';
import type { OwnFaults } from './own-faults.ts';
import type { Patience } from './publish.ts';
import type { Resources } from './resources.ts';
import type { SecretReader } from './secrets.ts';

/** What every part of the worker is given. */
export interface WorkerContext {
  readonly platform: Platform;
  readonly worker: string;
  readonly jobs: JobCache;
  readonly executor: Executor;
  readonly secrets: SecretReader;
  /** Failures in a row, by job and step. */
  readonly streaks: Streaks;
  /** For looks at jobs: a store that is away, or asks to slow down, delays what needs them. Leases are kept meanwhile. */
  readonly patience: Pick<Patience, 'during'>;
  /** Attempts have their directories here, if possible on the store's file system. */
  readonly scratch: string;
  readonly total: Resources;
  /** Resolves when the event is in the ledger, by group commit, or queued while the ledger is unavailable. */
  readonly record: (event: AttemptEvent) => Promise<void>;
  /** Time from SIGTERM to SIGKILL for a command, milliseconds. */
  readonly graceMs: number;
  readonly log: WorkerLog;
  /** Fault points for the crash tests, called by name after each step that must survive a kill. */
  readonly passed: (point: FaultPoint) => void;
  /** Only in a rehearsal's worker: faults in its own attempts. */
  readonly faults?: OwnFaults | null;
}

type FaultPoint =
  | 'stage'
  | 'publish'
  | 'record'
  | 'chain'
  | 'ack'
  | 'tries'
  | 'failed'
  | 'bury'
  | 'release'
  | 'handover'
  | PlacePoint
  | TellPoint;

export interface WorkerLog {
  info(message: string): void;
  warn(message: string): void;
}

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
