import { Kysely, type Transaction } from 'kysely';
import { BatchctlError } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import type { SqlDialect } from './dialect.ts';
import { migrate } from './schema.ts';
import type { Tables } from './tables.ts';
import { CompiledStatements } from './upsert.ts';

/** A try after another writer was in the way waits this long at least and at most, milliseconds, with jitter. */
const RETRY_MS = { first: 1, last: 25 } as const;

/** The connected database: runs reads and transactions, again while it is busy, and translates what they throw. */
export class SqlDatabase {
  readonly statements: CompiledStatements;
  readonly #db: Kysely<Tables>;
  readonly #dialect: SqlDialect;
  readonly #lockWaitMs: number;

  private constructor(db: Kysely<Tables>, dialect: SqlDialect, lockWaitMs: number) {
    this.#db = db;
    this.#dialect = dialect;
    this.#lockWaitMs = lockWaitMs;
    this.statements = new CompiledStatements(db, dialect.onConflict);
  }

  /** Connects and brings the tables up to date. `now` in milliseconds since the epoch. */
  static async open(dialect: SqlDialect, lockWaitMs: number, now: number): Promise<SqlDatabase> {
    return await retryBusy(dialect, lockWaitMs, async () => {
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
    return retryBusy(this.#dialect, this.#lockWaitMs, () => work(this.#db));
  }

  /** All of the work or none of it. It may run again from its beginning, so it must have no effect elsewhere. */
  write<T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    return retryBusy(this.#dialect, this.#lockWaitMs, () => this.#db.transaction().execute(work));
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }
}

/** Between tries the event loop is free, and the jitter gives every process its turn. */
async function retryBusy<T>(dialect: SqlDialect, lockWaitMs: number, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  let pause: number = RETRY_MS.first;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof BatchctlError) throw error;
      if (!dialect.isBusy(error) || performance.now() - start >= lockWaitMs) throw dialect.translate(error);
    }
    await wait(pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, RETRY_MS.last);
  }
}
