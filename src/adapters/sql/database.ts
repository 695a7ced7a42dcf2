import { Kysely, sql, type Transaction } from 'kysely';
import { BatchctlError, isBatchctlError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { wait } from '../../lib/wait.ts';
import { CompiledStatements, type SqlDialect, type SqlLocks } from './dialect.ts';
import type { Tables } from './tables.ts';

/** Milliseconds between tries, doubled from the first to the last, with jitter. */
const RETRY_MS = {
  /** Another writer was in the way. */
  busy: { first: 1, last: 25 },
  /** The server went away: all its clients come back at once, and each handshake costs it work. */
  lost: { first: 50, last: 1000 },
} as const;
/** Milliseconds. After a write that waited `lockWaitMs` in vain, each write waits only this long until one succeeds. */
const BRIEF_WAIT_MS = 500;

/** The connected database: runs reads and transactions, retries while it is busy or lost, and translates errors. */
export class SqlDatabase {
  readonly statements: CompiledStatements;
  readonly locks: SqlLocks | undefined;
  readonly #db: Kysely<Tables>;
  readonly #dialect: SqlDialect;
  readonly #lockWaitMs: number;
  /** The last write waited in vain: another process may hold the lock for long. */
  #staysBusy = false;

  private constructor(db: Kysely<Tables>, dialect: SqlDialect, lockWaitMs: number) {
    this.#db = db;
    this.#dialect = dialect;
    this.#lockWaitMs = lockWaitMs;
    this.statements = new CompiledStatements(db, dialect);
    this.locks = dialect.locks;
  }

  /** Connects and brings the tables up to date. `now` in milliseconds since the epoch. */
  static async open(dialect: SqlDialect, lockWaitMs: number, now: number): Promise<SqlDatabase> {
    return await withRetries(dialect, lockWaitMs, async () => {
      const db = new Kysely<Tables>({ dialect: await dialect.connect() });
      try {
        await migrate(db, dialect, now);
        return new SqlDatabase(db, dialect, lockWaitMs);
      } catch (error) {
        await db.destroy();
        throw error;
      }
    });
  }

  read<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    return withRetries(this.#dialect, this.#lockWaitMs, () => work(this.#db));
  }

  /** Commits all of the work or none. The work may run again from its beginning, so it must have no other effects. */
  async write<T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    const waitMs = this.#staysBusy ? Math.min(this.#lockWaitMs, BRIEF_WAIT_MS) : this.#lockWaitMs;
    try {
      const result = await withRetries(this.#dialect, waitMs, () => this.#db.transaction().execute(work));
      this.#staysBusy = false;
      return result;
    } catch (error) {
      this.#staysBusy = isBatchctlError(error) && this.#dialect.isBusy(error.cause);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }
}

/** Between tries the event loop is free, and the jitter gives every process its turn. */
async function withRetries<T>(dialect: SqlDialect, lockWaitMs: number, work: () => Promise<T>): Promise<T> {
  const start = systemClock.monotonic();
  for (let tries = 0; ; tries += 1) {
    let why: keyof typeof RETRY_MS;
    try {
      return await work();
    } catch (error) {
      if (isBatchctlError(error)) throw error;
      const again = dialect.isBusy(error) ? 'busy' : dialect.isLost(error) ? 'lost' : undefined;
      if (again === undefined || systemClock.monotonic() - start >= lockWaitMs) throw dialect.translate(error);
      why = again;
    }
    const { first, last } = RETRY_MS[why];
    await wait(Math.min(first * 2 ** tries, last) * (0.5 + Math.random()));
  }
}

interface Migration {
  readonly version: number;
  /**
   * The oldest schema version whose code still works after this migration. Migrations expand first: they add what older
   * code ignores; unused tables and columns are dropped only by a later version.
   */
  readonly compatible: number;
  up(db: Kysely<Tables>, dialect: SqlDialect): Promise<void>;
}

const MIGRATIONS: readonly Migration[] = [
  { version: 1, compatible: 1, up: createTables },
  { version: 2, compatible: 1, up: addWorkerResources },
  { version: 3, compatible: 1, up: addWorkerMachine },
];
const CURRENT = MIGRATIONS.at(-1)?.version ?? 0;

/**
 * Brings the tables up to this code's version; costs one query if they are. Two processes may do it at once: each
 * migration reads the version again inside its own transaction. Throws `newer` for a schema that this code can't use.
 */
async function migrate(db: Kysely<Tables>, dialect: SqlDialect, now: number): Promise<void> {
  if ((await readVersionOrZero(db, dialect)) >= CURRENT) return;
  await dialect.migrateAlone(db, async (alone) => {
    const versions = alone.schema
      .createTable('ledger_schema')
      .ifNotExists()
      .addColumn('version', 'integer', (column) => column.primaryKey())
      .addColumn('compatible', 'integer', (column) => column.notNull())
      .addColumn('applied_at', 'bigint', (column) => column.notNull());
    await versions.execute();
    for (const migration of MIGRATIONS) {
      await inTransaction(alone, async (transaction) => {
        if ((await versionOf(transaction, dialect)) >= migration.version) return;
        await migration.up(transaction, dialect);
        const { version, compatible } = migration;
        await transaction.insertInto('ledger_schema').values({ version, compatible, applied_at: now }).execute();
      });
    }
  });
}

/** The version of the tables (0: there are none), and the one that they would get. Throws `newer`. Changes nothing. */
export async function readSchemaVersions(
  db: Kysely<Tables>,
  dialect: SqlDialect,
): Promise<{ readonly found: number; readonly current: number }> {
  return { found: await readVersionOrZero(db, dialect), current: CURRENT };
}

/** 0 if there are no tables yet. Reading needs no right to create any, so a worker's user may have none. */
async function readVersionOrZero(db: Kysely<Tables>, dialect: SqlDialect): Promise<number> {
  try {
    return await versionOf(db, dialect);
  } catch (error) {
    if (dialect.isMissingTable(error)) return 0;
    throw error;
  }
}

function inTransaction(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void> {
  return db.isTransaction ? work(db) : db.transaction().execute(work);
}

async function versionOf(db: Kysely<Tables>, dialect: SqlDialect): Promise<number> {
  const found = await db
    .selectFrom('ledger_schema')
    .select(['version', 'compatible'])
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (found === undefined) return 0;
  if (found.version > CURRENT && found.compatible > CURRENT) {
    throw new BatchctlError(
      'newer',
      `expected the ledger ${dialect.name} to have schema ${CURRENT} or one that works with it, found ${found.version}`,
      { hint: 'install the version of batchctl that created it, or a newer one' },
    );
  }
  return found.version;
}

async function createTables(db: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  await createJobTables(db, dialect);
  await createTaskTables(db, dialect);
  await createCountTables(db, dialect);
}

async function createJobTables({ schema }: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  const jobs = schema
    .createTable('jobs')
    .addColumn('job', 'varchar(64)', (column) => column.notNull())
    .addColumn('name', 'varchar(64)', (column) => column.notNull())
    .addColumn('run_key', 'varchar(128)')
    .addColumn('state', 'varchar(16)', (column) => column.notNull())
    .addColumn('reason', 'varchar(64)')
    .addColumn('round', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('closed_at', 'bigint')
    .addColumn('created_by', 'varchar(255)', (column) => column.notNull())
    .addColumn('labels', 'text', (column) => column.notNull())
    .addColumn('steps', 'text', (column) => column.notNull())
    .addColumn('pruned', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('jobs_key', ['job']);
  await dialect.define(dialect.clustered(jobs));
  await dialect.define(schema.createIndex('jobs_by_creation').on('jobs').columns(['created_at', 'job']));
  const labels = schema
    .createTable('job_labels')
    .addColumn('job', 'varchar(64)', (column) => column.notNull())
    .addColumn('name', 'varchar(128)', (column) => column.notNull())
    .addColumn('value', 'varchar(255)', (column) => column.notNull())
    .addPrimaryKeyConstraint('job_labels_key', ['job', 'name']);
  await dialect.define(dialect.clustered(labels));
}

async function createTaskTables({ schema }: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  const attempts = schema
    .createTable('attempts')
    .addColumn('job', 'varchar(64)', (column) => column.notNull())
    .addColumn('step', 'varchar(40)', (column) => column.notNull())
    .addColumn('task', 'integer', (column) => column.notNull())
    .addColumn('attempt', 'varchar(64)', (column) => column.notNull())
    .addColumn('round', 'integer', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('worker', 'varchar(128)', (column) => column.notNull())
    .addColumn('slot', 'integer', (column) => column.notNull())
    .addColumn('outcome', 'varchar(16)', (column) => column.notNull())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('ended_at', 'bigint')
    .addColumn('wait_seconds', sql`double precision`)
    .addColumn('exit_code', 'integer')
    .addColumn('reason', 'varchar(64)')
    .addColumn('error', 'text')
    .addColumn('cpu_seconds', sql`double precision`)
    .addColumn('peak_memory', 'bigint')
    .addColumn('bytes_in', 'bigint')
    .addColumn('bytes_out', 'bigint')
    .addColumn('counters', 'text')
    .addPrimaryKeyConstraint('attempts_key', ['job', 'step', 'task', 'attempt']);
  await dialect.define(dialect.clustered(attempts));
  const tasks = schema
    .createTable('tasks')
    .addColumn('job', 'varchar(64)', (column) => column.notNull())
    .addColumn('step', 'varchar(40)', (column) => column.notNull())
    .addColumn('task', 'integer', (column) => column.notNull())
    .addColumn('round', 'integer', (column) => column.notNull())
    .addColumn('state', 'smallint', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('worker', 'varchar(128)')
    .addColumn('started_at', 'bigint')
    .addColumn('ended_at', 'bigint')
    .addColumn('exit_code', 'integer')
    .addColumn('reason', 'varchar(64)')
    .addColumn('error', 'text')
    .addPrimaryKeyConstraint('tasks_key', ['job', 'step', 'task']);
  await dialect.define(dialect.clustered(tasks));
  // The state comes first, so that a query by number can't take this index for as good as the key.
  await dialect.define(schema.createIndex('tasks_by_state').on('tasks').columns(['state', 'job', 'step', 'task']));
}

async function createCountTables({ schema }: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  let counts = schema
    .createTable('step_counts')
    .addColumn('job', 'varchar(64)', (column) => column.notNull())
    .addColumn('step', 'varchar(40)', (column) => column.notNull())
    .addColumn('writer', 'varchar(128)', (column) => column.notNull())
    .addColumn('round', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('step_counts_key', ['job', 'step', 'writer']);
  const sums = ['running', 'done', 'failed', 'retried', 'interrupted', 'bytes_in', 'bytes_out', 'millis', 'moved_at'];
  for (const name of sums) counts = counts.addColumn(name, 'bigint', (column) => column.notNull());
  await dialect.define(dialect.clustered(counts));
  const counters = schema
    .createTable('counter_sums')
    .addColumn('job', 'varchar(64)', (column) => column.notNull())
    .addColumn('step', 'varchar(40)', (column) => column.notNull())
    .addColumn('writer', 'varchar(128)', (column) => column.notNull())
    .addColumn('name', 'varchar(64)', (column) => column.notNull())
    .addColumn('total', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('counter_sums_key', ['job', 'step', 'writer', 'name']);
  await dialect.define(dialect.clustered(counters));
  const workers = schema
    .createTable('workers')
    .addColumn('worker', 'varchar(128)', (column) => column.notNull())
    .addColumn('group_name', 'varchar(40)', (column) => column.notNull())
    .addColumn('host', 'varchar(255)', (column) => column.notNull())
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('version', 'varchar(64)', (column) => column.notNull())
    .addColumn('state', 'varchar(16)', (column) => column.notNull())
    .addColumn('slots', 'integer', (column) => column.notNull())
    .addColumn('busy', 'text', (column) => column.notNull())
    .addColumn('done', 'bigint', (column) => column.notNull())
    .addColumn('failed', 'bigint', (column) => column.notNull())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('workers_key', ['worker']);
  await dialect.define(dialect.clustered(workers));
}

/** Processors and memory that a worker's tasks may use; older code leaves them null. */
async function addWorkerResources({ schema }: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  for (const column of ['memory', 'disk']) {
    await dialect.define(schema.alterTable('workers').addColumn(column, 'bigint'));
  }
}

/** A worker's machine and its work by job, both JSON; older code leaves them null. */
async function addWorkerMachine({ schema }: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  for (const column of ['machine', 'spent']) {
    await dialect.define(schema.alterTable('workers').addColumn(column, 'text'));
  }
}
