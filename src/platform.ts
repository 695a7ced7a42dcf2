import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config, LocalProfile } from './config.ts';
import { BatchctlError, hasCode } from './errors.ts';
import { systemClock } from './lib/clock.ts';
import { randomId } from './lib/id.ts';
import { person } from './lib/person.ts';
import { localInsight } from './platform/local-insight.ts';
import type { Ledger } from './ports/ledger.ts';
import type { Platform } from './ports/platform.ts';
import type { TaskQueue } from './ports/task-queue.ts';
import type { WorkerGroup } from './ports/worker-group.ts';

export interface PlatformOptions {
  readonly role: 'cli' | 'worker';
  /** Who acts: a worker's id; a person's `user@host` unless given. */
  readonly who?: string;
  /** Seconds; the profile's own unless given. Tests shorten it. */
  readonly leaseSeconds?: number;
}

/** Leases of the local profile, seconds: short, as heartbeats cost nothing here. */
const LOCAL_LEASE = 15;

/** Opens a profile's four ports: the only room that names an adapter. Throws `config` for a backend that isn't built. */
export async function openPlatform(config: Config, options: PlatformOptions): Promise<Platform> {
  const { profile } = config;
  if (profile.backend === 'local') return openLocal(config, profile, options);
  throw new BatchctlError(
    'config',
    `profile ${profile.name} has the backend ${profile.backend}, which this version does not run yet`,
    {
      hint: 'use --profile local',
    },
  );
}

async function openLocal(config: Config, profile: LocalProfile, options: PlatformOptions): Promise<Platform> {
  const { root, durability } = profile;
  const leaseSeconds = options.leaseSeconds ?? leaseFromEnvironment() ?? LOCAL_LEASE;
  const who = options.who ?? person();
  const { createFsStore } = await import('./adapters/local/fs-store.ts');
  const files = await createFsStore({ root, durability });
  const store = await withFaults(files);
  const queues = new Map<string, Promise<TaskQueue>>();
  let opened: Promise<Ledger> | null = null;
  const queueOptions = (group: string) => ({ root, group, holder: who, leaseSeconds, durability });
  const ledger = (): Promise<Ledger> => {
    opened ??= openLedger(root, durability, who).catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  return {
    store,
    clock: systemClock,
    who,
    leaseSeconds,
    ledger,
    queue: (group) => {
      const queue =
        queues.get(group) ??
        import('./adapters/local/sqlite-queue.ts').then((module) => module.openSqliteQueue(queueOptions(group)));
      queues.set(group, queue);
      // One that could not be opened is tried again by whoever asks next.
      queue.catch(() => queues.delete(group));
      return queue;
    },
    group: async (name) => openGroup(name, config, profile, store, ledger),
    queueModule: (group) => ({
      module: moduleUrl('adapters/local/sqlite-queue'),
      exportName: 'openSqliteQueue',
      options: queueOptions(group),
    }),
    scratch: async (worker) => makeScratch(join(root, 'work'), worker),
    localFile: (key) => files.localFile(key),
    insight: localInsight(root),
    close: async () => {
      await Promise.all([...queues.values()].map(async (queue) => (await queue).close()));
      await (await opened)?.close();
    },
  };
}

async function openLedger(root: string, durability: LocalProfile['durability'], writer: string): Promise<Ledger> {
  const { openSqlLedger } = await import('./adapters/sql/sql-ledger.ts');
  const ledger = openSqlLedger({ dialect: 'sqlite', file: join(root, 'ledger.db'), durability, writer });
  await ledger.open();
  return ledger;
}

async function openGroup(
  name: string,
  config: Config,
  profile: LocalProfile,
  store: Platform['store'],
  ledger: () => Promise<Ledger>,
): Promise<WorkerGroup> {
  const { openProcessGroup } = await import('./adapters/local/open-process-group.ts');
  // Without a file the configuration is told by where one stands: beside the root.
  const cwd = config.file === null ? dirname(profile.root) : undefined;
  const argv = programArgv(config, 'worker-supervisor', '--group', name);
  return openProcessGroup({ group: name, root: profile.root, store, ledger, supervisor: { argv, cwd } });
}

/** What follows `node` to run a verb of this batchctl with the same configuration. */
function programArgv({ profile, file }: Config, ...words: readonly string[]): readonly string[] {
  const program = fileURLToPath(new URL('../bin/batchctl.js', import.meta.url));
  return [program, ...words, '--profile', profile.name, ...(file === null ? [] : ['--config', file])];
}

/** Where a module is, from source or bundled: there it is an entry of its own, named as its file. */
function moduleUrl(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return new URL(import.meta.url.endsWith('.ts') ? `./${path}.ts` : `./${name}.js`, import.meta.url).href;
}

/** A worker's directory names its process, so that a later one can remove those whose process is gone. */
function makeScratch(directory: string, worker: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(directory)) {
    const pid = Number(/\.(\d+)$/.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const scratch = join(directory, `${worker}.${process.pid}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}

/** Crash tests kill this process at writes that decide something (`killStore`). */
async function withFaults(store: Platform['store']): Promise<Platform['store']> {
  if (process.env.BATCHCTL_TEST_KILL === undefined) return store;
  const [{ killStore }, { killPoints }] = await Promise.all([
    import('./adapters/faults/kill-store.ts'),
    import('./lib/kill-point.ts'),
  ]);
  return killStore(store, killPoints(process.env));
}

/** Crash tests run with leases of a second or two. */
function leaseFromEnvironment(): number | null {
  const text = process.env.BATCHCTL_TEST_LEASE_SECONDS;
  return text === undefined ? null : Number(text);
}

/** A new worker's id: sorts by nothing, means nothing, is never used again. */
export function newWorkerId(): string {
  return `w-${randomId(10)}`;
}

/** In a worker: heeds the supervisor that started it, if one did. Answers what ends the listening. */
export async function heedSupervisor(
  env: Readonly<Record<string, string | undefined>>,
  on: { readonly drain: () => void; readonly stop: () => void },
): Promise<(() => void) | null> {
  return (await import('./adapters/local/supervisor-pipe.ts')).listenToSupervisor(env, on);
}

/** Workers that live as long as this process: `run`'s own. */
export interface OwnWorkers {
  /** Finish what they run and leave. */
  drain(): Promise<void>;
  /** Give back what they run and leave. */
  stop(): Promise<void>;
}

export interface OwnWorkersOptions {
  readonly groups: readonly string[];
  readonly slots: number | null;
  /** Of the worker that is started as the so-manieth, from 0. */
  readonly env: (start: number) => Readonly<Record<string, string | undefined>>;
  /** A worker died; another is started after a while. */
  readonly onTrouble: (what: string) => void;
}

function workerArgv(config: Config, groups: readonly string[], slots: number | null): readonly string[] {
  const served = groups.flatMap((group) => ['--group', group]);
  return programArgv(config, 'worker', ...served, ...(slots === null ? [] : ['--slots', String(slots)]));
}

/** Gives back at once what a worker held that has ended, and tells the ledger that it is gone. */
async function releaseDead(platform: Platform, groups: readonly string[], worker: string): Promise<void> {
  const { SqliteQueue } = await import('./adapters/local/sqlite-queue.ts');
  for (const group of groups) {
    const queue = await platform.queue(group);
    if (queue instanceof SqliteQueue) await queue.releaseHeldBy(worker);
  }
  const ledger = await platform.ledger();
  const known = (await ledger.workers({})).find((seen) => seen.worker === worker);
  if (known === undefined || known.state === 'gone') return;
  await ledger.heartbeat({ ...known, state: 'gone', busy: [], seenAt: Math.max(platform.clock.now(), known.seenAt) });
}

/** How long a stopped worker may take to give back what it runs, milliseconds. */
const STOP_MS = 15_000;

/** Starts one worker process with many slots (one writer is the quickest) and keeps it up. */
export async function startOwnWorkers(
  config: Config,
  platform: Platform,
  options: OwnWorkersOptions,
): Promise<OwnWorkers> {
  const { superviseWorkers } = await import('./adapters/local/supervisor.ts');
  const { profile } = config;
  if (profile.backend !== 'local')
    throw new BatchctlError('config', `profile ${profile.name} has no workers of its own on this machine`);
  const log = join(profile.root, 'work', `run-${process.pid}.log`);
  const argv = workerArgv(config, options.groups, options.slots);
  let starts = 0;
  const supervisor = superviseWorkers({
    group: options.groups.join(','),
    size: 1,
    newId: newWorkerId,
    spawnWorker: () => ({ argv, env: options.env(starts++), log }),
    onDeath: async ({ worker, code, signal }) => {
      await releaseDead(platform, options.groups, worker);
      if (code !== 0) options.onTrouble(`worker ${worker} ended (${signal ?? `exit ${code}`}); its log: ${log}`);
    },
    onTrouble: (error) => options.onTrouble(error instanceof Error ? error.message : String(error)),
  });
  return {
    drain: async () => {
      supervisor.drain();
      await supervisor.whenIdle();
      rmSync(log, { force: true });
    },
    stop: async () => {
      supervisor.stop(STOP_MS);
      await supervisor.whenIdle();
    },
  };
}

export interface GroupSupervision {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted: the workers drain, and it ends when they have left. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * In the group's supervisor process: keeps as many workers up as the group's size says, until that is 0 for good.
 * Answers `held` at once when another process does.
 */
export async function superviseLocalGroup(
  config: Config,
  platform: Platform,
  name: string,
  options: GroupSupervision,
): Promise<'done' | 'held'> {
  const [{ superviseLocal }, { ProcessGroup }] = await Promise.all([
    import('./adapters/local/supervise-local.ts'),
    import('./adapters/local/process-group.ts'),
  ]);
  const { profile } = config;
  const group = await platform.group(name);
  if (profile.backend !== 'local' || !(group instanceof ProcessGroup))
    throw new BatchctlError('config', `profile ${profile.name} has no workers of its own on this machine`);
  return superviseLocal({
    ...options,
    root: profile.root,
    group,
    store: platform.store,
    newId: newWorkerId,
    // Quiet: their log is in the store; what else they say is why they could not start, or crashed.
    workerArgv: (slots) => [...workerArgv(config, [name], slots), '--quiet'],
    release: (worker) => releaseDead(platform, [name], worker),
  });
}
