import type { AwsClients, AwsClientsOptions } from '../adapters/aws/clients.ts';
import type { MachinePrices } from '../adapters/aws/prices.ts';
import { UnmanagedGroup } from '../adapters/aws/unmanaged-group.ts';
import type { AwsGroup, AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { ownValue } from '../lib/json.ts';
import { OpenMap, once } from '../lib/once.ts';
import { gridName, queueName } from '../lib/stack-names.ts';
import { isEc2, userAtHost } from '../lib/this-machine.ts';
import type { Insight } from '../ports/insight.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { MetricsSink } from '../ports/metrics.ts';
import type { Platform, PlatformOptions } from '../ports/platform.ts';
import type { TaskQueue } from '../ports/task-queue.ts';
import type { WorkerGroup } from '../ports/worker-group.ts';
import { guardedStore, hasNoAccounts, isMissingFromEmulator, type WriteGuard } from './account-guard.ts';
import { openAwsLedger } from './aws-ledger.ts';
import { leaseFromEnvironment, withKillPoints } from './faults.ts';
import { openNotices } from './open-notices.ts';
import { OTHER_MACHINES } from './other-machines.ts';
import { moduleUrl } from './program.ts';
import { makeScratch, temporaryRoot } from './scratch.ts';
import { allowedSecrets, awsSecrets } from './secrets.ts';

/** Seconds. A worker leaves only when its last poll ends, and a spot instance has two minutes. */
const POLL_SECONDS = 10;
/** For a group that the profile doesn't define: no worker serves it. */
const NO_SETTINGS = { env: {}, secrets: {} };
/** Seconds: the default of a group's `visibility`; heartbeats are at most a third of it apart. */
const LEASE = 120;

/**
 * The four ports on S3, SQS and the profile's ledger. Makes no request before it is used, and writes nothing until the
 * credentials have proven to belong to the profile's account.
 */
export async function openAws(profile: AwsProfile, options: PlatformOptions): Promise<Platform> {
  const { region, account, stack, endpoints, bucket, kmsKey, requesterPays } = profile;
  const who = options.who ?? userAtHost();
  const lease = options.leaseSeconds ?? leaseFromEnvironment();
  const clientOptions: AwsClientsOptions = { region, account, endpoints, profile: profile.aws.profile };
  const [
    { AwsClients },
    { createS3Store },
    { restrictBucket, S3Buckets },
    { requireAccount, requireLastingCredentials },
  ] = await Promise.all([
    import('../adapters/aws/clients.ts'),
    import('../adapters/aws/s3-store.ts'),
    import('../adapters/aws/s3-buckets.ts'),
    import('../adapters/aws/identity.ts'),
  ]);
  const clients = new AwsClients(clientOptions);
  const allowed = once(async () => {
    if (!hasNoAccounts(profile)) await requireAccount(clients);
  });
  const { name, owner, prefix } = bucket;
  const s3 = await createS3Store({ clients, bucket: name, owner, prefix, kmsKey });
  const store = await withKillPoints(guardedStore(s3, allowed));
  const elsewhere = new OpenMap(async (other) => new AwsClients({ ...clientOptions, region: other }));
  // A topic must be published in the region of its ARN.
  const topicClients = (topic: string): AwsClients | Promise<AwsClients> => {
    const [, of = region] = /^arn:[^:]+:sns:([^:]+):/.exec(topic) ?? [];
    return of === region ? clients : elsewhere.get(of);
  };
  const own = { name, owner, store: s3 };
  const buckets = new S3Buckets({ clients: clientOptions, rates: clients.rates, own, allowed, requesterPays });
  const leaseOf = (group: string): number => {
    const { visibility } = groupOf(profile, group);
    return lease ?? visibility;
  };
  const queueOptions = (group: string) => ({
    clients: clientOptions,
    group,
    name: queueName(stack, group),
    leaseSeconds: leaseOf(group),
    pollSeconds: POLL_SECONDS,
    ...(options.patienceMs !== undefined && { patienceMs: options.patienceMs }),
  });
  const queues = new OpenMap<TaskQueue>(async (group) => {
    const [{ openSqsQueue }, { homeOf }] = await Promise.all([
      import('../adapters/aws/sqs-queue.ts'),
      import('../lib/home.ts'),
    ]);
    const { onWarning } = options;
    const home = homeOf(profile);
    const opening = openSqsQueue({ ...queueOptions(group), home, ...(onWarning !== undefined && { onWarning }) });
    const [queue, answer] = await Promise.allSettled([opening, allowed()]);
    if (queue.status === 'rejected') throw queue.reason;
    if (answer.status === 'fulfilled') return queue.value;
    await queue.value.close();
    throw answer.reason;
  });
  const ledgers = new OpenMap<Ledger>(() =>
    openAwsLedger({ profile, clients, store, writer: who, allowed, shares: options.role === 'worker' }),
  );
  const prices = lazyPrices(profile, clients);
  const machines = new OpenMap(async () => {
    const { openMachine } = await import('../adapters/aws/machine.ts');
    const machine = await openMachine(clients);
    return { machine, close: async () => machine?.close() };
  });
  const platform: Platform = {
    store,
    bucket: async (called) => {
      const opened = await buckets.open(called);
      return called === name ? restrictBucket(opened, prefix) : opened;
    },
    clock: systemClock,
    who,
    leaseSeconds: lease ?? shortestLease(profile),
    // With emulators no instances start.
    workplace: { ...OTHER_MACHINES, worksHere: endpoints.s3 !== undefined && endpoints.sqs !== undefined },
    clockOffset: () => clients.clockOffset(),
    requireWriteAccess: allowed,
    requireLastingAccess: (seconds) => requireLastingCredentials(clients, seconds),
    ledger: () => ledgers.get('ledger'),
    queue: (group) => queues.get(group),
    group: async (group) =>
      openGroup(group, profile, { clients, allowed, platform, prices, onWorker: options.role === 'worker' }),
    groups: Object.keys(profile.groups).sort(),
    budget: { ...profile.budget, zone: profile.tz ?? 'UTC' },
    queueModule: (group) => ({
      module: moduleUrl('adapters/aws/sqs-heartbeat'),
      exportName: 'openSqsHeartbeat',
      options: queueOptions(group),
    }),
    machine: async () => {
      if (options.role !== 'worker' || !isEc2()) return null;
      return (await machines.get('machine')).machine;
    },
    scratch: async (worker) => makeScratch(temporaryRoot(), worker),
    localFile: () => null,
    insight: awsInsight(clients),
    secrets: awsSecrets(clients),
    allowedSecrets: (commandUser) => allowedSecrets(profile, commandUser),
    ...(profile.metrics && { metrics: metricsSink(clients, stack) }),
    notices: openNotices({ profile: profile.notify, secrets: awsSecrets(clients), clientsOf: topicClients }),
    commandSettings: (group) => ownValue(profile.groups, group) ?? NO_SETTINGS,
    shouldLeaveAtRisk: (group) => ownValue(profile.groups, group)?.rebalance === 'leave',
    ...(options.onWarning !== undefined && { warn: options.onWarning }),
    close: async () => {
      await queues.close();
      await ledgers.close();
      await machines.close();
      await buckets.close();
      await elsewhere.close();
      await clients.close();
    },
  };
  return platform;
}

/** A group on Auto Scaling. If the store is an emulator and Auto Scaling is not, only workers started by hand. */
async function openGroup(
  group: string,
  profile: AwsProfile,
  {
    clients,
    allowed,
    platform,
    prices,
    onWorker,
  }: {
    readonly clients: AwsClients;
    readonly allowed: WriteGuard;
    readonly platform: Platform;
    readonly prices: Pick<MachinePrices, 'forGroup'>;
    readonly onWorker: boolean;
  },
): Promise<WorkerGroup> {
  const { instances, max, slots, spot, onDemandBase, onDemandMax } = groupOf(profile, group);
  const here = new UnmanagedGroup(group, max, platform);
  if (isMissingFromEmulator(profile, 'autoscaling')) return here;
  const [{ ScalingGroup }, { processorsOf }, { homeOf }] = await Promise.all([
    import('../adapters/aws/scaling-group.ts'),
    import('../adapters/aws/prices.ts'),
    import('../lib/home.ts'),
  ]);
  const processors = instances.map(processorsOf).filter((count) => count !== null);
  return new ScalingGroup({
    group,
    name: gridName(profile.stack, group),
    home: homeOf(profile),
    clients,
    here,
    allowed,
    clock: platform.clock,
    slots: slots ?? (processors.length === 0 ? null : Math.min(...processors)),
    // A worker may raise its group, but not change how it buys instances.
    spot: spot && !onWorker ? { usual: onDemandBase, most: onDemandMax } : null,
    readsHistory: !onWorker,
    prices: (also) => prices.forGroup(instances, { spot, also }),
  });
}

/**
 * Heartbeats and watchers' timeouts are based on this lease. All processes of a profile use the same one; the shortest
 * makes a pause effective soon. A delivery's own lease is its queue's.
 */
function shortestLease({ groups }: AwsProfile): number {
  return Math.min(LEASE, ...Object.values(groups).map(({ visibility }) => visibility));
}

function groupOf({ name, groups }: AwsProfile, group: string): AwsGroup {
  const found = ownValue(groups, group);
  if (found !== undefined) return found;
  throw new BatchctlError(
    'config',
    `expected a group of profile ${name} (${Object.keys(groups).join(', ')}), found ${group}`,
    { hint: `add ${group} to its groups, or correct the step's group in the job file` },
  );
}

/** A profile's prices, read when first needed and only once, for all groups. */
function lazyPrices(
  profile: Pick<AwsProfile, 'prices' | 'endpoints'>,
  clients: AwsClients,
): Pick<MachinePrices, 'forGroup'> {
  const open = once(async () => {
    const { MachinePrices } = await import('../adapters/aws/prices.ts');
    const asksMarket = !isMissingFromEmulator(profile, 'ec2');
    return new MachinePrices({ clients, clock: systemClock, configured: profile.prices, asksMarket });
  });
  return { forGroup: async (...asked) => (await open()).forGroup(...asked) };
}

/** CloudWatch, loaded when metrics are published for the first time. */
function metricsSink(clients: AwsClients, stack: string): MetricsSink {
  return {
    put: async (metrics, at) => (await import('../adapters/aws/cloudwatch.ts')).putMetrics(clients, stack, metrics, at),
  };
}

/** The insight of an AWS profile into itself. Its workers' disks and supervisors are on other machines. */
function awsInsight(clients: AwsClients): Insight {
  return {
    disks: async () => [],
    supervisor: async () => null,
    credentials: async () => (await import('../adapters/aws/identity.ts')).credentialsFacts(clients),
  };
}
