import { BatchctlError, isKind } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import type { GroupMachine, LaunchTrouble } from '../../model/group-status.ts';
import { aliveMs, type LedgerWorker } from '../../model/ledger/records.ts';
import type { Platform } from '../../ports/platform.ts';
import { failedBoots } from '../boots.ts';

/** Milliseconds between two looks: each makes two requests, and a new instance takes a minute or two. */
const LOOK_MS = 5_000;
const QUARTERS = 4;

export interface RollOptions {
  readonly platform: Platform;
  readonly group: string;
  /** The version of the group's launch template: instances of another version are old. */
  readonly version: string;
  /** Ends an instance without a worker through its group, which starts another one. */
  readonly end: (instance: string) => Promise<void>;
  readonly onProgress: (progress: RollProgress) => void;
  readonly signal: AbortSignal;
  readonly lookMs?: number;
}

export interface RollProgress {
  readonly group: string;
  /** Instances of an older version that are not shutting down. */
  readonly old: number;
  /** Instances that this quarter replaces and that still exist. */
  readonly leaving: number;
  /** New instances in service whose worker was seen. */
  readonly ready: number;
  /** Number of new instances that must be ready before the next quarter. */
  readonly awaited: number;
  /** Why no instance starts, if the service says so. */
  readonly trouble: LaunchTrouble | null;
}

interface GroupSnapshot {
  readonly old: readonly GroupMachine[];
  readonly ready: number;
  readonly desired: number;
  readonly workerOf: ReadonlyMap<string, LedgerWorker>;
}

/**
 * Replaces a group's old instances a quarter at a time, without using up attempts: their workers finish their tasks and
 * leave, and a new instance takes their place. The next quarter waits until enough new instances are in service, with
 * workers, for the group's size. Repeating it continues. Returns how many were replaced. Throws `refused` as soon as a
 * new instance fails to boot, or a newer version appears, and the signal's reason once it aborts.
 */
export async function rollGroup(options: RollOptions): Promise<number> {
  const { platform, group, signal } = options;
  const failedBefore = new Set((await failedBoots(platform.store, group)).map(({ instance }) => instance));
  let replaced = 0;
  for (;;) {
    const seen = await readSnapshot(options);
    if (seen.old.length === 0) break;
    const size = Math.max(1, Math.ceil(Math.max(seen.desired, seen.old.length) / QUARTERS));
    const batch = chooseBatch(seen, size).map(({ instance }) => instance);
    for (const instance of batch) await replace(options, instance, seen.workerOf.get(instance));
    await waitUntilReplaced(options, new Set(batch), failedBefore);
    replaced += batch.length;
    signal.throwIfAborted();
  }
  await waitUntilReplaced(options, new Set(), failedBefore);
  return replaced;
}

/** Instances already leaving come first, so that an interrupted roll continues; then those with the least to finish. */
function chooseBatch({ old, workerOf }: GroupSnapshot, size: number): readonly GroupMachine[] {
  const rank = ({ instance }: GroupMachine): number => {
    const worker = workerOf.get(instance);
    if (worker?.state === 'draining') return -2;
    return worker === undefined ? -1 : worker.busy.length;
  };
  return [...old].sort((a, b) => rank(a) - rank(b)).slice(0, size);
}

async function replace({ platform, group, end }: RollOptions, instance: string, worker: LedgerWorker | undefined) {
  if (worker?.state === 'draining') return;
  if (worker === undefined) return end(instance);
  try {
    await (await platform.group(group)).order(worker.worker, 'replace');
  } catch (error) {
    // It left, or went silent, just now.
    if (!isKind(error, 'notFound')) throw error;
    await end(instance);
  }
}

async function waitUntilReplaced(options: RollOptions, batch: ReadonlySet<string>, failedBefore: ReadonlySet<string>) {
  const { platform, group, onProgress, signal, lookMs = LOOK_MS } = options;
  for (;;) {
    signal.throwIfAborted();
    await requireNoFailedBoot(platform, group, failedBefore);
    const seen = await readSnapshot(options);
    const leaving = seen.old.filter(({ instance }) => batch.has(instance));
    const silent = leaving.filter(({ instance }) => !seen.workerOf.has(instance));
    const awaited = Math.max(0, seen.desired - (seen.old.length - leaving.length));
    if (leaving.length === 0 && seen.ready >= awaited) return;
    // Its worker left or was killed before it could end the instance, so nothing runs there.
    for (const { instance } of silent) await options.end(instance);
    const [trouble = null] = leaving.length > 0 ? [] : await (await platform.group(group)).launchTroubles();
    const old = seen.old.length - leaving.length;
    onProgress({ group, old, leaving: leaving.length, ready: seen.ready, awaited, trouble });
    await wait(lookMs, signal);
  }
}

async function readSnapshot({ platform, group, version }: RollOptions): Promise<GroupSnapshot> {
  const { clock, leaseSeconds } = platform;
  const of = await platform.group(group);
  const since = clock.now() - aliveMs(leaseSeconds);
  const [{ desired }, machines, workers] = await Promise.all([
    of.describe(),
    of.machines(),
    platform.ledger().then((ledger) => ledger.workers({ since })),
  ]);
  const workerOf = new Map<string, LedgerWorker>();
  for (const worker of workers) if (worker.state !== 'gone') workerOf.set(worker.host, worker);
  const here = machines.filter(({ state }) => !/^(Terminat|Detach)/.test(state));
  requireNoNewer(group, version, here);
  return {
    old: here.filter((machine) => machine.version !== version),
    ready: here.filter((each) => each.version === version && each.state === 'InService' && workerOf.has(each.instance))
      .length,
    desired,
    workerOf,
  };
}

/** Another release was made meanwhile: replacements have that version, so they would be replaced for ever. */
function requireNoNewer(group: string, version: string, machines: readonly GroupMachine[]): void {
  const newer = machines.find((machine) => Number(machine.version) > Number(version));
  if (newer === undefined) return;
  throw new BatchctlError(
    'refused',
    `instances of group ${group} now have version ${newer.version}, but this roll replaces those older than ${version}`,
    {
      hint: 'someone else made a release meanwhile; run batchctl infra release --roll with the intended program to continue',
    },
  );
}

async function requireNoFailedBoot(platform: Platform, group: string, before: ReadonlySet<string>): Promise<void> {
  const failed = (await failedBoots(platform.store, group)).find(({ instance }) => !before.has(instance));
  if (failed === undefined) return;
  const { instance, step, line } = failed;
  throw new BatchctlError(
    'refused',
    `a new instance of group ${group}, ${instance}, could not be set up (${step ?? 'boot'}${line === null ? '' : `: ${line}`}); the others are left unchanged`,
    {
      hint: `batchctl workers logs ${instance} shows more; roll back with batchctl infra release --rollback --roll, or continue with infra release --roll`,
    },
  );
}
