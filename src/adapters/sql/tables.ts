import type {
  AttemptEvent,
  LedgerJob,
  LedgerTask,
  LedgerWorker,
  TaskState,
  WorkerMachine,
} from '../../model/ledger/records.ts';
import type { TaskStanding } from '../../model/ledger/transitions.ts';

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

/**
 * One writer's share of a step's counts; only the sum over writers means anything. The writer `''` holds the exact
 * totals of a closed job, which replace all others.
 */
export interface StepCountsRow {
  readonly job: string;
  readonly step: string;
  readonly writer: string;
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

/** A row to write: its cells by column. */
export type Row = Readonly<Record<string, string | number | null>>;

export const EXACT_WRITER = '';

/** States of a task in the ledger, in the order of progress. */
export const TASK_STATES = ['waiting', 'running', 'failed', 'done'] as const satisfies readonly TaskState[];

/** An attempt's columns, and the field of its event that each holds. */
const ATTEMPT = {
  job: 'job',
  step: 'step',
  task: 'task',
  attempt: 'attempt',
  round: 'round',
  number: 'number',
  worker: 'worker',
  slot: 'slot',
  outcome: 'outcome',
  started_at: 'startedAt',
  ended_at: 'endedAt',
  wait_seconds: 'waitSeconds',
  exit_code: 'exitCode',
  reason: 'reason',
  error: 'error',
  cpu_seconds: 'cpuSeconds',
  peak_memory: 'peakMemory',
  bytes_in: 'bytesIn',
  bytes_out: 'bytesOut',
  counters: 'counters',
} as const satisfies Record<string, keyof AttemptEvent>;

/** One row per attempt; its events merge into it. Counters are JSON; null for none. */
export type AttemptRow = {
  readonly [C in keyof typeof ATTEMPT]: C extends 'counters' ? string | null : AttemptEvent[(typeof ATTEMPT)[C]];
};

export const ATTEMPT_COLUMNS = Object.keys(ATTEMPT) as (keyof AttemptRow)[];
const ATTEMPT_FIELDS = Object.entries(ATTEMPT);

export function attemptRow(event: AttemptEvent): Row {
  const row: Record<string, Row[string]> = {};
  for (const [column, field] of ATTEMPT_FIELDS)
    row[column] = field === 'counters' ? countersText(event.counters) : event[field];
  return row;
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
    outcome: row.outcome,
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

export type TaskRow = Readonly<ReturnType<typeof taskRow>>;

/** One literal: made by spreads, a row costs several microseconds, and there is one for each event. */
export function taskRow(job: string, step: string, task: number, { state, round, attempts, by }: TaskStanding) {
  return {
    job,
    step,
    task,
    round,
    state: TASK_STATES.indexOf(state),
    attempts,
    worker: by?.worker ?? null,
    started_at: by?.startedAt ?? null,
    ended_at: by?.endedAt ?? null,
    exit_code: by?.exitCode ?? null,
    reason: by?.reason ?? null,
    error: by?.error ?? null,
  };
}

export function taskOf(row: TaskRow): LedgerTask {
  return {
    step: row.step,
    task: row.task,
    state: TASK_STATES[row.state] ?? 'waiting',
    round: row.round,
    attempts: row.attempts,
    worker: row.worker,
    startedAt: numberOrNull(row.started_at),
    endedAt: numberOrNull(row.ended_at),
    exitCode: row.exit_code,
    reason: row.reason,
    error: row.error,
  };
}

/** Some drivers return large integers as text. */
function numberOrNull(value: number | null): number | null {
  return value === null ? null : Number(value);
}

/** Labels and steps are JSON; `pruned` is 1 once its tasks were deleted. */
export type JobRow = Readonly<ReturnType<typeof jobRow>>;

export function jobRow(job: LedgerJob, pruned: number) {
  return {
    job: job.job,
    name: job.name,
    run_key: job.runKey,
    state: job.state,
    reason: job.reason,
    round: job.round,
    created_at: job.createdAt,
    closed_at: job.closedAt,
    created_by: job.createdBy,
    labels: JSON.stringify(job.labels),
    steps: JSON.stringify(job.steps),
    pruned,
  };
}

export function jobOf(row: JobRow): LedgerJob {
  return {
    job: row.job,
    name: row.name,
    runKey: row.run_key,
    state: row.state,
    reason: row.reason,
    round: row.round,
    createdAt: Number(row.created_at),
    closedAt: row.closed_at === null ? null : Number(row.closed_at),
    createdBy: row.created_by,
    labels: JSON.parse(row.labels) as Record<string, string>,
    steps: JSON.parse(row.steps) as LedgerJob['steps'],
    ...(row.pruned === 1 ? { pruned: true } : {}),
  };
}

/** A field that an older schema lacks is null. Running tasks, machine and spent time are JSON. */
export type WorkerRow = Readonly<ReturnType<typeof workerRow>>;

export function workerRow(worker: LedgerWorker) {
  const { host, pid, version, state, slots, done, failed, memory = null, disk = null } = worker;
  return {
    worker: worker.worker,
    group_name: worker.group,
    host,
    pid,
    version,
    state,
    slots,
    busy: JSON.stringify(worker.busy),
    done,
    failed,
    started_at: worker.startedAt,
    seen_at: worker.seenAt,
    memory,
    disk,
    machine: jsonOf(worker.machine),
    spent: jsonOf(worker.spent),
  };
}

export function workerOf(row: WorkerRow): LedgerWorker {
  return {
    worker: row.worker,
    group: row.group_name,
    host: row.host,
    pid: row.pid,
    version: row.version,
    state: row.state,
    slots: row.slots,
    busy: JSON.parse(row.busy) as string[],
    done: Number(row.done),
    failed: Number(row.failed),
    startedAt: Number(row.started_at),
    seenAt: Number(row.seen_at),
    ...(row.memory === null ? {} : { memory: Number(row.memory) }),
    ...(row.disk === null ? {} : { disk: Number(row.disk) }),
    ...(row.machine === null ? {} : { machine: JSON.parse(row.machine) as WorkerMachine }),
    ...(row.spent === null ? {} : { spent: JSON.parse(row.spent) as Record<string, number> }),
  };
}

const jsonOf = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));
