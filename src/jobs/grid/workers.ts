import { BatchctlError, isBatchctlError, isKind } from '../../errors.ts';
import type { WorkerLogs } from '../../model/answers/grid.ts';
import type { GroupMachine } from '../../model/group-status.ts';
import { groupsOf, type JobSpec } from '../../model/job.ts';
import { bootLogKey, workerLogKey } from '../../model/keys.ts';
import type { LedgerWorker, WorkerState } from '../../model/ledger/records.ts';
import { isOlder, jobNeeds } from '../../model/needs.ts';
import type { Platform } from '../../ports/platform.ts';
import { knownGroups } from './queues.ts';

/** A worker for display. `lost`: it did not report that it left, and missed four heartbeats. */
export interface SeenWorker extends Omit<LedgerWorker, 'state'> {
  readonly state: WorkerState | 'lost';
}

/** How long lost workers, and workers that left, are still listed, milliseconds. */
const LOST_MS = 3_600_000;

const LEFT_MS = 24 * 3_600_000;

/** The workers of a group (or all groups), oldest first; `left` includes workers that left within the last day. */
export async function listWorkers(
  platform: Platform,
  { group, left }: { readonly group: string | undefined; readonly left: boolean },
): Promise<readonly SeenWorker[]> {
  const now = platform.clock.now();
  const ledger = await platform.ledger();
  const seen = await ledger.workers({ since: now - (left ? LEFT_MS : LOST_MS) });
  return seen
    .filter((worker) => left || worker.state !== 'gone')
    .filter((worker) => group === undefined || worker.group.split(',').includes(group))
    .map((worker) => withLostState(worker, now, platform.leaseSeconds))
    .sort((a, b) => a.startedAt - b.startedAt || (a.worker < b.worker ? -1 : 1));
}

/** Workers send a heartbeat every third of a lease. */
function withLostState(worker: LedgerWorker, now: number, leaseSeconds: number): SeenWorker {
  const lost = worker.state !== 'gone' && now - worker.seenAt > (4 * leaseSeconds * 1_000) / 3;
  return lost ? { ...worker, state: 'lost' } : worker;
}

/**
 * Throws `refused` if the workers of a group that the job needs are all too old for its rules: they would return its
 * tasks (law 14). A group without live workers, or with some that are new enough, is left alone. Without an answer of
 * the ledger nothing is refused.
 */
export async function refuseOldWorkers(platform: Platform, spec: JobSpec): Promise<void> {
  const { version: needed, because } = jobNeeds(spec, false);
  if (needed === null) return;
  const seen = await listWorkers(platform, { group: undefined, left: false }).catch((error: unknown) => {
    if (isKind(error, 'unavailable', 'full', 'newer')) return [];
    throw error;
  });
  const live = seen.filter(({ state }) => state !== 'lost');
  for (const group of groupsOf(spec)) {
    const old = live.filter((worker) => worker.group.split(',').includes(group));
    if (old.length === 0 || old.some(({ version }) => !isOlder(version, needed))) continue;
    const versions = [...new Set(old.map(({ version }) => version))].join(', ');
    const named = old.slice(0, 3).map(({ worker }) => worker);
    throw new BatchctlError(
      'refused',
      `this job needs workers of batchctl ${needed} or later (step ${because.join('; ')}), but those of group ${group} are ${versions}: ${named.join(', ')}${old.length > 3 ? ', ...' : ''}`,
      {
        hint: `update them first: on AWS batchctl infra release --roll, elsewhere batchctl workers drain ${named[0]} and start new ones`,
      },
    );
  }
}

/** Finds by id or unique prefix; an instance's id means its last worker. Throws `notFound`, or `usage` if ambiguous. */
export async function findWorker(platform: Platform, text: string): Promise<LedgerWorker> {
  const workers = await (await platform.ledger()).workers({});
  const there = workers.filter(({ host }) => host === text && isInstanceId(text));
  const last = there.find(({ state }) => state !== 'gone') ?? there[0];
  if (last !== undefined) return last;
  const begin = workers.filter(({ worker }) => text !== '' && worker.startsWith(text));
  const found = workers.find(({ worker }) => worker === text) ?? begin[0];
  if (found === undefined) {
    throw new BatchctlError('notFound', `there is no worker ${text}`, { hint: 'batchctl workers lists them' });
  }
  if (found.worker !== text && begin.length > 1) {
    const some = begin.slice(0, 5).map(({ worker }) => worker);
    throw new BatchctlError('usage', `${begin.length} workers match ${text}: ${some.join(', ')}`, {
      hint: 'use more characters of the id',
    });
  }
  return found;
}

/** Orders a worker to finish its tasks or to return them, and then leave. Throws `notFound` if it isn't up. */
export async function orderWorker(platform: Platform, text: string, order: 'drain' | 'stop'): Promise<LedgerWorker> {
  const worker = await findWorker(platform, text);
  const [group = worker.group] = worker.group.split(',');
  await (await platform.group(group)).order(worker.worker, order);
  return worker;
}

/** An instance that was launched longer ago than this should have a worker, milliseconds. */
export const BOOT_MS = 600_000;

/** A worker, with its machine if the group has machines; or a machine without a worker. */
export type WorkerRow =
  | { readonly worker: SeenWorker; readonly group: string; readonly machine: GroupMachine | null }
  | { readonly worker: null; readonly group: string; readonly machine: GroupMachine; readonly state: MachineState };

/** `booting`: its worker is expected · `noWorker`: it should have a worker by now · `ending`: it is shutting down. */
export type MachineState = 'booting' | 'noWorker' | 'ending';

export interface WorkerRows {
  readonly rows: readonly WorkerRow[];
  /** Groups whose machines could not be read, so that only their workers are listed. */
  readonly unread: readonly { readonly group: string; readonly error: BatchctlError }[];
}

/** Joins the ledger's workers with the machines reported by each group's service. */
export async function joinWorkers(
  platform: Platform,
  { group, left }: { readonly group: string | undefined; readonly left: boolean },
): Promise<WorkerRows> {
  const groups = group === undefined ? await knownGroups(platform) : [group];
  const [workers, seen] = await Promise.all([
    listWorkers(platform, { group, left }),
    Promise.all(groups.map((name) => machinesOf(platform, name))),
  ]);
  const machines = new Map(seen.flatMap(({ found }) => found.map((machine) => [machine.instance, machine] as const)));
  const unread = seen.flatMap(({ group: name, error }) => (error === null ? [] : [{ group: name, error }]));
  const complete = unread.length === 0;
  const now = platform.clock.now();
  const rows = workers.map((worker): WorkerRow => {
    const machine = machines.get(worker.host) ?? null;
    const gone = machine === null && complete && now - worker.seenAt > platform.leaseSeconds * 500;
    return { worker: gone ? markLost(worker) : worker, group: worker.group, machine };
  });
  const taken = new Set(workers.filter(({ state }) => state !== 'gone').map(({ host }) => host));
  const without = seen.flatMap(({ group: name, found }) =>
    found
      .filter(({ instance }) => !taken.has(instance))
      .map((machine): WorkerRow => ({ worker: null, group: name, machine, state: machineState(machine, now) })),
  );
  return { rows: [...rows, ...without], unread };
}

/**
 * Marks a worker as lost before four heartbeats are missing if no group holds its instance any more. One must be
 * missing, because the worker may run on an instance outside of groups.
 */
function markLost(worker: SeenWorker): SeenWorker {
  return isInstanceId(worker.host) && worker.state !== 'gone' ? { ...worker, state: 'lost' } : worker;
}

/** The state of a machine without a worker. */
export function machineState({ state, launchedAt }: GroupMachine, now: number): MachineState {
  if (state.startsWith('Terminat')) return 'ending';
  if (state.startsWith('Pending')) return 'booting';
  return launchedAt !== null && now - launchedAt < BOOT_MS ? 'booting' : 'noWorker';
}

/** Whether the text is an instance id (EC2: `i-` and 8 or 17 hexadecimal digits). */
export const isInstanceId = (text: string): boolean => /^i-[0-9a-f]{8,17}$/.test(text);

async function machinesOf(platform: Platform, group: string) {
  try {
    return { group, found: await (await platform.group(group)).machines(), error: null };
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    return { group, found: [], error };
  }
}

/**
 * A worker's logs as of its last heartbeat, even if the ledger no longer knows it. An instance id stands for its last
 * worker; an instance's boot log is stored under its own id. Throws `notFound`.
 */
export async function readWorkerLogs(platform: Platform, text: string): Promise<WorkerLogs> {
  const { worker, host } = await resolveWorker(platform, text);
  const read = async (key: string): Promise<string | null> => {
    const bytes = await platform.store.read(key);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  };
  const [own, machine, log] = await Promise.all([
    read(bootLogKey(worker)),
    host === null || host === worker ? null : read(bootLogKey(host)),
    read(workerLogKey(worker)),
  ]);
  const boot = own === null && machine === null ? null : `${machine ?? ''}${own ?? ''}`;
  if (boot === null && log === null) {
    throw new BatchctlError('notFound', `${isInstanceId(worker) ? 'instance' : 'worker'} ${worker} has no log yet`, {
      hint: isInstanceId(worker)
        ? 'an instance uploads one when its worker starts or its setup fails; until then use aws ec2 get-console-output'
        : 'workers upload it with each heartbeat; batchctl workers lists the workers',
    });
  }
  return { worker, boot, log };
}

async function resolveWorker(
  platform: Platform,
  text: string,
): Promise<{ readonly worker: string; readonly host: string | null }> {
  try {
    const { worker, host } = await findWorker(platform, text);
    return { worker, host: isInstanceId(host) ? host : null };
  } catch (error) {
    if (isKind(error, 'notFound') && /^[a-z0-9][a-z0-9-]{0,79}$/.test(text)) return { worker: text, host: null };
    throw error;
  }
}
