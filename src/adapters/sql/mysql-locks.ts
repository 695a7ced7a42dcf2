import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Tables } from './tables.ts';

/** How long a process waits for another one's migration, seconds. */
const MIGRATION_WAIT = 10;

/**
 * Locks the job's row; of a job that has none, the schema's first row in its place, which whoever adds the job locks
 * too. MySQL knows no advisory locks that end with a transaction, or that may be shared.
 */
export async function lockJob(transaction: Transaction<Tables>, job: string, how: 'shared' | 'alone'): Promise<void> {
  // `for share` would be the newer word; MariaDB doesn't know it.
  const lock = how === 'shared' ? sql`lock in share mode` : sql`for update`;
  const isThere = async (rows: RawBuilder<unknown>): Promise<boolean> =>
    (await sql`${rows} ${lock}`.execute(transaction)).rows.length > 0;
  const row = sql`select round from jobs where job = ${job}`;
  if (await isThere(row)) return;
  await isThere(sql`select version from ledger_schema where version = 1`);
  // It may have come before that lock was had.
  await isThere(row);
}

/** A definition commits by itself in MySQL, so what keeps others out must last longer: a lock of the session. */
export async function migrateAlone(db: Kysely<Tables>, work: (db: Kysely<Tables>) => Promise<void>): Promise<void> {
  await db.connection().execute(async (one) => {
    const name = sql`concat('batchctl.', md5(database()))`;
    const { rows } = await sql<{ got: number | null }>`select get_lock(${name}, ${MIGRATION_WAIT}) as got`.execute(one);
    if (rows[0]?.got !== 1) {
      throw Object.assign(new Error('another process migrates the tables'), { errno: 1205 });
    }
    try {
      await work(one);
    } finally {
      // A connection that is gone has given the lock back.
      await sql`select release_lock(${name})`.execute(one).catch(() => undefined);
    }
  });
}
