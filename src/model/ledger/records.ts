import type { JobState } from '../job-state.ts';

export interface LedgerJob {
  readonly job: string;
  readonly name: string;
  readonly runKey: string | null;
  readonly state: JobState;
  /** A stable code for the reason of the state, or null. */
  readonly reason: string | null;
  readonly round: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly closedAt: number | null;
  readonly createdBy: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly steps: readonly { readonly name: string; readonly group: string; readonly total: number }[];
  /** True once its tasks were deleted; absent before. Only `forget` sets it. */
  readonly pruned?: boolean;
}

/**
 * The result of an attempt. `running` marks its start. `failedAttempt` will be retried; `failed` is for good in its
 * round; `interrupted` was returned and is not a failure; `done` was published.
 */
export type AttemptOutcome = 'running' | 'done' | 'failedAttempt' | 'failed' | 'interrupted';

export interface AttemptEvent {
  readonly job: string;
  readonly step: string;
  readonly task: number;
  readonly round: number;
  readonly attempt: string;
  /** A number, from 1. */
  readonly number: number;
  readonly worker: string;
  readonly slot: number;
  readonly outcome: AttemptOutcome;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Seconds between sending (or becoming due) and starting, null when unknown. */
  readonly waitSeconds: number | null;
  readonly exitCode: number | null;
  /** Stable identifier: `exit`, `signal`, `timeout`, `stall`, `memory`, `input`, `drain` ... */
  readonly reason: string | null;
  /** The last line of stderr, at most 512 characters. */
  readonly error: string | null;
  readonly cpuSeconds: number | null;
  /** Peak resident bytes, null when unknown. */
  readonly peakMemory: number | null;
  readonly bytesIn: number | null;
  readonly bytesOut: number | null;
  /** Exact decimals, as text. */
  readonly counters: Readonly<Record<string, string>>;
}

/** The facts that an attempt may lack, all unknown. */
export const UNKNOWN_FACTS = {
  waitSeconds: null,
  exitCode: null,
  reason: null,
  error: null,
  cpuSeconds: null,
  peakMemory: null,
  bytesIn: null,
  bytesOut: null,
  counters: {},
} as const satisfies Partial<AttemptEvent>;

export type TaskState = 'waiting' | 'running' | 'done' | 'failed' | 'skipped';

export interface LedgerTask extends Pick<AttemptEvent, 'step' | 'task' | 'round' | 'exitCode' | 'reason' | 'error'> {
  readonly state: TaskState;
  /** Recorded attempts in all rounds. */
  readonly attempts: number;
  readonly worker: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export interface StepCounts {
  readonly step: string;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  /** Failed attempts that were, or will be, retried. */
  readonly retried: number;
  readonly interrupted: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Sums over done tasks, as exact decimal text. */
  readonly counters: Readonly<Record<string, string>>;
  /** Sum of the durations of successful attempts, seconds. */
  readonly seconds: number;
  /** When the last event of the step was recorded, milliseconds since the epoch; null if none. */
  readonly movedAt: number | null;
  /** True if the numbers are known to match the store. */
  readonly exact: boolean;
}

export type ExactCounts = Pick<
  StepCounts,
  'step' | 'done' | 'failed' | 'bytesIn' | 'bytesOut' | 'seconds' | 'counters'
>;

export type WorkerState = 'starting' | 'idle' | 'busy' | 'draining' | 'gone';

/** A worker whose last heartbeat is older than this counts as gone, milliseconds. */
export const aliveMs = (leaseSeconds: number): number => 2 * leaseSeconds * 1_000;

export interface LedgerWorker {
  readonly worker: string;
  readonly group: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly state: WorkerState;
  readonly slots: number;
  /** Bytes available to all its tasks together; absent if the worker doesn't report it. */
  readonly memory?: number;
  readonly disk?: number;
  /** Running tasks, `job/step/n`, at most 64. */
  readonly busy: readonly string[];
  readonly done: number;
  readonly failed: number;
  readonly startedAt: number;
  readonly seenAt: number;
  /** The instance it runs on, if that is paid for; otherwise absent, or if the worker doesn't report it. */
  readonly machine?: WorkerMachine;
  /**
   * Slot-seconds spent on jobs, by job: for ended attempts with any outcome, and running ones up to `seenAt`. At most
   * 64 jobs by name; the rest is added up under the empty name.
   */
  readonly spent?: Readonly<Record<string, number>>;
}

export interface WorkerMachine {
  readonly type: string;
  readonly zone: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  /** Start of its launch, milliseconds since the epoch, from which it is charged. Absent if unknown. */
  readonly launchedAt?: number;
  /** The permission without which its idle worker could not end it. Absent: none lacked. */
  readonly denied?: string;
}
