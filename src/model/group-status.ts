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
