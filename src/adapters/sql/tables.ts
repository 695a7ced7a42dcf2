import type { AttemptEvent, TaskState } from '../../ports/ledger.ts';

/** The ledger's tables, as Kysely types. Instants are milliseconds since the epoch; unknown values are null. */
export interface Tables {
  readonly ledger_schema: SchemaRow;
  readonly jobs: JobRow;
  readonly job_labels: { readonly job: string; readonly name: string; readonly value: string };
  readonly attempts: AttemptRow;
  readonly tasks: TaskRow;
  readonly step_counts: StepCountsRow;
  readonly counter_sums: CounterSumRow;
  readonly workers: WorkerRow;
}

export interface SchemaRow {
  readonly version: number;
  /** The oldest schema version whose code can still use it. An expanding migration doesn't change it. */
  readonly compatible: number;
  readonly applied_at: number;
}

export interface JobRow {
  readonly job: string;
  readonly name: string;
  readonly run_key: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly round: number;
  readonly created_at: number;
  readonly closed_at: number | null;
  readonly created_by: string;
  /** JSON, as are `steps`. */
  readonly labels: string;
  readonly steps: string;
  /** 1 once its tasks were deleted. */
  readonly pruned: number;
}

/** One row per attempt; its events merge into it. */
export interface AttemptRow {
  readonly job: string;
  readonly step: string;
  readonly task: number;
  readonly attempt: string;
  readonly round: number;
  readonly number: number;
  readonly worker: string;
  readonly slot: number;
  readonly outcome: string;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly wait_seconds: number | null;
  readonly exit_code: number | null;
  readonly reason: string | null;
  readonly error: string | null;
  readonly cpu_seconds: number | null;
  readonly peak_memory: number | null;
  readonly bytes_in: number | null;
  readonly bytes_out: number | null;
  /** JSON; null for none. */
  readonly counters: string | null;
}

export interface TaskRow {
  readonly job: string;
  readonly step: string;
  readonly task: number;
  readonly round: number;
  /** Index in `TASK_STATES`. */
  readonly state: number;
  readonly attempts: number;
  readonly worker: string | null;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly exit_code: number | null;
  readonly reason: string | null;
  readonly error: string | null;
}

/**
 * One writer's share of a step's counts; only the sum over writers means anything. The writer `''` holds the exact
 * totals of a closed job, which replace all others.
 */
export interface StepCountsRow {
  readonly job: string;
  readonly step: string;
  readonly writer: string;
  /** The highest round counted in this row. */
  readonly round: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly retried: number;
  readonly interrupted: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly millis: number;
  readonly moved_at: number;
}

export interface CounterSumRow {
  readonly job: string;
  readonly step: string;
  readonly writer: string;
  readonly name: string;
  /** An exact decimal. */
  readonly total: string;
}

export interface WorkerRow {
  readonly worker: string;
  readonly group_name: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly state: string;
  readonly slots: number;
  /** JSON. */
  readonly busy: string;
  readonly done: number;
  readonly failed: number;
  readonly started_at: number;
  readonly seen_at: number;
  /** Null for a worker of schema version 1. */
  readonly memory: number | null;
  readonly disk: number | null;
  /** JSON; null for a worker of schema version 2 or older. */
  readonly machine: string | null;
  readonly spent: string | null;
}

/** The writer of exact totals. */
export const EXACT_WRITER = '';

/** States of a task in the ledger, in the order of progress. */
export const TASK_STATES = ['waiting', 'running', 'failed', 'done'] as const satisfies readonly TaskState[];

export type Cells = readonly (string | number | null)[];

export const ATTEMPT_COLUMNS = [
  'job',
  'step',
  'task',
  'attempt',
  'round',
  'number',
  'worker',
  'slot',
  'outcome',
  'started_at',
  'ended_at',
  'wait_seconds',
  'exit_code',
  'reason',
  'error',
  'cpu_seconds',
  'peak_memory',
  'bytes_in',
  'bytes_out',
  'counters',
] as const satisfies readonly (keyof AttemptRow)[];

/** An attempt's cells, in the order of `ATTEMPT_COLUMNS`. */
export function attemptCells(event: AttemptEvent): Cells {
  return [
    event.job,
    event.step,
    event.task,
    event.attempt,
    event.round,
    event.number,
    event.worker,
    event.slot,
    event.outcome,
    event.startedAt,
    event.endedAt,
    event.waitSeconds,
    event.exitCode,
    event.reason,
    event.error,
    event.cpuSeconds,
    event.peakMemory,
    event.bytesIn,
    event.bytesOut,
    countersText(event.counters),
  ];
}

/** The columns that differ between attempts of one step: objects with only these are created twice as fast. */
export const ATTEMPT_FACTS = ATTEMPT_COLUMNS.filter((column) => column !== 'job' && column !== 'step');

export function attemptOf(row: Omit<AttemptRow, 'job' | 'step'>, job: string, step: string): AttemptEvent {
  return {
    job,
    step,
    task: row.task,
    round: row.round,
    attempt: row.attempt,
    number: row.number,
    worker: row.worker,
    slot: row.slot,
    outcome: row.outcome as AttemptEvent['outcome'],
    startedAt: row.started_at,
    endedAt: row.ended_at,
    waitSeconds: row.wait_seconds,
    exitCode: row.exit_code,
    reason: row.reason,
    error: row.error,
    cpuSeconds: row.cpu_seconds,
    peakMemory: row.peak_memory,
    bytesIn: row.bytes_in,
    bytesOut: row.bytes_out,
    counters: row.counters === null ? {} : (JSON.parse(row.counters) as Record<string, string>),
  };
}

function countersText(counters: Readonly<Record<string, string>>): string | null {
  for (const _ in counters) return JSON.stringify(counters);
  return null;
}
