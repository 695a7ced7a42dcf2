import {
  CompiledQuery,
  type CreateTableBuilder,
  type Dialect,
  type Kysely,
  type RawBuilder,
  sql,
  type Transaction,
} from 'kysely';
import type { BatchctlError } from '../../errors.ts';
import type { Row, Tables } from './tables.ts';

/**
 * All that differs between databases. Everything else in this directory is plain SQL through Kysely.
 *
 * The rows that a transaction has read must not change until it commits: no other writer may change the same tasks in
 * between.
 * SQLite begins it as the only writer. On a server it is `read committed`, and takes `locks` before it reads: each
 * later statement then sees all that earlier holders of those locks had committed.
 */
export interface SqlDialect {
  /** For messages: `SQLite .batchctl/ledger.db`. */
  readonly name: string;

  /** Numbers of rows that one insert may write, descending to 1: few sizes, so that few statements are compiled. */
  readonly chunks: readonly number[];

  /** How writers exclude each other; undefined if a transaction is the only one that writes. */
  readonly locks: SqlLocks | undefined;

  /** Connects, creating what is needed; may throw errors that `isBusy` accepts. */
  connect(): Promise<Dialect>;

  /** The clause after an insert's values that replaces, or adds to, the row with the same key. */
  onConflict(plan: UpsertPlan, columns: readonly string[]): RawBuilder<unknown>;

  /** Finds given tasks' rows, at a cost that grows with their number, not with the step; see `CompiledStatements`. */
  lookUp(plan: LookUpPlan): RawBuilder<unknown>;

  /** Table options that improve performance, if the database has any. */
  clustered<T extends string, C extends string>(table: CreateTableBuilder<T, C>): CreateTableBuilder<T, C>;

  /** Runs the migrations under a lock against other processes, in one transaction if the database can do that. */
  migrateAlone(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void>;

  /** Runs a statement that creates something. If a killed migration can leave halves, an existing object is fine. */
  define(statement: { execute(): Promise<unknown> }): Promise<void>;

  /** True when a table doesn't exist. */
  isMissingTable(error: unknown): boolean;

  /** True when another writer was in the way and a retry may succeed. */
  isBusy(error: unknown): boolean;

  /**
   * True when the server or the connection to it is gone, or became read-only: a new connection may reach it again, or
   * reach its successor. Whether a pending commit was kept is then unknown; writing the same again is correct.
   */
  isLost(error: unknown): boolean;

  /** The error for the caller, by kind: `unavailable`, `full`, `corrupt`; a BatchctlError unchanged. */
  translate(error: unknown): BatchctlError;
}

/** Locks that end with their transaction. Jobs are locked by name before tasks, and tasks by `for update` in order. */
export interface SqlLocks {
  /** `shared`: to record events of a job, by any number of writers at once; `alone`: to close or forget it. */
  job(transaction: Transaction<Tables>, job: string, how: 'shared' | 'alone'): Promise<void>;
}

export interface UpsertPlan {
  readonly table: keyof Tables;
  readonly keys: readonly string[];
  /** Columns whose value is added to the row's; all others except keys replace it. */
  readonly adds?: readonly string[];
}

export interface LookUpPlan {
  readonly table: 'attempts' | 'tasks';
  readonly columns: readonly string[];
  readonly size: number;
  /** Whether the found rows stay locked until the transaction ends. */
  readonly locks: boolean;
}

/** Upserts and lookups whose SQL is compiled once per chunk size: compiling costs Kysely more than running it. */
export class CompiledStatements {
  readonly #db: Kysely<Tables>;
  readonly #dialect: Pick<SqlDialect, 'onConflict' | 'chunks' | 'lookUp'>;
  readonly #texts = new Map<string, string>();

  constructor(db: Kysely<Tables>, dialect: Pick<SqlDialect, 'onConflict' | 'chunks' | 'lookUp'>) {
    this.#db = db;
    this.#dialect = dialect;
  }

  /** Writes rows of the same columns, no two of them with the same key. */
  upsert(transaction: Transaction<Tables>, plan: UpsertPlan, rows: readonly Row[]): Promise<void> {
    return this.#write(transaction, 'upsert', plan, rows);
  }

  /** Inserts new rows; if one exists because another writer was faster, that is an error. */
  insert(transaction: Transaction<Tables>, plan: UpsertPlan, rows: readonly Row[]): Promise<void> {
    return this.#write(transaction, 'insert', plan, rows);
  }

  async #write(
    transaction: Transaction<Tables>,
    how: 'insert' | 'upsert',
    plan: UpsertPlan,
    rows: readonly Row[],
  ): Promise<void> {
    let at = 0;
    for (const size of this.#dialect.chunks) {
      for (; rows.length - at >= size; at += size) {
        const some = rows.slice(at, at + size);
        const columns = Object.keys(some[0] ?? {});
        const text = this.text(`${how} ${plan.table} ${size}`, () => this.#insertOf(plan, columns, size, how));
        await transaction.executeQuery(CompiledQuery.raw(text, some.flatMap(Object.values)));
      }
    }
  }

  /** The rows of a step's tasks. The parameters are the numbers of the tasks, then job and step. */
  lookUp(plan: LookUpPlan): RawBuilder<unknown> {
    return this.#dialect.lookUp(plan);
  }

  /** The SQL of a statement, built at its first use. */
  text(name: string, build: () => { compile(db: Kysely<Tables>): CompiledQuery }): string {
    let text = this.#texts.get(name);
    if (text === undefined) {
      text = build().compile(this.#db).sql;
      this.#texts.set(name, text);
    }
    return text;
  }

  #insertOf(plan: UpsertPlan, columns: readonly string[], size: number, how: 'insert' | 'upsert'): RawBuilder<unknown> {
    const row = sql`(${sql.join(columns.map(() => sql.value(null)))})`;
    const names = sql.join(columns.map((column) => sql.ref(column)));
    const rows = sql.join(Array.from({ length: size }, () => row));
    const insert = sql`insert into ${sql.table(plan.table)} (${names}) values ${rows}`;
    return how === 'insert' ? insert : sql`${insert} ${this.#dialect.onConflict(plan, columns)}`;
  }
}

/** The clause after an insert's values, in SQLite and PostgreSQL, that replaces or adds to a row with the same key. */
export function onConflict(plan: UpsertPlan, columns: readonly string[]): RawBuilder<unknown> {
  const sets = columns
    .filter((column) => !plan.keys.includes(column))
    .map((column) =>
      plan.adds?.includes(column)
        ? sql`${sql.ref(column)} = ${sql.ref(`${plan.table}.${column}`)} + ${sql.ref(`excluded.${column}`)}`
        : sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`,
    );
  return sql`on conflict (${sql.join(plan.keys.map((key) => sql.ref(key)))}) do update set ${sql.join(sets)}`;
}

/** A lookup for databases that seek each number of a list, whatever their statistics say about the table's size. */
export function lookUp({ table, columns, size, locks }: LookUpPlan): RawBuilder<unknown> {
  const list = sql.join(Array.from({ length: size }, () => sql.value(0)));
  const names = sql.join(columns.map((column) => sql.ref(column)));
  const ending = locks ? sql`order by task for update` : sql``;
  return sql`select ${names} from ${sql.table(table)} where task in (${list}) and job = ${''} and step = ${''} ${ending}`;
}
