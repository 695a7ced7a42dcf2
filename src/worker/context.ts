import type { PlacePoint } from '../jobs/fetch/fill-place.ts';
import type { NotifyPoint } from '../jobs/send-notice.ts';
import type { FailureStreaks } from '../model/breaker.ts';
import type { AttemptEvent, WorkerMachine } from '../model/ledger/records.ts';
import type { Platform } from '../ports/platform.ts';
import type { Denials } from './denials.ts';
import type { Executor } from './executor.ts';
import type { InjectedFaults } from './injected-faults.ts';
import type { JobCache } from './job-cache.ts';
import type { Resources } from './resources.ts';
import type { Retrier } from './retrier.ts';
import type { SecretReader } from './secrets.ts';

/** The dependencies that every part of the worker gets. */
export interface WorkerContext {
  readonly platform: Platform;
  readonly worker: string;
  readonly jobs: JobCache;
  readonly executor: Executor;
  readonly secrets: SecretReader;
  readonly streaks: FailureStreaks;
  readonly denials: Denials;
  /** For reads of jobs: a store that fails or throttles delays the work that needs them. Leases are kept meanwhile. */
  readonly retrier: Pick<Retrier, 'run'>;
  /** The parent of the attempts' directories, if possible on the store's file system. */
  readonly scratch: string;
  /** Working directories that were seen empty after their last command, as `prepareSlotDirectory` wants to know. */
  readonly emptyDirectories: Set<string>;
  readonly total: Resources;
  /** Variables of this process that commands inherit. */
  readonly inherited: Readonly<Record<string, string>>;
  /** Resolves when the event is in the ledger, by group commit, or queued while the ledger is unavailable. */
  readonly record: (event: AttemptEvent) => Promise<void>;
  /** Time from SIGTERM to SIGKILL for a command, milliseconds. */
  readonly graceMs: number;
  readonly log: WorkerLog;
  /** Fault points for the crash tests, called by name after each step that must survive a kill. */
  readonly passed: (point: FaultPoint) => void;
  /** Only in a rehearsal's worker: faults in its own attempts. */
  readonly faults?: InjectedFaults | null;
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
  | NotifyPoint;

export interface WorkerLog {
  info(message: string): void;
  warn(message: string): void;
}

/** A worker's task, and when it ends. */
export interface WorkerOptions {
  readonly worker: string;
  readonly groups: readonly string[];
  readonly host: string;
  readonly version: string;
  readonly total: Resources;
  /** The instance that it runs on; absent or null elsewhere. */
  readonly machine?: WorkerMachine | null;
  /** Leave once no open job has work for these groups (law 7). */
  readonly untilEmpty: boolean;
  /** Leave after this many seconds without work; null: never. */
  readonly idleExit: number | null;
  /** Leave after this many failed attempts in a row; null: never. */
  readonly maxFailures: number | null;
  /** When it aborts: stop taking, finish, leave. */
  readonly drain: AbortSignal;
  /** When it aborts: return running tasks, leave now. */
  readonly stop: AbortSignal;
  readonly makeExecutor: (options: { slots: number; worker: string; directory: string }) => Executor;
  readonly say: (line: string) => void;
  /** Time from SIGTERM to SIGKILL for a command that is ended, milliseconds; 10,000 by default. */
  readonly graceMs?: number;
  readonly passed?: (point: FaultPoint) => void;
  /** Only in a rehearsal's worker. */
  readonly faults?: InjectedFaults | null;
  /** The environment from which commands inherit paths, user, language and time zone; this process's by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}
