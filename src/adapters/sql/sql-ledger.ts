import type { Kysely } from 'kysely';
import { BatchctlError } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { checkCounters } from '../../model/ledger/decimals.ts';
import type {
  AttemptEvent,
  ExactCounts,
  LedgerJob,
  LedgerTask,
  LedgerWorker,
  StepCounts,
} from '../../model/ledger/records.ts';
import { noCounts } from '../../model/ledger/transitions.ts';
import type { AttemptPage, JobFilter, Ledger, TaskFilter } from '../../ports/ledger.ts';
import { type RecordContext, readCounts, writeExact } from './counts.ts';
import { SqlDatabase } from './database.ts';
import type { SqlDialect, UpsertPlan } from './dialect.ts';
import { readJob, readJobs, writeJob } from './jobs.ts';
import { recordEvents } from './record.ts';
import type { ServerOptions } from './server-options.ts';
import type { SqliteOptions } from './sqlite.ts';
import type { Tables } from './tables.ts';
import { workerOf, workerRow } from './tables.ts';
import { forgetTasks, readAttempts, readAttemptsOfJob, readTasks, stepsOf } from './tasks.ts';

type DatabaseOptions =
  | ({ readonly dialect: 'sqlite' } & SqliteOptions)
  | ({ readonly dialect: 'postgres' | 'mysql' } & ServerOptions);

export type SqlLedgerOptions = DatabaseOptions & {
  /** The writer of these counts: the worker's id, or the person's. 1 to 128 characters. */
  readonly writer: string;
  readonly clock?: Clock;
  /** How long to wait for another writer or a lost server, milliseconds, before `unavailable`. 10,000 by default. */
  readonly lockWaitMs?: number;
};

/**
 * A ledger in a SQL database. Nothing is loaded or touched before `open`. Its methods throw `unavailable` when the
 * database stays locked or can't be reached, `full` when its disk is full, `corrupt` when it is damaged, `newer` when a
 * later version made it; on a server also `credentials` when it refuses the user or a write, and `config` for a wrong
 * URL, database or certificate.
 */
export function openSqlLedger(options: SqlLedgerOptions): Ledger {
  if (options.writer === '') {
    throw new BatchctlError('unexpected', "expected the ledger's writer to have a name, found none");
  }
  return new SqlLedger(options);
}

class SqlLedger implements Ledger {
  readonly #options: SqlLedgerOptions;
  readonly #clock: Clock;
  #database: SqlDatabase | undefined;
  #opening: Promise<void> | undefined;

  constructor(options: SqlLedgerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  open(): Promise<void> {
    this.#opening ??= this.#connect().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  recordJob(job: LedgerJob): Promise<void> {
    return this.#write((context) => writeJob(context, job));
  }

  async record(events: readonly AttemptEvent[]): Promise<void> {
    if (events.length === 0) return;
    for (const event of events) checkCounters(event.counters);
    await this.#write((context) => recordEvents(context, events));
  }

  heartbeat(worker: LedgerWorker): Promise<void> {
    return this.#write((context) => writeWorker(context, worker));
  }

  job(id: string): Promise<LedgerJob | null> {
    return this.#read((db) => readJob(db, id));
  }

  jobs(filter: JobFilter): Promise<readonly LedgerJob[]> {
    return this.#read((db) => readJobs(db, filter));
  }

  counts(job: string): Promise<readonly StepCounts[]> {
    return this.#read(async (db) => {
      const counts = await readCounts(db, job);
      return (await stepsOf(db, job)).map((step) => counts.get(step) ?? noCounts(step));
    });
  }

  async recordExact(job: string, round: number, steps: readonly ExactCounts[]): Promise<void> {
    for (const step of steps) checkCounters(step.counters);
    await this.#write(async (context) => {
      for (const step of steps) await writeExact(context, job, round, step);
    });
  }

  tasks(job: string, filter: TaskFilter): Promise<readonly LedgerTask[]> {
    return this.#read((db) => readTasks(db, job, filter));
  }

  attempts(job: string, step: string, task: number): Promise<readonly AttemptEvent[]> {
    return this.#read((db) => readAttempts(db, job, step, task));
  }

  attemptsOfJob(job: string, page: AttemptPage): Promise<readonly AttemptEvent[]> {
    return this.#read((db) => readAttemptsOfJob(db, job, page));
  }

  workers(filter: Parameters<Ledger['workers']>[0]): Promise<readonly LedgerWorker[]> {
    return this.#read((db) => readWorkers(db, filter));
  }

  async forget(job: string): Promise<void> {
    await forgetTasks(this.#requireOpen(), job);
  }

  /** Waits for an `open` in progress; may be called again. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    const database = this.#database;
    this.#database = undefined;
    this.#opening = undefined;
    await database?.close();
  }

  async #connect(): Promise<void> {
    const { lockWaitMs = 10_000 } = this.#options;
    this.#database = await SqlDatabase.open(await loadDialect(this.#options), lockWaitMs, this.#clock.now());
  }

  async #read<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    return await this.#requireOpen().read(work);
  }

  async #write(work: (context: RecordContext) => Promise<void>): Promise<void> {
    const database = this.#requireOpen();
    const { statements, locks } = database;
    const { writer } = this.#options;
    await database.write((transaction) => work({ transaction, locks, statements, writer, now: this.#clock.now() }));
  }

  #requireOpen(): SqlDatabase {
    if (this.#database === undefined) {
      throw new BatchctlError('unexpected', 'expected the ledger to be open, found it closed');
    }
    return this.#database;
  }
}

/** Each database's driver is loaded only when it is used. */
export async function loadDialect(options: DatabaseOptions): Promise<SqlDialect> {
  switch (options.dialect) {
    case 'sqlite':
      return (await import('./sqlite.ts')).sqliteDialect(options);
    case 'postgres':
      return (await import('./postgres.ts')).postgresDialect(options);
    case 'mysql':
      return (await import('./mysql.ts')).mysqlDialect(options);
    default:
      return options satisfies never;
  }
}

const WORKERS: UpsertPlan = { table: 'workers', keys: ['worker'] };

/** Stores a worker's heartbeat, unless a later one is known. */
async function writeWorker(context: RecordContext, worker: LedgerWorker): Promise<void> {
  const { transaction, statements } = context;
  const known = await transaction
    .selectFrom('workers')
    .select('seen_at')
    .where('worker', '=', worker.worker)
    .$if(context.locks !== undefined, (query) => query.forUpdate())
    .executeTakeFirst();
  if (known !== undefined && Number(known.seen_at) > worker.seenAt) return;
  await statements.upsert(transaction, WORKERS, [workerRow(worker)]);
}

async function readWorkers(
  db: Kysely<Tables>,
  filter: Parameters<Ledger['workers']>[0],
): Promise<readonly LedgerWorker[]> {
  let query = db.selectFrom('workers').selectAll();
  if (filter.group !== undefined) query = query.where('group_name', '=', filter.group);
  if (filter.since !== undefined) query = query.where('seen_at', '>=', filter.since);
  const rows = await query.orderBy('seen_at', 'desc').orderBy('worker').execute();
  return rows.map(workerOf);
}
