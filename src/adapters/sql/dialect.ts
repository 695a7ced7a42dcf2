import type { CreateTableBuilder, Dialect, RawBuilder } from 'kysely';
import type { BatchctlError } from '../../errors.ts';
import type { UpsertPlan } from './upsert.ts';

/**
 * All that differs between databases. Everything else in this directory is plain SQL by Kysely.
 *
 * A transaction by `kysely`'s driver must see and keep what it read until it commits: no other writer may change the
 * same tasks in between (SQLite: it begins as the only writer; a server: serializable, or rows locked before reading).
 */
export interface SqlDialect {
  /** For messages: `SQLite .batchctl/ledger.db`. */
  readonly name: string;

  /** Connects, creating what is needed; may throw what `isBusy` calls so. */
  connect(): Promise<Dialect>;

  /** What follows the values of an insert, to make it replace or add to the row that has the same key. */
  onConflict(plan: UpsertPlan): RawBuilder<unknown>;

  /** Table options, where the database has some that help. */
  clustered<T extends string, C extends string>(table: CreateTableBuilder<T, C>): CreateTableBuilder<T, C>;

  /** True when another writer was in the way and the same thing may be tried again. */
  isBusy(error: unknown): boolean;

  /** The error for whoever called, by kind: `unavailable`, `full`, `corrupt`; a BatchctlError as it is. */
  translate(error: unknown): BatchctlError;
}
