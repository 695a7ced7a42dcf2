import {
  CompiledQuery,
  type CreateTableBuilder,
  type DatabaseConnection,
  type Dialect,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely';
import { BatchctlError, hasCode, messageOf } from '../../errors.ts';
import {
  type Durability,
  isSqliteBusy,
  openShared,
  type Sqlite,
  type SqliteStatement,
  sqliteCode,
} from '../../lib/sqlite.ts';
import { lookUp, onConflict, type SqlDialect } from './dialect.ts';

export interface SqliteOptions {
  /** Its directory is created. */
  readonly file: string;
  readonly durability: Durability;
}

/** How long SQLite itself waits for another writer, milliseconds. That wait blocks the event loop. */
const BLOCKING_WAIT_MS = 20;
/** Prepared statements kept; a handful are hot. */
const MAX_STATEMENTS = 100;

/** The SQLite file of the local profile, in WAL mode: few processes write it, any may read it. */
export function sqliteDialect(options: SqliteOptions): SqlDialect {
  return {
    name: `SQLite ${options.file}`,
    chunks: [64, 8, 1],
    locks: undefined,
    connect: async () => connect(options),
    onConflict,
    lookUp,
    clustered: withoutRowid,
    migrateAlone: (db, work) => work(db),
    define: async (statement) => void (await statement.execute()),
    isMissingTable: (error) => error instanceof Error && error.message.startsWith('no such table'),
    isBusy: isSqliteBusy,
    isLost: () => false,
    translate: (error) => translate(options.file, error),
  };
}

function connect(options: SqliteOptions): Dialect {
  const database = openShared(options.file, { busyMs: BLOCKING_WAIT_MS, durability: options.durability });
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new OnlyWriterDriver(database),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Transactions begin as the only writer, so that what they read stays true until they commit. */
class OnlyWriterDriver extends SqliteDriver {
  readonly #database: Sqlite;

  constructor(database: Sqlite) {
    super({ database: cachePrepared(database) });
    this.#database = database;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  /** A full disk ends a transaction by itself: then there is nothing to roll back, and the first error counts. */
  override async rollbackTransaction(): Promise<void> {
    this.#database.rollback();
  }
}

/** Preparing a statement of 64 rows costs as much as running it: keep those that come again. */
function cachePrepared(database: Sqlite): SqliteDatabase {
  const kept = new Map<string, ReturnType<SqliteDatabase['prepare']>>();
  return {
    close: () => void database.close(),
    prepare: (text) => {
      let statement = kept.get(text);
      if (statement === undefined) {
        statement = forKysely(database.prepare(text));
        if (kept.size >= MAX_STATEMENTS) kept.clear();
        kept.set(text, statement);
      }
      return statement;
    },
  };
}

/** Kysely hands over all parameters as one list. */
function forKysely(statement: SqliteStatement): ReturnType<SqliteDatabase['prepare']> {
  const all = (parameters: readonly unknown[]): unknown[] => statement.all(...parameters);
  return {
    reader: statement.reader,
    all,
    run: (parameters) => statement.run(...parameters),
    iterate: (parameters) => all(parameters).values(),
  };
}

/** Rows stored in their primary key: half the pages, and a task's attempts lie together. */
function withoutRowid<T extends string, C extends string>(table: CreateTableBuilder<T, C>): CreateTableBuilder<T, C> {
  return table.modifyEnd(sql`without rowid`);
}

function translate(file: string, error: unknown): BatchctlError {
  if (error instanceof BatchctlError) return error;
  const code = sqliteCode(error);
  if (code === 'SQLITE_FULL' || hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new BatchctlError('full', `expected room to write the ledger ${file}, found the disk full`, {
      cause: error,
      hint: 'free some space (`batchctl prune` removes finished jobs), then run it again',
    });
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new BatchctlError('corrupt', `expected a SQLite database in ${file}, found it damaged`, {
      cause: error,
      hint: 'move the file away and run `batchctl ledger rebuild`: the store has everything that matters',
    });
  }
  if (isSqliteBusy(error)) {
    return new BatchctlError(
      'unavailable',
      `expected to write the ledger ${file}, found it locked by another process`,
      { cause: error, hint: 'look for a process that holds it (`fuser` names it), then run it again' },
    );
  }
  const ours = code !== '' || (error instanceof Error && 'code' in error && 'syscall' in error);
  const found = messageOf(error);
  return new BatchctlError(
    ours && code !== 'SQLITE_ERROR' ? 'unavailable' : 'unexpected',
    `the ledger ${file} failed: ${found}`,
    { cause: error, hint: 'check that the directory exists, is writable and is on a local disk' },
  );
}
