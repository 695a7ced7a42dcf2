import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../../../src/lib/leftovers.ts';
import { until } from '../until.ts';
import { type Account, makeDirectory, run } from './account.ts';
import { type Certificates, makeCertificates } from './certificates.ts';
import { freePort, type ProgramOptions, startProgram } from './program.ts';
import { shared } from './shared.ts';

/** A temporary database server on a free port of this machine, with the database `ledger` and the user `batchctl`. */
export interface DatabaseServer {
  readonly kind: 'postgres' | 'mysql';
  readonly port: number;
  /** The password of the user `batchctl`. */
  readonly password: string;
  /** The certificate of the authority that signed the server's own for `localhost`, and that of another authority: files. */
  readonly ca: string;
  readonly otherCa: string;
  /** By default at 127.0.0.1, for connections without a certificate; `localhost` matches the certificate. */
  url(host?: string): string;
  /** Runs statements, one after another, as the administrator; returns the rows of the last one. */
  admin(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  /** Runs statements in the database `ledger`. */
  tables(...statements: readonly string[]): Promise<readonly Record<string, unknown>[]>;
  /** Calls `use` with the URL of a user `reader`, who may only read the tables and has the same password. */
  asReader(use: (url: string) => Promise<void>): Promise<void>;
  /** Whether the user's connections are, or were, encrypted. */
  encrypted(): Promise<boolean>;
  cutAll(): Promise<void>;
  /** Makes the user's new sessions read-only until `end`; sessions that began before `end` stay read-only. */
  readOnlySessions(): Promise<{ end(): Promise<void> }>;
  /** Deadlocks that the server has found since its start. */
  deadlocks(): Promise<number>;
  /** Empties the ledger's tables, if there are any: faster than a new database for each test. */
  empty(): Promise<void>;
  /** Stops it and its connections, as a failover does; returns a function that starts it again. */
  halt(): Promise<() => Promise<void>>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

export const TABLES = ['jobs', 'job_labels', 'attempts', 'tasks', 'step_counts', 'counter_sums', 'workers'] as const;

export const PASSWORD = 'p@ss:w/rd?';

/** The files and the port of a server that has not started yet. */
interface ServerFiles {
  readonly directory: string;
  readonly data: string;
  readonly certificates: Certificates;
  readonly facts: Pick<DatabaseServer, 'port' | 'password' | 'ca' | 'otherCa'>;
}

/** Prepares a server. `makeData` takes seconds of CPU, so a test run calls it once, and copies the directory. */
export async function prepareServer(
  name: string,
  account: Account,
  makeData: (data: string) => void,
): Promise<ServerFiles> {
  const directory = makeDirectory(account, `batchctl-${name}-`);
  const data = join(directory, 'data');
  // A bench isn't a test run.
  if (process.env.BATCHCTL_TEST_RUN === undefined) makeData(data);
  else {
    const original = await shared(`${name}-data`, async () => {
      const path = join(makeDirectory(account, `batchctl-${name}-data-`), 'data');
      makeData(path);
      return { path };
    });
    run('cp', ['-a', original.path, data], account);
  }
  const certificates = await makeCertificates(directory, account);
  const { ca, otherCa } = certificates;
  return { directory, data, certificates, facts: { port: await freePort(), password: PASSWORD, ca, otherCa } };
}

/** `--name=value` for each setting. */
export const flagsOf = (settings: Readonly<Record<string, string | number>>): readonly string[] =>
  Object.entries(settings).map(([name, value]) => `--${name}=${value}`);

/** Starts a server whose files are all in `cwd`; `signal` makes it close its connections and end. */
export async function startServer(
  options: ProgramOptions & { readonly cwd: string },
  signal: 'SIGINT' | 'SIGTERM',
): Promise<Pick<DatabaseServer, 'halt' | 'stop'>> {
  let running = await startProgram(options);
  const end = async (): Promise<void> => {
    const { pid, stop } = running;
    process.kill(pid, signal);
    await until('the server ends', () => !isAlive(pid)).catch(() => undefined);
    await stop();
  };
  return {
    halt: async () => {
      await end();
      return async () => {
        running = await startProgram(options);
      };
    },
    stop: async () => {
      await end();
      rmSync(options.cwd, { recursive: true });
    },
  };
}
