import { Kysely } from 'kysely';
import { type Finding, pass, warn } from '../../model/finding.ts';
import { readSchemaVersions } from './database.ts';
import type { SqlDialect } from './dialect.ts';
import type { ServerOptions } from './server-options.ts';
import { loadDialect } from './sql-ledger.ts';
import type { Tables } from './tables.ts';

type ServerLedgerOptions = { readonly dialect: 'postgres' | 'mysql' } & ServerOptions;

/** Thrown to roll a transaction back. */
class RollbackSignal extends Error {}

/**
 * Checks that a ledger on a server answers, has its tables, and lets its user write. Creates no table, and leaves no
 * row. Throws at once if the ledger can't be opened.
 */
export function checkLedger(options: ServerLedgerOptions): Promise<Finding> {
  return withLedger(options, checkSchema);
}

async function withLedger<T>(
  options: ServerLedgerOptions,
  work: (db: Kysely<Tables>, dialect: SqlDialect) => Promise<T>,
): Promise<T> {
  const dialect = await loadDialect(options);
  const db = new Kysely<Tables>({ dialect: await dialect.connect() });
  try {
    return await work(db, dialect);
  } catch (error) {
    throw dialect.translate(error);
  } finally {
    await db.destroy();
  }
}

async function checkSchema(db: Kysely<Tables>, dialect: SqlDialect): Promise<Finding> {
  const { found, current } = await readSchemaVersions(db, dialect);
  if (found === 0) return pass(`${dialect.name} responds; its tables are created when first used`);
  await probeWrite(db);
  if (found > current)
    return pass(`${dialect.name} takes writes; its schema ${found} is newer, and works with ${current}`);
  if (found === current) return pass(`${dialect.name} takes writes; its schema is ${current}, the newest`);
  return warn(
    `${dialect.name} has schema ${found}, but this version needs ${current}`,
    'batchctl jobs updates it, as a user who may create tables; older workers continue',
  );
}

async function probeWrite(db: Kysely<Tables>): Promise<void> {
  const row = {
    worker: `doctor-${process.pid}`,
    group_name: '',
    host: '',
    pid: process.pid,
    version: '',
    state: 'gone' as const,
    slots: 0,
    busy: '[]',
    done: 0,
    failed: 0,
    started_at: 0,
    seen_at: 0,
  };
  try {
    await db.transaction().execute(async (transaction) => {
      await transaction.insertInto('workers').values(row).execute();
      throw new RollbackSignal();
    });
  } catch (error) {
    if (!(error instanceof RollbackSignal)) throw error;
  }
}

/** The table of versions goes last: without it, the next process to open the ledger would create the others again. */
const TABLES: readonly (keyof Tables)[] = [
  ...(['job_labels', 'attempts', 'tasks', 'step_counts', 'counter_sums', 'workers', 'jobs', 'ledger_schema'] as const),
];

/** Drops a ledger's tables on a server, with all content. May be interrupted and repeated. Throws as a ledger does. */
export function dropLedger(options: ServerLedgerOptions): Promise<void> {
  return withLedger(options, async (db) => {
    for (const table of TABLES) await db.schema.dropTable(table).ifExists().execute();
  });
}
