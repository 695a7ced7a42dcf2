import { type ColumnDataType, type CreateTableBuilder, Kysely, type Transaction } from 'kysely';
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
  // Memory and disk that a worker's tasks may use.
  { version: 2, compatible: 1, up: addToWorkers('bigint', 'memory', 'disk') },
  // A worker's machine and its work by job, both JSON.
  { version: 3, compatible: 1, up: addToWorkers('text', 'machine', 'spent') },
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

/** The types of a table's columns. A type with `?` may be null. */
type Columns = Readonly<Record<string, `${ColumnDataType}${'' | '?'}`>>;

const STEP = { job: 'varchar(64)', step: 'varchar(40)' } as const;
const TASK = { ...STEP, task: 'integer' } as const;
const COUNTS = { ...STEP, writer: 'varchar(128)' } as const;

async function createTables(db: Kysely<Tables>, dialect: SqlDialect): Promise<void> {
  const create = async (name: keyof Tables, key: readonly string[], columns: Columns): Promise<void> => {
    let table: CreateTableBuilder<string, string> = db.schema.createTable(name);
    for (const [column, text] of Object.entries(columns)) {
      const type = text.replace(/\?$/, '') as ColumnDataType;
      table = table.addColumn(column, type, (each) => (type === text ? each.notNull() : each));
    }
    await dialect.define(dialect.clustered(table.addPrimaryKeyConstraint(`${name}_key`, [...key])));
  };
  await create('jobs', ['job'], {
    job: 'varchar(64)',
    name: 'varchar(64)',
    run_key: 'varchar(128)?',
    state: 'varchar(16)',
    reason: 'varchar(64)?',
    round: 'integer',
    created_at: 'bigint',
    closed_at: 'bigint?',
    created_by: 'varchar(255)',
    labels: 'text',
    steps: 'text',
    pruned: 'integer',
  });
  await dialect.define(db.schema.createIndex('jobs_by_creation').on('jobs').columns(['created_at', 'job']));
  await create('job_labels', ['job', 'name'], { job: 'varchar(64)', name: 'varchar(128)', value: 'varchar(255)' });
  await create('attempts', ['job', 'step', 'task', 'attempt'], {
    ...TASK,
    attempt: 'varchar(64)',
    round: 'integer',
    number: 'integer',
    worker: 'varchar(128)',
    slot: 'integer',
    outcome: 'varchar(16)',
    started_at: 'bigint',
    ended_at: 'bigint?',
    wait_seconds: 'double precision?',
    exit_code: 'integer?',
    reason: 'varchar(64)?',
    error: 'text?',
    cpu_seconds: 'double precision?',
    peak_memory: 'bigint?',
    bytes_in: 'bigint?',
    bytes_out: 'bigint?',
    counters: 'text?',
  });
  await create('tasks', ['job', 'step', 'task'], {
    ...TASK,
    round: 'integer',
    state: 'smallint',
    attempts: 'integer',
    worker: 'varchar(128)?',
    started_at: 'bigint?',
    ended_at: 'bigint?',
    exit_code: 'integer?',
    reason: 'varchar(64)?',
    error: 'text?',
  });
  // The state comes first, so that a query by number can't take this index for as good as the key.
  await dialect.define(db.schema.createIndex('tasks_by_state').on('tasks').columns(['state', 'job', 'step', 'task']));
  await create('step_counts', ['job', 'step', 'writer'], {
    ...COUNTS,
    round: 'integer',
    running: 'bigint',
    done: 'bigint',
    failed: 'bigint',
    retried: 'bigint',
    interrupted: 'bigint',
    bytes_in: 'bigint',
    bytes_out: 'bigint',
    millis: 'bigint',
    moved_at: 'bigint',
  });
  await create('counter_sums', ['job', 'step', 'writer', 'name'], { ...COUNTS, name: 'varchar(64)', total: 'text' });
  await create('workers', ['worker'], {
    worker: 'varchar(128)',
    group_name: 'varchar(40)',
    host: 'varchar(255)',
    pid: 'integer',
    version: 'varchar(64)',
    state: 'varchar(16)',
    slots: 'integer',
    busy: 'text',
    done: 'bigint',
    failed: 'bigint',
    started_at: 'bigint',
    seen_at: 'bigint',
  });
}

/** Adds columns that older code leaves null. */
function addToWorkers(type: ColumnDataType, ...columns: readonly string[]): Migration['up'] {
  return async ({ schema }, dialect) => {
    for (const column of columns) await dialect.define(schema.alterTable('workers').addColumn(column, type));
  };
}
