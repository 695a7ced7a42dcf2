import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { makePrivateDatabase } from './private-files.ts';

/** A prepared statement with parameters `P` (values in order, or one object of named ones) and rows `Row`. */
export interface SqliteStatement<P extends readonly unknown[] = readonly unknown[], Row = unknown> {
  readonly reader: boolean;
  run(...parameters: P): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  get(...parameters: P): Row | undefined;
  all(...parameters: P): Row[];
  /** From now on a row is the value of its first column. */
  pluck(): SqliteStatement<P, Row>;
}

/** One connection. Every method throws errors whose `code` is SQLite's own name for them (`sqliteCode`). */
export interface Sqlite {
  readonly open: boolean;
  /** Runs statements without parameters. */
  exec(statements: string): void;
  prepare<P extends readonly unknown[] = readonly unknown[], Row = unknown>(statement: string): SqliteStatement<P, Row>;
  pragma(name: string): unknown;
  /** Commits all of the work or none. `immediate` takes the write lock before the first read. */
  transaction<T>(begin: 'deferred' | 'immediate', work: () => T): T;
  /** Does nothing where no transaction is open: SQLite itself ends one when the disk is full. */
  rollback(): void;
  /** May be called again. An open transaction is rolled back. */
  close(): void;
}

/**
 * Opens a database file, and creates it unless `readOnly`. SQLite waits `busyMs` milliseconds for a lock, which blocks
 * the event loop. Uses the SQLite of Node (22.13 and later); without it, better-sqlite3.
 */
export function openSqlite(file: string, options: { readonly busyMs: number; readonly readOnly?: boolean }): Sqlite {
  driver ??= nodeDriver() ?? betterDriver();
  // An absolute path is never taken for a URI.
  return new Connection(driver(resolve(file), options.readOnly === true), options.busyMs);
}

/** Throws `config` if this Node has no SQLite, and better-sqlite3 is missing too: nothing is wrong with the databases then. */
export function requireSqlite(): void {
  driver ??= nodeDriver() ?? betterDriver();
}

/** The page cache that better-sqlite3 is compiled with, 16 MB, for either driver. Reads the file, so it may be busy. */
const CACHE_SIZE = 'PRAGMA cache_size = -16000';

/** The faults that a commit survives. `process`: any kill; `power`: also a power loss, because each is synced. */
export type Durability = 'process' | 'power';

/** Opens a database that several processes share, in WAL mode, its files private to this user. Creates it if needed. */
export function openShared(
  file: string,
  options: { readonly busyMs: number; readonly durability: Durability },
): Sqlite {
  makePrivateDatabase(file);
  const db = openSqlite(file, options);
  try {
    db.exec('PRAGMA journal_mode = WAL');
    db.exec(`PRAGMA synchronous = ${options.durability === 'power' ? 'FULL' : 'NORMAL'}`);
    db.exec('PRAGMA journal_size_limit = 67108864');
    db.exec(CACHE_SIZE);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLite's name for what failed, such as `SQLITE_BUSY`; empty for an error that isn't SQLite's. */
export function sqliteCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return '';
  return error.code.startsWith('SQLITE_') ? error.code : '';
}

/** True when another process holds the lock, so that a retry may succeed. */
export function isSqliteBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED' || code === 'SQLITE_PROTOCOL';
}

interface RawDatabase {
  exec(statements: string): void;
  prepare<P extends readonly unknown[], Row>(statement: string): SqliteStatement<P, Row>;
  close(): void;
}
type Driver = (file: string, readOnly: boolean) => RawDatabase;

let driver: Driver | undefined;

class Connection implements Sqlite {
  readonly #raw: RawDatabase;
  readonly #control = new Map<string, SqliteStatement>();
  #open = true;

  constructor(raw: RawDatabase, busyMs: number) {
    this.#raw = raw;
    // It reads nothing of the file, which another process may have locked.
    raw.exec(`PRAGMA busy_timeout = ${busyMs}`);
  }

  get open(): boolean {
    return this.#open;
  }

  exec(statements: string): void {
    this.#raw.exec(statements);
  }

  prepare<P extends readonly unknown[], Row>(statement: string): SqliteStatement<P, Row> {
    return this.#raw.prepare(statement);
  }

  pragma(name: string): unknown {
    return this.#raw.prepare(`PRAGMA ${name}`).pluck().get();
  }

  transaction<T>(begin: 'deferred' | 'immediate', work: () => T): T {
    this.#run(`BEGIN ${begin}`);
    try {
      const result = work();
      this.#run('COMMIT');
      return result;
    } catch (error) {
      if (this.#open) this.rollback();
      throw error;
    }
  }

  rollback(): void {
    try {
      this.#run('ROLLBACK');
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('no transaction is active'))) throw error;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#raw.close();
  }

  /** Prepared once: a transaction of one statement would cost twice as much otherwise. */
  #run(statement: string): void {
    let prepared = this.#control.get(statement);
    if (prepared === undefined) {
      prepared = this.#raw.prepare(statement);
      this.#control.set(statement, prepared);
    }
    prepared.run();
  }
}

/** The parts of `node:sqlite` in use. The declarations of Node 20 don't have them. */
interface NodeSqlite {
  readonly DatabaseSync: new (
    file: string,
    options: { readonly readOnly: boolean; readonly enableForeignKeyConstraints: boolean },
  ) => { exec(statements: string): void; prepare(statement: string): NodeStatement; close(): void };
}
interface NodeStatement {
  run(...parameters: readonly unknown[]): { changes: number; lastInsertRowid: number | bigint };
  get(...parameters: readonly unknown[]): Readonly<Record<string, unknown>> | undefined;
  all(...parameters: readonly unknown[]): Readonly<Record<string, unknown>>[];
  /** Since Node 22.16. */
  columns?(): readonly unknown[];
}

function nodeDriver(): Driver | undefined {
  const { emitWarning } = process;
  // Node warns that its SQLite is experimental, which would only confuse users.
  process.emitWarning = () => undefined;
  try {
    const sqlite = process.getBuiltinModule?.('node:sqlite') as NodeSqlite | undefined;
    return sqlite && ((file, readOnly) => openNode(sqlite, file, readOnly));
  } finally {
    process.emitWarning = emitWarning;
  }
}

function openNode({ DatabaseSync }: NodeSqlite, file: string, readOnly: boolean): RawDatabase {
  const db = withSqliteCodes(() => new DatabaseSync(file, { readOnly, enableForeignKeyConstraints: true }));
  return {
    exec: (statements) => withSqliteCodes(() => db.exec(statements)),
    prepare: <P extends readonly unknown[], Row>(statement: string) =>
      new WrappedStatement<P, Row>(
        withSqliteCodes(() => db.prepare(statement)),
        statement,
      ),
    close: () => db.close(),
  };
}

/** Statements that return rows, for a Node before 22.16, which can't report it. */
const READS = /^\s*(select|with|values|pragma|explain)\b|\breturning\b/i;

class WrappedStatement<P extends readonly unknown[], Row> implements SqliteStatement<P, Row> {
  readonly reader: boolean;
  readonly #statement: NodeStatement;
  #plucks = false;

  constructor(statement: NodeStatement, text: string) {
    this.#statement = statement;
    this.reader = statement.columns === undefined ? READS.test(text) : statement.columns().length > 0;
  }

  run(...parameters: P): { changes: number; lastInsertRowid: number | bigint } {
    return withSqliteCodes(() => this.#statement.run(...parameters));
  }

  get(...parameters: P): Row | undefined {
    const row = withSqliteCodes(() => this.#statement.get(...parameters));
    return row && this.#rowOf(row);
  }

  all(...parameters: P): Row[] {
    const rows = withSqliteCodes(() => this.#statement.all(...parameters));
    return this.#plucks ? rows.map((row) => this.#rowOf(row)) : (rows as Row[]);
  }

  pluck(): this {
    this.#plucks = true;
    return this;
  }

  #rowOf(row: Readonly<Record<string, unknown>>): Row {
    return (this.#plucks ? Object.values(row)[0] : row) as Row;
  }
}

/** https://sqlite.org/rescode.html: the primary result codes, from 1. */
const CODES =
  'ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB'.split(
    ' ',
  );

/** Runs the work, and adds the codes of better-sqlite3 to errors of Node's SQLite. */
function withSqliteCodes<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && typeof error.errcode === 'number') {
      Object.assign(error, { code: `SQLITE_${CODES[(error.errcode & 0xff) - 1] ?? 'ERROR'}` });
    }
    throw error;
  }
}

/** The parts of better-sqlite3 in use. Its statements already match `SqliteStatement`. */
type BetterSqlite3 = new (file: string, options: { readonly readonly: boolean }) => RawDatabase;

function betterDriver(): Driver {
  let Database: BetterSqlite3;
  try {
    Database = createRequire(import.meta.url)('better-sqlite3');
    // The native code is loaded with the first database.
    new Database(':memory:', { readonly: false }).close();
  } catch (error) {
    throw new BatchctlError(
      'config',
      `Node ${process.versions.node} has no SQLite, and better-sqlite3 is not installed`,
      { cause: error, hint: 'use Node 22.13 or later, or run `npm install --global better-sqlite3@12.11.1`' },
    );
  }
  return (file, readOnly) => new Database(file, { readonly: readOnly });
}
