import type { EventEmitter } from 'node:events';
import { CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely';
import { within } from '../../lib/wait.ts';

interface ServerDriverOptions {
  readonly connect: () => Promise<ServerConnection>;
  /** Most connections at once; 2 by default: one to record, one to look. */
  readonly connections?: number | undefined;
  /** The statement, or statements, that begin a transaction: they set its isolation level and timeouts. */
  readonly begin: string;
  /** True for errors after which the connection must not be reused. */
  readonly spoils: (error: unknown) => boolean;
  /** A statement without an answer for this long ends its connection, milliseconds; 40,000 by default. */
  readonly answerMs?: number;
}

const POOL = { size: 2, idleMs: 60_000, ageMs: 600_000 } as const satisfies Omit<PoolOptions, 'connect'>;
/** Milliseconds: longer than the server's own limits, which keep the connection usable. */
const ANSWER_MS = 40_000;

/** The server, or the network to it, left a connection without an answer. */
export class NoAnswerError extends Error {
  constructor(ms: number) {
    super(`no answer within ${ms / 1000} s`);
  }
}

/** Kysely's driver for database servers: a small pool that drops a spoiled connection at once. */
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

  /** Never throws, so that the first error is reported. A connection that can't roll back is closed, which rolls back. */
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
  readonly held: HeldConnection;
  spoiled = false;
  readonly #spoils: (error: unknown) => boolean;
  readonly #answerMs: number;

  constructor(held: HeldConnection, spoils: (error: unknown) => boolean, answerMs: number) {
    this.held = held;
    this.#spoils = spoils;
    this.#answerMs = answerMs;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return { rows: (await this.#queryWithTimeout(sql, parameters)) as R[] };
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

  /** A server that hangs, or a network that drops packets, may stay silent for many minutes. */
  #queryWithTimeout(text: string, parameters: readonly unknown[]): Promise<readonly unknown[]> {
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
  /** Runs a statement and returns its rows, if any. */
  query(text: string, parameters: readonly unknown[]): Promise<readonly unknown[]>;
  /** False once its socket is gone. */
  isAlive(): boolean;
  /** Closes the connection properly; never rejects. */
  end(): Promise<void>;
  /** Closes the socket, whatever is in progress. */
  destroy(): void;
}

export interface PoolOptions {
  connect(): Promise<ServerConnection>;
  /** Most connections at once. Few: each worker of a grid has a pool, and a small server accepts some 100 in all. */
  readonly size: number;
  /** A connection that was idle for this long is closed, milliseconds. */
  readonly idleMs: number;
  /** An older connection is not reused, milliseconds: by then all have moved to where the server's name points. */
  readonly ageMs: number;
}

/** How long a server may take to close a connection, milliseconds: one that is gone must not keep the process alive. */
const END_WAIT_MS = 1000;

/** Greets the server through a driver's client. A client that can't greet is cut. Notes when the socket is gone. */
export async function openServerConnection(
  client: Pick<EventEmitter, 'on'>,
  {
    greet,
    query,
    end,
    destroy,
  }: Pick<ServerConnection, 'query' | 'end' | 'destroy'> & { readonly greet: () => Promise<unknown> },
): Promise<ServerConnection> {
  let alive = true;
  const gone = (): void => {
    alive = false;
  };
  client.on('error', gone);
  client.on('end', gone);
  const cut = (): void => {
    gone();
    destroy();
  };
  try {
    await greet();
  } catch (error) {
    cut();
    throw error;
  }
  return { query, isAlive: () => alive, end: () => endOrDestroy(end, cut), destroy: cut };
}

/** Closes a connection properly, and cuts it if the server doesn't answer; never rejects. */
async function endOrDestroy(end: () => Promise<void>, cut: () => void): Promise<void> {
  await within(end(), END_WAIT_MS).catch(() => undefined);
  cut();
}

/** A connection in use. */
export interface HeldConnection {
  readonly connection: ServerConnection;
  /** On the monotonic clock: when it is too old. */
  readonly until: number;
}

/**
 * A few connections, made on demand. A connection returned as spoiled, too old or dead is never used again: after a
 * failover an old connection may still answer, and refuse every write.
 */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #idle: { readonly held: HeldConnection; readonly timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  #ended = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Waits for its turn while all are in use. Throws connection errors. */
  async acquire(): Promise<HeldConnection> {
    if (this.#inUse >= this.#options.size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inUse += 1;
    try {
      if (this.#ended) throw new Error('the connections to the database are closed');
      return this.#takeIdle() ?? (await this.#connect());
    } catch (error) {
      this.#releaseTurn();
      throw error;
    }
  }

  /** Returns a connection; `spoiled`: close it and don't reuse it. */
  release(held: HeldConnection, spoiled: boolean): void {
    if (spoiled || !held.connection.isAlive()) held.connection.destroy();
    else if (this.#ended || performance.now() >= held.until) void held.connection.end();
    else this.#addIdle(held);
    this.#releaseTurn();
  }

  /** Closes idle connections now, and those in use when they come back. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(
      this.#idle.splice(0).map(({ held, timer }) => {
        clearTimeout(timer);
        return held.connection.end();
      }),
    );
  }

  #takeIdle(): HeldConnection | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      clearTimeout(last.timer);
      if (!last.held.connection.isAlive()) last.held.connection.destroy();
      else if (performance.now() >= last.held.until) void last.held.connection.end();
      else return last.held;
    }
    return undefined;
  }

  async #connect(): Promise<HeldConnection> {
    const connection = await this.#options.connect();
    // Random, so that not all of a grid's workers, started together, reconnect in the same second.
    return { connection, until: performance.now() + this.#options.ageMs * (0.8 + Math.random() * 0.4) };
  }

  #addIdle(held: HeldConnection): void {
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

  #releaseTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inUse -= 1;
    else next();
  }
}
