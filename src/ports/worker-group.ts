import { BatchctlError } from '../errors.ts';
import type {
  GroupChange,
  GroupMachine,
  GroupPrices,
  GroupStatus,
  LaunchTrouble,
  MachineTermination,
  SpotTroubles,
} from '../model/group-status.ts';
import { orderKey, ordersPrefix } from '../model/keys.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * A worker group's machines. It never ends work: a worker drains before it leaves, and its leaving lowers the group's
 * size by one.
 *
 * Laws (`test/contracts/worker-group.ts`): `raise` never lowers, neither the size nor what is on demand, `lower` never
 * raises, `resize` is idempotent, `drain` and `stop` of an unknown worker fail with kind `notFound`, and a size survives
 * the death of every process here.
 */
export interface WorkerGroup {
  readonly group: string;

  /** `counted: false`: takes `running` from the group's service, if it has one, without reading workers' heartbeats. */
  describe(asked?: { readonly counted?: boolean }): Promise<GroupStatus>;

  /** Sets size, bounds or mode; one request, whatever the difference. Undefined fields don't change. */
  resize(change: GroupChange): Promise<GroupStatus>;

  /**
   * Requests at least `size` workers, unless the group is manual or already has that size (law 9). An expired temporary
   * size ends with it: any call, even for 0, restores the earlier size. `onDemand`: how many of them on demand, in the
   * same request, if the group buys spot and the profile allows as many.
   */
  raise(size: number, onDemand?: number): Promise<GroupStatus>;

  /**
   * Lowers the size to the workers in service, but not below the minimum. Has no effect if the size is no longer that
   * of `seen`, if a person set it, even temporarily, or if launches can't hang. It ends no working machine (law 9).
   * On-demand instances no longer replace spot: their number is the profile's again.
   */
  lower(seen: GroupStatus): Promise<GroupStatus>;

  /**
   * Orders a worker to finish its tasks and leave, or (`stop`) to give its tasks back now. The group shrinks by one,
   * except with `replace`: then it starts another.
   */
  order(worker: string, order: WorkerOrder): Promise<void>;

  /** The group's machines; empty if workers are processes, or started by hand. */
  machines(): Promise<readonly GroupMachine[]>;

  /** Why the group's last launches failed, newest first, each reason once. Empty if it launches nothing. */
  launchTroubles(): Promise<readonly LaunchTrouble[]>;

  /**
   * Instances that ended themselves or that a person ended one by one, newest first, by the group's last activities.
   * Absent or empty if it launches nothing, and for workers, which may not read that. One request.
   */
  selfTerminations?(): Promise<readonly MachineTermination[]>;

  /** The state of its spot instances; absent if it can't buy any. One or two requests. */
  spotTroubles?(): Promise<SpotTroubles>;

  /**
   * The price per hour of its machines, at most some minutes old, and of spot instances of other types that it had;
   * absent if they cost nothing. Never throws: a price that can't be read is unknown.
   */
  prices?(others?: readonly string[]): Promise<GroupPrices>;
}

export type WorkerOrder = 'drain' | 'stop' | 'replace';

/** Writes an order of a person where the worker reads it; throws `notFound` for a worker that is not `known`. */
export async function putOrder(
  store: Pick<ObjectStore, 'list' | 'put'>,
  { group, worker, order }: { readonly group: string; readonly worker: string; readonly order: WorkerOrder },
  { known, when }: { readonly known: boolean; readonly when: number },
): Promise<void> {
  if (!known) {
    throw new BatchctlError('notFound', `group ${group} has no worker ${worker}`, {
      hint: `batchctl workers --group ${group} lists them`,
    });
  }
  const body = JSON.stringify({ format: 1, order, when });
  let next = 0;
  for await (const _ of store.list(ordersPrefix(worker))) next += 1;
  while (!(await store.put(orderKey(worker, next), body, { ifAbsent: true })).created) next += 1;
}
