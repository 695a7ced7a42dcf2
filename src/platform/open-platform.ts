import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { S3Buckets } from '../adapters/aws/s3-buckets.ts';
import type { SupervisorLink } from '../adapters/local/supervisor-pipe.ts';
import type { Config, LocalProfile } from '../config/load-config.ts';
import { systemClock } from '../lib/clock.ts';
import type { Environment } from '../lib/environment.ts';
import { ownValue } from '../lib/json.ts';
import { OpenMap } from '../lib/once.ts';
import { userAtHost } from '../lib/this-machine.ts';
import type { OpenBucket } from '../ports/bucket.ts';
import type { Insight } from '../ports/insight.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Platform, PlatformOptions, Workplace } from '../ports/platform.ts';
import type { TaskQueue } from '../ports/task-queue.ts';
import type { WorkerGroup } from '../ports/worker-group.ts';
import { leaseFromEnvironment, withKillPoints } from './faults.ts';
import { openNotices } from './open-notices.ts';
import { moduleUrl, programArgv } from './program.ts';
import { makeScratch, removeLeftovers } from './scratch.ts';
import { allowedSecrets, localSecrets } from './secrets.ts';

/**
 * Opens a profile's four ports. Only this folder names adapters. Makes no request before a port is used. Throws
 * `config` for an unsupported backend.
 */
export async function openPlatform(config: Config, options: PlatformOptions): Promise<Platform> {
  const { profile } = config;
  switch (profile.backend) {
    case 'local':
      return openLocal(config, profile, options);
    case 'aws':
      return (await import('./open-aws.ts')).openAws(profile, options);
    case 'manager':
      return (await import('./open-manager.ts')).openManagerPlatform(profile, options.env ?? process.env);
    default:
      return profile satisfies never;
  }
}

/** Makes a worker follow the orders of a supervisor that started it; null if none did. */
export async function obeySupervisor(
  env: Environment,
  handlers: { readonly drain: () => void; readonly stop: () => void },
): Promise<SupervisorLink | null> {
  return (await import('../adapters/local/supervisor-pipe.ts')).listenToSupervisor(env, handlers);
}

/**
 * In a worker started early: loads what the local profile needs, opens nothing, and waits until the supervisor lets it
 * start. Returns its command line; null if the supervisor has gone.
 */
export async function preloadAndAwaitStart(env: Record<string, string | undefined>): Promise<readonly string[] | null> {
  const [{ awaitStart, WORKER_ID }] = await Promise.all([
    import('../adapters/local/supervisor-pipe.ts'),
    import('../adapters/local/fs-store.ts'),
    import('../adapters/local/sqlite-queue.ts'),
    import('../adapters/sql/sql-ledger.ts'),
  ]);
  const go = awaitStart(env);
  if (go !== null) env[WORKER_ID] = go.worker;
  return go?.argv ?? null;
}

/** Workers are processes of this machine. */
export const THIS_MACHINE: Workplace = {
  slots: availableParallelism(),
  sharesFiles: true,
  sizesGroups: false,
  paysRequests: false,
  countsLateMs: 0,
  outageMs: 0,
  worksHere: true,
  advice: {
    work: 'batchctl scale 1, to keep a worker running; or batchctl worker --until-empty, to run one now',
    apply: ', also where workers run',
    store: 'a root on a local disk',
  },
};
/** For a group that the configuration doesn't define. */
const NO_SETTINGS = { env: {}, secrets: {} };
/** Leases of the local profile, seconds: short, as heartbeats are free here. */
const LOCAL_LEASE = 15;

async function openLocal(config: Config, profile: LocalProfile, options: PlatformOptions): Promise<Platform> {
  const { root, durability } = profile;
  const leaseSeconds = options.leaseSeconds ?? leaseFromEnvironment() ?? LOCAL_LEASE;
  const who = options.who ?? userAtHost();
  const { createFsStore } = await import('../adapters/local/fs-store.ts');
  const files = await createFsStore({ root, durability });
  const store = await withKillPoints(files);
  const waits = lockWaits(leaseSeconds, options.patienceMs);
  const queueOptions = (group: string) => ({ root, group, holder: who, leaseSeconds, durability });
  const queues = new OpenMap<TaskQueue>(async (group) => {
    const { openSqliteQueue } = await import('../adapters/local/sqlite-queue.ts');
    return openSqliteQueue({ ...queueOptions(group), lockWaitMs: waits.queue });
  });
  const ledgers = new OpenMap<Ledger>(() => openLedger(root, durability, who, waits.ledger));
  const ledger = (): Promise<Ledger> => ledgers.get('ledger');
  const buckets = localBuckets(profile.requesterPays);
  const secrets = localSecrets();
  return {
    store,
    bucket: buckets.open,
    clock: systemClock,
    who,
    leaseSeconds,
    workplace: { ...THIS_MACHINE, slots: profile.slots ?? THIS_MACHINE.slots },
    ledger,
    queue: (group) => queues.get(group),
    group: async (name) => openGroup(name, config, profile, store, ledger),
    queueModule: (group) => ({
      module: moduleUrl('adapters/local/sqlite-queue'),
      exportName: 'openSqliteQueue',
      options: { ...queueOptions(group), lockWaitMs: waits.heartbeat },
    }),
    scratch: async (worker) => makeScratch(join(root, 'work'), worker),
    removeLeftovers: (before, dryRun) => removeLeftovers(join(root, 'work'), before, dryRun),
    localFile: (key) => files.localFile(key),
    insight: localInsight(root),
    secrets: secrets.source,
    allowedSecrets: (commandUser) => allowedSecrets(profile, commandUser),
    notices: openNotices({
      profile: profile.notify,
      secrets: secrets.source,
      clientsOf: (topic) => secrets.clientsOf(`sns:${topic}`),
    }),
    commandSettings: (group) => ownValue(profile.groups, group) ?? NO_SETTINGS,
    ...(options.onWarning !== undefined && { warn: options.onWarning }),
    close: async () => {
      await queues.close();
      await ledgers.close();
      await buckets.close();
      await secrets.close();
    },
  };
}

/**
 * Milliseconds to wait for a database that another process has locked (for instance one suspended in a transaction).
 * For the queue two leases: no work is possible without it, and the other process may continue. Less for the ledger, as
 * work continues without it. A heartbeat that is later than half a lease counts as failed anyway.
 */
export function lockWaits(
  leaseSeconds: number,
  patienceMs?: number,
): { readonly queue: number; readonly ledger: number; readonly heartbeat: number } {
  const leaseMs = leaseSeconds * 1_000;
  return {
    queue: patienceMs ?? Math.max(10_000, 2 * leaseMs),
    ledger: patienceMs ?? Math.min(10_000, 2 * leaseMs),
    heartbeat: leaseMs / 2,
  };
}

async function openLedger(
  root: string,
  durability: LocalProfile['durability'],
  writer: string,
  lockWaitMs: number,
): Promise<Ledger> {
  const { openSqlLedger } = await import('../adapters/sql/sql-ledger.ts');
  const ledger = openSqlLedger({ dialect: 'sqlite', file: join(root, 'ledger.db'), durability, writer, lockWaitMs });
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
  const { openProcessGroup } = await import('../adapters/local/process-group.ts');
  // Without a configuration file, a path next to the root identifies the configuration.
  const cwd = config.file === null ? dirname(profile.root) : undefined;
  const argv = programArgv(config, 'worker-supervisor', '--group', name);
  return openProcessGroup({ group: name, root: profile.root, store, ledger, supervisor: { argv, cwd } });
}

/**
 * Buckets for a local profile, so that a rehearsal on this machine reads the real input in place. Credentials, region
 * and endpoint come from the environment, as with the AWS CLI; the SDK is loaded only when a job uses a bucket.
 */
function localBuckets(
  requesterPays: readonly string[],
  env: Environment = process.env,
): {
  readonly open: OpenBucket;
  readonly close: () => Promise<void>;
} {
  const buckets = new OpenMap<S3Buckets>(async () => {
    const { S3Buckets } = await import('../adapters/aws/s3-buckets.ts');
    const s3 = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
    // Each bucket is then accessed in its own region.
    const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1';
    const clients = { region, profile: null, account: null, endpoints: s3 === undefined ? {} : { s3 } };
    return new S3Buckets({ clients, own: null, requesterPays });
  });
  return { open: async (name) => (await buckets.get('all')).open(name), close: () => buckets.close() };
}

/** A local profile's insight into its disk and its groups' supervisors. */
function localInsight(root: string): Insight {
  return {
    disks: async () => (await import('../adapters/local/insight.ts')).diskSpaces(root),
    supervisor: async (group) => (await import('../adapters/local/insight.ts')).supervisorFacts(root, group),
  };
}
