/**
 * A worker group's machines. It never ends work: a worker that leaves drains first, and takes its own place with it.
 *
 * Laws (`test/contracts/worker-group.ts`): `raise` never lowers, neither the size nor what is on demand, `lower` never raises, `resize` is idempotent, `drain` and `stop` of an
 * unknown worker fail with kind `notFound`, and a size survives the death of every process here.
 */
export interface WorkerGroup {
  readonly group: string;

  /** `counted: false`: `running` is what the service says is in service, where it says so: no worker's sign of life is read. */
  describe(asked?: { readonly counted?: boolean }): Promise<GroupStatus>;

  /** Sets size, bounds or mode; one request, whatever the difference. What is undefined stays as it is. */
  resize(change: GroupChange): Promise<GroupStatus>;

  /**
   * Asks for at least `size` workers, unless the group is manual or asks for as many already (law 9). A temporary size
   * whose time is over ends with it: whoever asks, if only for 0, brings back the size before. `onDemand`: so many of
   * them on demand, in the same request, where the group buys spot and the profile allows as many.
   */
  raise(size: number, onDemand?: number): Promise<GroupStatus>;

  /**
   * Asks for no more workers than are in service, but for the minimum; of no effect where the size is no longer that of
   * `seen`, where a person sets it, for a time too, and where launches can't hang. It ends nothing that works (law 9).
   * On-demand instances stand in for spot no longer: what is on demand is the profile's again.
   */
  lower(seen: GroupStatus): Promise<GroupStatus>;

  /**
   * Tells a worker to finish what it runs and leave, or (`stop`) to give its tasks back now. It takes its place with it,
   * but with `replace`: then the group starts another.
   */
  order(worker: string, order: WorkerOrder): Promise<void>;

  /** The machines that the group holds; none where workers are processes, or are started by hand. */
  machines(): Promise<readonly MachineSeen[]>;

  /** Why the group's last launches failed, newest first, each reason once. Empty where nothing is launched. */
  launchTroubles(): Promise<readonly LaunchTrouble[]>;

  /** How its spot instances fare; absent where it can't buy any. One or two requests. */
  spotTroubles?(): Promise<SpotTroubles>;

  /**
   * What an hour of its machines costs, as of some minutes ago, and of spot instances of other types that it had; absent
   * where they cost nothing. Never throws: what can't be read isn't known.
   */
  prices?(others?: readonly string[]): Promise<GroupPrices>;
}

/** Prices of a group's machines, US dollars. */
export interface GroupPrices {
  /** Instance types that may be launched. */
  readonly types: readonly string[];
  /** What is launched, beyond what its base of on-demand instances asks for. */
  readonly lifeCycle: 'spot' | 'on-demand';
  /** Tasks at once on one of them; null where nobody knows before one is up. */
  readonly slots: number | null;
  /** What is known, of the group's types and of any other; what isn't in it, nobody knows. */
  readonly hours: readonly HourPrice[];
  /** Why spot prices could not be read, in words; null where they could, or need not be. */
  readonly trouble: string | null;
}

export interface HourPrice {
  readonly type: string;
  /** `spot`: the market's. `configured`: the profile's, for on-demand instances and for what the market doesn't tell. */
  readonly kind: 'spot' | 'configured';
  /** Null: in every zone. */
  readonly zone: string | null;
  readonly usd: number;
}

/** How a group's spot instances fare. */
export interface SpotTroubles {
  /** Its last launches of spot instances failed, for want of capacity, quota or a price. */
  readonly refused: boolean;
  /** So did those on demand. */
  readonly refusedToo: boolean;
  /** Instances that EC2 took back within the last half hour. */
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
  /** Its workers are started one by one: it has no size that could be set. */
  readonly byHand?: true;
  /** It is by hand because what would start its machines is not there: `infra up` makes that. */
  readonly missing?: true;
  /** Tasks at once on each of its machines, as far as that is known before one is up. */
  readonly slots?: number;
  /** What the group's service says of its machines, as of before a change; absent where there are none. */
  readonly machines?: MachineCounts;
  /** How many of its instances are on demand before spot is used; absent where it buys no spot. */
  readonly onDemand?: OnDemandShare;
  /** When a temporary size (`--for`) ends, milliseconds since the epoch; null if it doesn't. */
  readonly until: number | null;
}

export interface OnDemandShare {
  readonly base: number;
  /** What the profile says: more of them stand in for spot. */
  readonly usual: number;
  /** The most that may. */
  readonly most: number;
  /** When they were last raised, milliseconds since the epoch; null where none stands in. */
  readonly raisedAt: number | null;
}

export interface MachineCounts {
  readonly inService: number;
  readonly pending: number;
  readonly terminating: number;
  /** Those in service that scaling in does not take. */
  readonly protected: number;
}

/** A machine as its group's service sees it. */
export interface MachineSeen {
  readonly instance: string;
  readonly type: string;
  readonly zone: string;
  /** The service's own word: `InService`, `Terminating:Wait`. It may be one that this version doesn't know. */
  readonly state: string;
  readonly healthy: boolean;
  readonly protected: boolean;
  /** The launch template's version that it was started from; null if it isn't said. */
  readonly version: string | null;
  /** When the service began to launch it, milliseconds since the epoch; null where that is long ago, or not said. */
  readonly launchedAt: number | null;
}

export interface LaunchTrouble {
  /** `setup`: its instances ended themselves. `other`: see the message. */
  readonly code: 'capacity' | 'quota' | 'price' | 'key' | 'image' | 'permission' | 'network' | 'setup' | 'other';
  /** As the service says it. */
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
  /** Slots each worker gets; undefined leaves it to the worker. */
  readonly slots?: number;
}
