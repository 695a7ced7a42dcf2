import { CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import { wait } from '../../lib/wait.ts';

interface ServerDriverOptions {
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

/** One connection to a database server, as this directory uses it. */
export interface ServerConnection {
  /** Runs a statement and answers its rows, if it has any. */
  query(text: string, parameters: readonly unknown[]): Promise<readonly unknown[]>;
  /** False once its socket is gone. */
  isAlive(): boolean;
  /** Says goodbye; never rejects. */
  end(): Promise<void>;
  /** Cuts the socket, whatever is under way. */
  destroy(): void;
}

export interface PoolOptions {
  connect(): Promise<ServerConnection>;
  /** Connections at once, at most. Few: each worker of a grid has a pool, and a small server takes some 100 in all. */
  readonly size: number;
  /** One that nobody used for so long is closed, milliseconds. */
  readonly idleMs: number;
  /** One older than this is not used again, milliseconds: so all move to where the server's name points by then. */
  readonly ageMs: number;
}

/** How long a server may take to say goodbye, milliseconds: one that is gone must not keep the process. */
const GOODBYE_MS = 1000;

/** Ends a connection politely, and cuts it when that is not answered; never rejects. */
export async function farewell(end: () => Promise<void>, cut: () => void): Promise<void> {
  const done = new AbortController();
  const ended = end().catch(() => undefined);
  await Promise.race([ended, wait(GOODBYE_MS, done.signal)]);
  done.abort();
  cut();
}

/** A connection in use. */
export interface Held {
  readonly connection: ServerConnection;
  /** On the monotonic clock: when it is too old. */
  readonly until: number;
}

/**
 * A few connections, made when they are needed. Whoever gave one back as spoiled, or old, or dead, never sees it again:
 * after a failover an old connection may still answer, and refuse every write.
 */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #idle: { readonly held: Held; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  #ended = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Waits for its turn while all are in use. Throws what connecting throws. */
  async acquire(): Promise<Held> {
    if (this.#inUse >= this.#options.size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inUse += 1;
    try {
      if (this.#ended) throw new Error('the connections to the database are closed');
      return this.#takeIdle() ?? (await this.#connect());
    } catch (error) {
      this.#passOn();
      throw error;
    }
  }

  /** Gives a connection back; `spoiled`: it is to be cut, not used again. */
  release(held: Held, spoiled: boolean): void {
    if (spoiled || !held.connection.isAlive()) held.connection.destroy();
    else if (this.#ended || performance.now() >= held.until) void held.connection.end();
    else this.#keep(held);
    this.#passOn();
  }

  /** Closes what is idle now, and what is in use when it comes back. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(
      this.#idle.splice(0).map(({ held, timer }) => {
        clearTimeout(timer);
        return held.connection.end();
      }),
    );
  }

  #takeIdle(): Held | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      clearTimeout(last.timer);
      if (!last.held.connection.isAlive()) last.held.connection.destroy();
      else if (performance.now() >= last.held.until) void last.held.connection.end();
      else return last.held;
    }
    return undefined;
  }

  async #connect(): Promise<Held> {
    const connection = await this.#options.connect();
    // Not all of a grid's workers, started together, come back in the same second.
    return { connection, until: performance.now() + this.#options.ageMs * (0.8 + Math.random() * 0.4) };
  }

  #keep(held: Held): void {
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((each) => each.held === held),
        1,
      );
      void held.connection.end();
    }, this.#options.idleMs);
    timer.unref();
    this.#idle.push({ held, timer });
  }

  /** The place goes to whoever waits longest. */
  #passOn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inUse -= 1;
    else next();
  }
}
