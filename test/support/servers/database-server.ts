import { join } from 'node:path';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { until } from '../until.ts';
import { type Account, directoryOf, run } from './account.ts';
import type { Running } from './program.ts';
import { shared } from './shared.ts';

/** A throw-away database server on a free port of this machine, with the database `ledger` and the user `batchctl`. */
export interface DatabaseServer {
  readonly kind: 'postgres' | 'mysql';
  readonly port: number;
  /** Of the user, as whom all but `admin` come. */
  readonly password: string;
  /** The file of the authority that signed its certificate for `localhost`, and one of another authority. */
  readonly ca: string;
  readonly otherCa: string;
  /** `host` must be `localhost` to match the certificate; 127.0.0.1 unless given, which needs none. */
  url(host?: string): string;
  /** Runs statements, one after another, as the administrator, and answers the rows of the last. */
  admin(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  /** The same in the database `ledger`, as the user. */
  tables(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  /** Calls with the URL of a user `reader` who may read the tables and no more, with the same password. */
  asReader(use: (url: string) => Promise<void>): Promise<void>;
  /** Whether the user has, or had, encrypted connections. */
  encrypted(): Promise<boolean>;
  /** Ends all connections of the user. */
  cutAll(): Promise<void>;
  /** Makes the user's new sessions read-only until `end`; those of that time stay so. */
  readOnlySessions(): Promise<{ end(): Promise<void> }>;
  /** Deadlocks that the server found since it started. */
  deadlocks(): Promise<number>;
  /** Empties the ledger's tables, if there are any: a new place for a test, faster than a new database. */
  empty(): Promise<void>;
  /** Stops it as a failover does, connections and all, and answers how to start it again. */
  halt(): Promise<() => Promise<void>>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

export const TABLES = ['jobs', 'job_labels', 'attempts', 'tasks', 'step_counts', 'counter_sums', 'workers'] as const;

/**
 * Puts into a directory what a server starts with. It is made once a test run, which takes seconds of CPU, and copied; a
 * bench, which is no test run, makes it itself.
 */
export async function freshData(
  name: string,
  account: Account,
  to: string,
  make: (data: string) => void,
): Promise<void> {
  if (process.env.BATCHCTL_TEST_RUN === undefined) return make(to);
  const { data } = await shared(`${name}-data`, async () => {
    const made = join(directoryOf(account, `batchctl-${name}-data-`), 'data');
    make(made);
    return { data: made };
  });
  run('cp', ['-a', data, to], account);
}

/** Asks a server to end now, closing its connections, and waits until it did. */
export async function endServer(running: Running, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  process.kill(running.pid, signal);
  await until('the server ends', () => !isAlive(running.pid)).catch(() => undefined);
  await running.stop();
}
