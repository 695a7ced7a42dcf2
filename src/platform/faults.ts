import type { Environment } from '../lib/environment.ts';
import { OnceMap } from '../lib/once.ts';
import { FAULTS_VARIABLE, type WorkerFaults } from '../model/worker-faults.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { TaskQueue } from '../ports/task-queue.ts';

/** The faults that this worker injects into itself; null except in a rehearsal's worker. */
export function faultsOf(env: Environment): WorkerFaults | null {
  const text = env[FAULTS_VARIABLE];
  return text === undefined ? null : (JSON.parse(text) as WorkerFaults);
}

/** The same platform with a slow store and duplicated messages, according to the faults. */
export async function withFaults(platform: Platform, faults: WorkerFaults | null): Promise<Platform> {
  if (faults === null) return platform;
  const { slowStore, openFaultTally, duplicatingQueue } = await import('../adapters/faults/faults.ts');
  const tally = openFaultTally(faults.tally);
  const queues = new OnceMap<TaskQueue>();
  const doubled = (messages: number): void => tally('duplicate', messages);
  const twice = (group: string): Promise<TaskQueue> =>
    queues.get(group, async () => duplicatingQueue(await platform.queue(group), doubled));
  return {
    ...platform,
    store: faults.slowMs > 0 ? slowStore(platform.store, faults.slowMs, () => tally('slow-disk')) : platform.store,
    queue: faults.duplicate ? twice : platform.queue,
  };
}

/** Crash tests kill this process at decisive writes (`killPointStore`). */
export async function withKillPoints(store: ObjectStore): Promise<ObjectStore> {
  if (process.env.BATCHCTL_TEST_KILL === undefined) return store;
  const [{ killPointStore }, { killPoints }] = await Promise.all([
    import('../adapters/faults/faults.ts'),
    import('../lib/kill-point.ts'),
  ]);
  return killPointStore(store, killPoints(process.env));
}

/** Crash tests run with leases of a second or two. */
export function leaseFromEnvironment(): number | null {
  const text = process.env.BATCHCTL_TEST_LEASE_SECONDS;
  return text === undefined ? null : Number(text);
}
