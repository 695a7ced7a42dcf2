import type { PlacePoint } from '../jobs/fetch/fill-place.ts';
import type { TellPoint } from '../jobs/notify/tell.ts';
import type { Streaks } from '../model/breaker.ts';
import type { AttemptEvent } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import type { Executor } from './executor.ts';
import type { Resources } from './fit.ts';
import type { JobCache } from './job-cache.ts';
import type { OwnFaults } from './own-faults.ts';
import type { Patience } from './patience.ts';
import type { SecretReader } from './secret-reader.ts';

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

export type FaultPoint =
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
