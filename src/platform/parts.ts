import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AwsClients } from '../adapters/aws/clients.ts';
import type { Config } from '../config/load-config.ts';
import { BatchctlError, hasCode } from '../errors.ts';
import { LOG_KEPT_MS, listLeftovers } from '../lib/leftovers.ts';
import { OnceMap } from '../lib/once.ts';
import { makePrivateDirectory } from '../lib/private-files.ts';
import { userName } from '../lib/this-machine.ts';
import type { NotificationSettings, Notifier } from '../ports/notifier.ts';
import type { SecretSource } from '../ports/secret-source.ts';

export interface PlatformOptions {
  readonly role: 'cli' | 'worker';
  /** Who acts: a worker's id; by default a person's `user@host`. */
  readonly who?: string;
  /** Seconds; by default the profile's own. Tests shorten it. */
  readonly leaseSeconds?: number;
  /** Milliseconds to wait for an unreachable queue (locally also the ledger); by default the profile's. */
  readonly patienceMs?: number;
  /** Receives problems that don't prevent work, such as a queue's attributes. */
  readonly onWarning?: (line: string) => void;
}

/** Crash tests run with leases of a second or two. */
export function leaseFromEnvironment(): number | null {
  const text = process.env.BATCHCTL_TEST_LEASE_SECONDS;
  return text === undefined ? null : Number(text);
}

/** Values opened once per name. If opening fails, the next caller tries again. */
export class OpenMap<T extends { close(): Promise<void> }> {
  readonly #open: (name: string) => Promise<T>;
  readonly #made = new OnceMap<T>();

  constructor(open: (name: string) => Promise<T>) {
    this.#open = open;
  }

  get(name: string): Promise<T> {
    return this.#made.get(name, () => this.#open(name));
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#made.takeAll().map(async (opening) => {
        // The error was already reported to the caller.
        const open = await opening.catch(() => null);
        await open?.close();
      }),
    );
  }
}

/** Milliseconds. Reading a secret and sending, with all retries, must end before the next try may start. */
const NOTICE_LIMIT_MS = 30_000;

interface NoticesOptions {
  readonly profile: NotificationSettings['profile'];
  readonly secrets: SecretSource;
  /** Clients for the region in an ARN. */
  readonly clientsOf: (topic: string) => AwsClients | Promise<AwsClients>;
}

/** Sends notifications. Each receiver's client is loaded when first used. */
export function openNotices({ profile, secrets, clientsOf }: NoticesOptions): NotificationSettings {
  const notifier: Notifier = {
    send: async ({ to, secret, trusted }, notice, signal) => {
      const limit = AbortSignal.timeout(NOTICE_LIMIT_MS);
      const until = signal === undefined ? limit : AbortSignal.any([signal, limit]);
      if (to.startsWith('exec:')) {
        const { runProgram } = await import('../adapters/notify/run-program.ts');
        return runProgram({ path: to.slice('exec:'.length), notice, signal });
      }
      if (to.startsWith('sns:')) {
        const { publishNotice } = await import('../adapters/aws/sns.ts');
        const topic = to.slice('sns:'.length);
        return publishNotice(await clientsOf(topic), topic, notice, until);
      }
      const { postNotice, readSecret } = await import('../adapters/notify/post.ts');
      const value = secret === null ? null : await readSecret(secret, secrets, process.env);
      return postNotice({ url: to, notice, secret: value, loopback: trusted, signal: until });
    },
  };
  return { notifier, profile };
}

/**
 * Creates a worker's directory. Its name contains the process id, so that a later worker can remove the directories of
 * dead processes. Logs of dead workers are removed after a week.
 */
export function makeScratch(directory: string, worker: string): string {
  makePrivateDirectory(directory);
  removeLeftovers(directory, Date.now() - LOG_KEPT_MS, false);
  const scratch = join(directory, `${worker}.${process.pid}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/**
 * Removes scratch directories of dead workers, and their logs unchanged since `before` (milliseconds since the epoch).
 * Returns their number and bytes. `dryRun` only counts.
 */
export function removeLeftovers(
  directory: string,
  before: number,
  dryRun: boolean,
): { readonly objects: number; readonly bytes: number } {
  let [objects, bytes] = [0, 0];
  for (const { path } of listLeftovers(directory, before)) {
    objects += 1;
    bytes += bytesIn(path);
    if (!dryRun) rmSync(path, { recursive: true, force: true });
  }
  return { objects, bytes };
}

/** Bytes of a file or directory tree; files removed meanwhile count as 0. */
function bytesIn(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.size;
  let names: readonly string[] = [];
  try {
    names = readdirSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return names.reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

/**
 * The scratch directory of this user's workers when their store is remote. It is below the system's temporary directory
 * (set TMPDIR to use a larger disk). Throws `refused` if someone else owns the name, as they could read and change the
 * work.
 */
export function temporaryRoot(): string {
  const uid = process.getuid?.();
  const root = join(tmpdir(), `batchctl-${uid ?? userName()}`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const found = lstatSync(root);
  // If commands run as another user, others may pass through to names they know.
  const ours = found.isDirectory() && (uid === undefined || (found.uid === uid && (found.mode & 0o066) === 0));
  if (ours) return root;
  throw new BatchctlError('refused', `expected ${root} to be a directory that belongs to ${userName()} alone`, {
    hint: 'remove it, or set TMPDIR to a directory of your own',
  });
}

/** The argument of `import` for a module below src/: its URL in source; in the bundle, its file, next to all others. */
export function moduleUrl(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return import.meta.url.endsWith('.ts') ? new URL(`../${path}.ts`, import.meta.url).href : `./${name}.js`;
}

/** The arguments after `node` to run a command of this batchctl with the same configuration. */
export function programArgv({ profile, file }: Config, ...words: readonly string[]): readonly string[] {
  const root = import.meta.url.endsWith('.ts') ? '../..' : '..';
  const program = fileURLToPath(new URL(`${root}/bin/batchctl.js`, import.meta.url));
  return [program, ...words, '--profile', profile.name, ...(file === null ? [] : ['--config', file])];
}
