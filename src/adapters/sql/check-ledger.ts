import { Kysely } from 'kysely';
import { isBatchctlError } from '../../errors.ts';
import { type Finding, pass, warn } from '../../ports/check.ts';
import { readSchemaVersions } from './database.ts';
import type { SqlDialect } from './dialect.ts';
import type { ServerOptions } from './server-options.ts';
import { loadDialect } from './sql-ledger.ts';
import type { Tables } from './tables.ts';

/** Thrown to roll a transaction back. */
class RollbackSignal extends Error {}

/**
 * Checks that a ledger on a server answers, has its tables, and lets its user write. Creates no table, and leaves no
 * row. Throws at once if the ledger can't be opened.
 */
export async function checkLedger(
  options: { readonly dialect: 'postgres' | 'mysql' } & ServerOptions,
): Promise<Finding> {
  const dialect = await loadDialect(options);
  const db = new Kysely<Tables>({ dialect: await dialect.connect() });
  try {
    return await checkSchema(db, dialect);
  } catch (error) {
    throw isBatchctlError(error) ? error : dialect.translate(error);
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
    ...{ worker: `doctor-${process.pid}`, group_name: '', host: '', pid: process.pid, version: '' },
    ...{ state: 'gone' as const, slots: 0, busy: '[]', done: 0, failed: 0, started_at: 0, seen_at: 0 },
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
export async function dropLedger(options: { readonly dialect: 'postgres' | 'mysql' } & ServerOptions): Promise<void> {
  const dialect = await loadDialect(options);
  const db = new Kysely<Tables>({ dialect: await dialect.connect() });
  try {
    for (const table of TABLES) await db.schema.dropTable(table).ifExists().execute();
  } catch (error) {
    throw isBatchctlError(error) ? error : dialect.translate(error);
  } finally {
    await db.destroy();
  }
}
