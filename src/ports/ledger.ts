import type { JobState } from '../model/job-state.ts';

/**
 * The ledger remembers (law 1): jobs, tasks and workers, for display. It decides nothing.
 *
 * Laws every adapter keeps, and `test/contracts/ledger.ts` proves:
 * - Every write is idempotent: the same record twice changes nothing.
 * - A task only moves forward: by round first, then waiting < running < failed < done; done is final.
 *   A task counts once in its step's counts and totals, however often it is recorded (law 12).
 * - `counts` costs the same at any number of tasks (law 11).
 * - Losing it loses statistics, never work: `record` accepts what the store says in any order.
 */
export interface Ledger {
  /** Creates what is needed; safe to call concurrently and repeatedly. */
  open(): Promise<void>;

  /** Records a job as accepted, or its newer state. A closed state is not replaced by an older round's. */
  recordJob(job: LedgerJob): Promise<void>;

  record(events: readonly AttemptEvent[]): Promise<void>;

  heartbeat(worker: LedgerWorker): Promise<void>;

  job(id: string): Promise<LedgerJob | null>;

  /** Newest first. */
  jobs(filter: JobFilter): Promise<readonly LedgerJob[]>;

  /** Per-step counts and totals. A worker's may be some seconds old on a large grid, unless `exact` is set. */
  counts(job: string, asked?: { readonly exact?: boolean }): Promise<readonly StepCounts[]>;

  /**
   * Replaces the sums of a job's steps by totals from the store, made when it closed in `round`. Events of that or
   * older rounds no longer change them; those of a newer round do, and `counts` is no longer exact. Ignored if of
   * an older round, or if totals of the same round know more ended tasks; of equal counts the last call holds.
   */
  recordExact(job: string, round: number, steps: readonly ExactCounts[]): Promise<void>;

  /** One page of tasks after `after`, by step and task. */
  tasks(job: string, filter: TaskFilter): Promise<readonly LedgerTask[]>;

  /** Every recorded attempt of one task, oldest first. */
  attempts(job: string, step: string, task: number): Promise<readonly AttemptEvent[]>;

  /**
   * One page of a job's recorded attempts, after `after`: in the job's order of steps, by task, then by attempt id.
   * - An attempt comes once, merged of all that was recorded of it, so those of one task come together.
   * - A page is full unless it is the last; its cost does not grow with the pages before it.
   * - Attempts recorded while pages are read may be missed; none comes twice.
   * An adapter that keeps attempts in the order of their recording sorts them when the first page is asked for (runs
   * that fit into memory, then merged), and may keep that for the pages after it.
   */
  attemptsOfJob(job: string, page: AttemptPage): Promise<readonly AttemptEvent[]>;

  /**
   * Workers seen since `since` (milliseconds since the epoch), newest first. `shared`: for one of many workers that all
   * ask; the answer may be some seconds old.
   */
  workers(filter: {
    readonly group?: string;
    readonly since?: number;
    readonly shared?: boolean;
  }): Promise<readonly LedgerWorker[]>;

  /** Deletes a job's tasks and attempts; the job itself stays, marked as pruned. */
  forget(job: string): Promise<void>;

  close(): Promise<void>;
}

export type { JobState };

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

export interface JobFilter {
  readonly states?: readonly JobState[];
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly since?: number;
  readonly createdBy?: string;
  /** Only jobs with this id prefix. */
  readonly prefix?: string;
  /** The page begins after this job; none if the ledger doesn't know it. */
  readonly after?: string;
  readonly limit?: number;
}

export interface TaskFilter {
  readonly step?: string;
  readonly states?: readonly Exclude<TaskState, 'waiting' | 'skipped'>[];
  /** The page begins after this step and task. */
  readonly after?: { readonly step: string; readonly task: number };
  readonly limit: number;
}

export interface AttemptPage {
  /** The page begins after this attempt. */
  readonly after?: { readonly step: string; readonly task: number; readonly attempt: string };
  readonly limit: number;
}

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
