import { Kysely, type Transaction } from 'kysely';
import { isOurs } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import type { SqlDialect, SqlLocks } from './dialect.ts';
import { migrate } from './schema.ts';
import type { Tables } from './tables.ts';
import { CompiledStatements } from './upsert.ts';

/** Milliseconds between tries, doubled from the first to the last, with jitter. */
const RETRY_MS = {
  /** After another writer was in the way. */
  busy: { first: 1, last: 25 },
  /** After the server went away: all its clients come back at once, and each of them costs it a handshake. */
  lost: { first: 50, last: 1000 },
} as const;
/** Milliseconds. After a write that waited `lockWaitMs` in vain, each write waits only this long until one succeeds. */
const BRIEF_WAIT_MS = 500;

/** The connected database: runs reads and transactions, again while it is busy or lost, and translates what they throw. */
export class SqlDatabase {
  readonly statements: CompiledStatements;
  readonly locks: SqlLocks | undefined;
  readonly #db: Kysely<Tables>;
  readonly #dialect: SqlDialect;
  readonly #lockWaitMs: number;
  /** The last write waited in vain: another process may hold the lock for long. */
  #staysBusy = false;

  private constructor(db: Kysely<Tables>, dialect: SqlDialect, lockWaitMs: number) {
    this.#db = db;
    this.#dialect = dialect;
    this.#lockWaitMs = lockWaitMs;
    this.statements = new CompiledStatements(db, dialect);
    this.locks = dialect.locks;
  }

  /** Connects and brings the tables up to date. `now` in milliseconds since the epoch. */
  static async open(dialect: SqlDialect, lockWaitMs: number, now: number): Promise<SqlDatabase> {
    return await retrying(dialect, lockWaitMs, async () => {
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
    return retrying(this.#dialect, this.#lockWaitMs, () => work(this.#db));
  }

  /** All of the work or none of it. It may run again from its beginning, so it must have no effect elsewhere. */
  async write<T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    const waitMs = this.#staysBusy ? Math.min(this.#lockWaitMs, BRIEF_WAIT_MS) : this.#lockWaitMs;
    try {
      const result = await retrying(this.#dialect, waitMs, () => this.#db.transaction().execute(work));
      this.#staysBusy = false;
      return result;
    } catch (error) {
      this.#staysBusy = isOurs(error) && this.#dialect.isBusy(error.cause);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }
}

/** Between tries the event loop is free, and the jitter gives every process its turn. */
async function retrying<T>(dialect: SqlDialect, lockWaitMs: number, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  for (let tries = 0; ; tries += 1) {
    let why: keyof typeof RETRY_MS;
    try {
      return await work();
    } catch (error) {
      if (isOurs(error)) throw error;
      const again = dialect.isBusy(error) ? 'busy' : dialect.isLost(error) ? 'lost' : undefined;
      if (again === undefined || performance.now() - start >= lockWaitMs) throw dialect.translate(error);
      why = again;
    }
    const { first, last } = RETRY_MS[why];
    await wait(Math.min(first * 2 ** tries, last) * (0.5 + Math.random()));
  }
}
