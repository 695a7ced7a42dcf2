import { type BatchctlError, isBatchctlError } from '../../errors.ts';
import { type Backlog, totalMessages } from '../../model/backlog.ts';
import { secondsToDrain } from '../../model/capacity.ts';
import type { GroupStatus, LaunchTrouble } from '../../model/group-status.ts';
import type { StepLoad } from '../../model/load.ts';
import type { Platform } from '../../ports/platform.ts';
import { type Boots, type Hold, readBoots } from '../boots.ts';
import { loadsOf, loadsOfGroup } from '../demand.ts';
import { runningViews } from '../open-jobs.ts';
import { listWorkers, type SeenWorker } from './workers.ts';

export interface GroupView extends GroupStatus {
  /** Approximate contents of its queue; null if it can't be read. */
  readonly backlog: Backlog | null;
  /** Estimated seconds until the current workers have drained the queue; null if unknown. */
  readonly drain: number | null;
  /** Why its latest launches failed: each reason once. */
  readonly troubles: readonly LaunchTrouble[];
  /** Set if its boots fail, so that no instance is started automatically; null if it isn't held. */
  readonly hold: Hold | null;
  /** Errors of parts of this view that could not be read. */
  readonly unread: readonly BatchctlError[];
}

/** Groups with their queues. Throws the errors of `describe`; other errors are returned with the group. */
export async function viewGroups(platform: Platform, names: readonly string[]): Promise<readonly GroupView[]> {
  const statuses = await Promise.all(names.map(async (name) => endExpiredSize(platform, name)));
  const queues = await Promise.all(names.map((name) => tryRead(async () => (await platform.queue(name)).backlog())));
  const anything = queues.some(({ found }) => found !== null && totalMessages(found) > 0);
  const loads = anything ? await loadsOf(platform, await runningViews(platform)) : [];
  const workers = anything ? await listWorkers(platform, { group: undefined, left: false }) : [];
  return Promise.all(
    statuses.map(async (status, index): Promise<GroupView> => {
      const queue = queues[index] ?? { found: null, error: null };
      const launches = await readTroubles(platform, status);
      const boots: Read<Boots> =
        status.machines === undefined ? NOT_READ : await tryRead(() => readBoots(platform.store, status.group));
      return {
        ...status,
        backlog: queue.found,
        drain: queue.found === null ? null : drainOf(status.group, queue.found, loads, workers),
        troubles: [...(launches.found ?? []), ...(boots.found?.trouble ? [boots.found.trouble] : [])],
        hold: boots.found?.hold ?? null,
        unread: [queue.error, launches.error, boots.error].filter((error) => error !== null),
      };
    }),
  );
}

/** Ends a temporary size that has expired, if the caller may. */
async function endExpiredSize(platform: Platform, name: string): Promise<GroupStatus> {
  const group = await platform.group(name);
  const status = await group.describe();
  if (status.until === null || status.until > platform.clock.now()) return status;
  return (await tryRead(() => group.raise(0))).found ?? status;
}

/** Failed launches matter only while instances are missing. */
async function readTroubles(platform: Platform, { group, machines, desired }: GroupStatus) {
  if (machines === undefined || machines.inService >= desired) return { found: [], error: null };
  return tryRead(async () => (await platform.group(group)).launchTroubles());
}

function drainOf(
  group: string,
  backlog: Backlog,
  loads: readonly StepLoad[],
  workers: readonly SeenWorker[],
): number | null {
  if (totalMessages(backlog) === 0) return 0;
  const up = workers.filter(({ state }) => state === 'idle' || state === 'busy' || state === 'starting');
  const mine = up.filter((worker) => worker.group.split(',').includes(group));
  const slots = mine.reduce((sum, worker) => sum + worker.slots, 0);
  return secondsToDrain(loadsOfGroup(group, loads, backlog, false), mine.length, slots / Math.max(1, mine.length));
}

const NOT_READ = { found: null, error: null };

interface Read<T> {
  readonly found: T | null;
  readonly error: BatchctlError | null;
}

/** The result of a service, or its error. */
async function tryRead<T>(ask: () => Promise<T>): Promise<Read<T>> {
  try {
    return { found: await ask(), error: null };
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    return { found: null, error };
  }
}
