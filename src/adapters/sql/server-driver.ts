import { CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import { ConnectionPool, type Held, type PoolOptions, type ServerConnection } from './connection-pool.ts';

export interface ServerDriverOptions {
  readonly connect: () => Promise<ServerConnection>;
  /** Connections at once, at most; 2 unless given: one to record, one to look. */
  readonly connections?: number | undefined;
  /** The statement, or statements, that begin a transaction: its isolation level stated, its timeouts set. */
  readonly begin: string;
  /** True for errors after which the connection must not be used again. */
  readonly spoils: (error: unknown) => boolean;
  /** A statement without an answer for so long ends its connection, milliseconds; 40,000 unless given. */
  readonly answerMs?: number;
}

const POOL = { size: 2, idleMs: 60_000, ageMs: 600_000 } as const satisfies Omit<PoolOptions, 'connect'>;
/** Longer than the server's own limits, which leave the connection whole. */
const ANSWER_MS = 40_000;

/** A connection that a server, or the network to it, left without an answer. */
export class NoAnswerError extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms / 1000} s`);
  }
}

/** Kysely's driver for database servers: a small pool, from which a spoiled connection goes at once. */
export class ServerDriver implements Driver {
  readonly #options: ServerDriverOptions;
  readonly #pool: ConnectionPool;

  constructor(options: ServerDriverOptions) {
    this.#options = options;
    const { connect, connections: size = POOL.size } = options;
    this.#pool = new ConnectionPool({ ...POOL, connect, size });
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PooledConnection> {
    const { spoils, answerMs = ANSWER_MS } = this.#options;
    return new PooledConnection(await this.#pool.acquire(), spoils, answerMs);
  }

  async beginTransaction(connection: PooledConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(this.#options.begin));
  }

  async commitTransaction(connection: PooledConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  /** Never throws: the error that came first counts, and a connection that can't roll back goes, which rolls back too. */
  async rollbackTransaction(connection: PooledConnection): Promise<void> {
    await connection.rollback();
  }

  async releaseConnection(connection: PooledConnection): Promise<void> {
    this.#pool.release(connection.held, connection.spoiled);
  }

  async destroy(): Promise<void> {
    await this.#pool.end();
  }
}

class PooledConnection implements DatabaseConnection {
  readonly held: Held;
  spoiled = false;
  readonly #spoils: (error: unknown) => boolean;
  readonly #answerMs: number;

  constructor(held: Held, spoils: (error: unknown) => boolean, answerMs: number) {
    this.held = held;
    this.#spoils = spoils;
    this.#answerMs = answerMs;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return { rows: (await this.#answered(sql, parameters)) as R[] };
    } catch (error) {
      this.spoiled ||= error instanceof NoAnswerError || this.#spoils(error);
      throw error;
    }
  }

  async rollback(): Promise<void> {
    if (this.spoiled) return;
    await this.executeQuery(CompiledQuery.raw('rollback')).catch(() => {
      this.spoiled = true;
    });
  }

  // biome-ignore lint/correctness/useYield: pages are read by seeks, so nothing streams
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('the ledger reads pages, no streams');
  }

  /** A server that hangs, or a network that swallows packets, says nothing at all for many minutes. */
  #answered(text: string, parameters: readonly unknown[]): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.held.connection.destroy();
        reject(new NoAnswerError(this.#answerMs));
      }, this.#answerMs);
      const settle =
        <T>(answer: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          answer(value);
        };
      this.held.connection.query(text, parameters).then(settle(resolve), settle(reject));
    });
  }
}
