import { Kysely } from 'kysely';
import { isOurs } from '../../errors.ts';
import type { ServerOptions } from './server-options.ts';
import { loadDialect } from './sql-ledger.ts';
import type { Tables } from './tables.ts';

/** The versions go last: tables without them would be made over by the next who opens the ledger. */
const TABLES: readonly (keyof Tables)[] = [
  ...(['job_labels', 'attempts', 'tasks', 'step_counts', 'counter_sums', 'workers', 'jobs', 'ledger_schema'] as const),
];

/** Drops a ledger's tables on a server, with all that they hold. May be cut off, and done again. Throws as a ledger does. */
export async function dropLedger(options: { readonly dialect: 'postgres' | 'mysql' } & ServerOptions): Promise<void> {
  const dialect = await loadDialect(options);
  const db = new Kysely<Tables>({ dialect: await dialect.connect() });
  try {
    for (const table of TABLES) await db.schema.dropTable(table).ifExists().execute();
  } catch (error) {
    throw isOurs(error) ? error : dialect.translate(error);
  } finally {
    await db.destroy();
  }
}
