import { wait } from '../../lib/wait.ts';

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
