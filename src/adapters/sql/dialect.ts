import type { CreateTableBuilder, Dialect, Kysely, RawBuilder, Transaction } from 'kysely';
import type { BatchctlError } from '../../errors.ts';
import type { Tables } from './tables.ts';
import type { LookUpPlan, UpsertPlan } from './upsert.ts';

/**
 * All that differs between databases. Everything else in this directory is plain SQL by Kysely.
 *
 * A transaction must see and keep what it read until it commits: no other writer may change the same tasks in between.
 * SQLite begins it as the only writer. On a server it is `read committed`, and takes `locks` before it reads: each later
 * statement then sees all that those who held them before had committed.
 */
export interface SqlDialect {
  /** For messages: `SQLite .batchctl/ledger.db`. */
  readonly name: string;

  /** Rows that one insert writes at most and at least, descending to 1: few sizes, so that few statements are compiled. */
  readonly chunks: readonly number[];

  /** How writers keep out of each other's way; undefined where a transaction is the only one that writes. */
  readonly locks: SqlLocks | undefined;

  /** Connects, creating what is needed; may throw what `isBusy` calls so. */
  connect(): Promise<Dialect>;

  /** What follows the values of an insert, to make it replace or add to the row that has the same key. */
  onConflict(plan: UpsertPlan): RawBuilder<unknown>;

  /** Finds the rows of given tasks, at a cost that grows with these and not with the step; see `CompiledStatements`. */
  lookUp(plan: LookUpPlan): RawBuilder<unknown>;

  /** Table options, where the database has some that help. */
  clustered<T extends string, C extends string>(table: CreateTableBuilder<T, C>): CreateTableBuilder<T, C>;

  /** Runs the migrations, alone among all processes that would, in one transaction where the database has such for tables. */
  migrateAlone(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void>;

  /** Runs a statement that defines something; where a killed migration leaves halves, what is there already is fine. */
  define(statement: { execute(): Promise<unknown> }): Promise<void>;

  /** True when a table isn't there. */
  isMissingTable(error: unknown): boolean;

  /** True when another writer was in the way and the same thing may be tried again. */
  isBusy(error: unknown): boolean;

  /**
   * True when the server or the connection to it went away, or turned read-only: a new connection may find it back, or
   * find its successor. Whether a commit under way was kept is then unknown, and writing the same again is right.
   */
  isLost(error: unknown): boolean;

  /** The error for whoever called, by kind: `unavailable`, `full`, `corrupt`; a BatchctlError as it is. */
  translate(error: unknown): BatchctlError;
}

/** Locks that end with their transaction. Jobs are locked by name before tasks, these by `for update` in their order. */
export interface SqlLocks {
  /** `shared`: recording events of a job, by any number of writers at once; `alone`: closing or forgetting it. */
  job(transaction: Transaction<Tables>, job: string, how: 'shared' | 'alone'): Promise<void>;
}
