import type { JobState } from '../model/job-state.ts';
import type {
  AttemptEvent,
  ExactCounts,
  LedgerJob,
  LedgerTask,
  LedgerWorker,
  StepCounts,
  TaskState,
} from '../model/ledger/records.ts';

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
