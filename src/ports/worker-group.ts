import { BatchctlError } from '../errors.ts';
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

/** Prices of a group's machines, US dollars. */
export interface GroupPrices {
  /** Instance types that may be launched. */
  readonly types: readonly string[];
  /** The purchase option beyond its base of on-demand instances. */
  readonly lifeCycle: 'spot' | 'on-demand';
  /** Concurrent tasks on one of them; null if unknown before one is up. */
  readonly slots: number | null;
  /** Known prices, of the group's types and of others; a missing one is unknown. */
  readonly hours: readonly HourPrice[];
  /** Why spot prices could not be read, for people; null if they could, or aren't needed. */
  readonly trouble: string | null;
}

export interface HourPrice {
  readonly type: string;
  /** `spot`: the market's. `configured`: the profile's, for on-demand instances and those without a market price. */
  readonly kind: 'spot' | 'configured';
  /** Null: in every zone. */
  readonly zone: string | null;
  readonly usd: number;
}

export interface SpotTroubles {
  /** Its last launches of spot instances failed: no capacity, no quota, or the price is too high. */
  readonly refused: boolean;
  /** Its last on-demand launches failed too. */
  readonly refusedToo: boolean;
  /** Instances that EC2 interrupted within the last half hour. */
  readonly takenBack: number;
}

export type WorkerOrder = 'drain' | 'stop' | 'replace';

export interface GroupStatus {
  readonly group: string;
  readonly desired: number;
  readonly min: number;
  readonly max: number;
  /** `manual`: only a person changes the size. */
  readonly mode: 'auto' | 'manual';
  /** Workers that are up now, as far as the group knows. */
  readonly running: number;
  /** Its workers are started one by one: it has no size to set. */
  readonly byHand?: true;
  /** It is by hand because its Auto Scaling group doesn't exist: `infra up` creates that. */
  readonly missing?: true;
  /** Concurrent tasks on each of its machines, if known before one is up. */
  readonly slots?: number;
  /** The service's counts of its machines, from before a change; absent if there are none. */
  readonly machines?: MachineCounts;
  /** How many of its instances are on demand before spot is used; absent if it buys no spot. */
  readonly onDemand?: OnDemandShare;
  /** When a temporary size (`--for`) ends, milliseconds since the epoch; null if it doesn't. */
  readonly until: number | null;
}

export interface OnDemandShare {
  /** The number now. */
  readonly base: number;
  /** The profile's number: any above that replace spot. */
  readonly usual: number;
  /** The maximum. */
  readonly most: number;
  /** When they were last raised, milliseconds since the epoch; null if none replaces spot. */
  readonly raisedAt: number | null;
}

export interface MachineCounts {
  readonly inService: number;
  readonly pending: number;
  readonly terminating: number;
  /** Those in service that are protected from scaling in. */
  readonly protected: number;
}

/** A machine as seen by its group's service. */
export interface GroupMachine {
  readonly instance: string;
  readonly type: string;
  readonly zone: string;
  /** The service's own state: `InService`, `Terminating:Wait`. It may be one that this version doesn't know. */
  readonly state: string;
  readonly healthy: boolean;
  readonly protected: boolean;
  /** The launch template's version that it was started from; null if unknown. */
  readonly version: string | null;
  /** When the service began to launch it, milliseconds since the epoch; null if that is long ago, or unknown. */
  readonly launchedAt: number | null;
}

/** An instance that was ended through its group. Milliseconds since the epoch. */
export interface MachineTermination {
  readonly instance: string;
  /** Null if that is long ago. */
  readonly launchedAt: number | null;
  readonly endedAt: number;
}

export interface LaunchTrouble {
  /** `setup`: its instances ended themselves. `other`: see the message. */
  readonly code: 'capacity' | 'quota' | 'price' | 'key' | 'image' | 'permission' | 'network' | 'setup' | 'other';
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface GroupChange {
  readonly desired?: number;
  readonly min?: number;
  readonly max?: number;
  readonly mode?: 'auto' | 'manual';
  readonly until?: number | null;
  /** Slots per worker; undefined: the worker decides. */
  readonly slots?: number;
}

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
