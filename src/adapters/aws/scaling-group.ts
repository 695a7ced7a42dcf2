import type { Activity, AutoScalingGroup, Instance, MixedInstancesPolicy } from '@aws-sdk/client-auto-scaling';
import { BatchctlError, isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { STAND_IN_TAG } from '../../lib/stack-names.ts';
import { changeSize, type GroupSize, sizeAt } from '../../model/group-size.ts';
import type {
  GroupChange,
  GroupMachine,
  GroupPrices,
  GroupStatus,
  LaunchTrouble,
  MachineTermination,
  OnDemandShare,
  SpotTroubles,
} from '../../model/group-status.ts';
import type { WorkerGroup, WorkerOrder } from '../../ports/worker-group.ts';
import {
  changedTags,
  countsOf,
  type GroupTag,
  launchTimes,
  machineOf,
  ScalingRequests,
  selfTerminationsOf,
  sizeOf,
  spotTroublesOf,
  tagOf,
  troublesOf,
} from './auto-scaling.ts';
import type { AwsClients } from './clients.ts';
import type { UnmanagedGroup } from './unmanaged-group.ts';

/** Milliseconds. The exact launch time matters only until an instance should have a worker. */
const LAUNCHED_LATELY_MS = 15 * 60_000;

export interface ScalingGroupOptions {
  readonly group: string;
  readonly name: string;
  /** The stack's home: the group of another one is refused. Absent: not compared. */
  readonly home?: string;
  readonly clients: AwsClients;
  /** Counts the workers and gives them orders; until the Auto Scaling group is made, the whole group. */
  readonly here: UnmanagedGroup;
  /** Concurrent tasks on an instance; null if neither the profile nor the instance types say. */
  readonly slots: number | null;
  /** Null if it buys no spot instances, and for callers that may not change what it buys (workers). */
  readonly spot?: Pick<OnDemandShare, 'usual' | 'most'> | null;
  /** Whether it may read what the group did: workers may not. */
  readonly readsHistory?: boolean;
  readonly clock: Clock;
  /** Prices of its machines, and of types that it had before; absent: prices aren't looked up. */
  readonly prices?: (others: readonly string[]) => Promise<Omit<GroupPrices, 'slots'>>;
  /** Resolves when writing is allowed (the account is the profile's). */
  readonly allowed: () => Promise<void>;
}

/**
 * A group of EC2 instances that Auto Scaling starts and ends. The service holds the desired state: the size and
 * bounds, and in tags the mode and the end of a temporary size. Instances are protected while they work, so that
 * scaling in ends none of those.
 */
export class ScalingGroup implements WorkerGroup {
  readonly group: string;
  readonly #options: ScalingGroupOptions;
  readonly #requests: ScalingRequests;

  constructor(options: ScalingGroupOptions) {
    this.group = options.group;
    this.#options = options;
    const { clients, name, home } = options;
    this.#requests = new ScalingRequests(clients, name, home === undefined ? {} : { home });
  }

  async describe({ counted = true }: { readonly counted?: boolean } = {}): Promise<GroupStatus> {
    return (await this.#readGroup(counted)).status;
  }

  /**
   * Throws `usage` for a size outside the bounds, bounds that cross, or slots, which a running instance can't change;
   * `refused` if the Auto Scaling group doesn't exist yet.
   */
  async resize(change: GroupChange): Promise<GroupStatus> {
    if (change.slots !== undefined) {
      throw new BatchctlError(
        'usage',
        `the number of slots of an instance in group ${this.group} is set in the profile`,
        { hint: `set groups.${this.group}.slots, then batchctl infra up, then batchctl infra release --roll` },
      );
    }
    const { size, status } = await this.#readGroup();
    if (size === null) return await this.#options.here.resize();
    const wanted = changeSize(this.group, sizeAt(size, this.#options.clock.now()), change);
    await this.#change(size, wanted);
    return withSize(status, wanted);
  }

  async raise(least: number, onDemand = 0): Promise<GroupStatus> {
    // Doesn't count workers: in the `store` ledger each is an object to read.
    const looked = await this.#readGroup(false);
    if (looked.size === null) return looked.status;
    const { size, status } = await this.#replaceSpot(looked, looked.size, { least, onDemand });
    const settled = raisedTo(sizeAt(size, this.#options.clock.now()), least);
    try {
      await this.#change(size, settled);
      return withSize(status, settled);
    } catch (error) {
      // A caller that may scale but not tag (a worker) leaves the end of a temporary size to others.
      if (size.until === settled.until || !isKind(error, 'credentials')) throw error;
    }
    const raised = raisedTo(size, least);
    await this.#change(size, raised);
    return withSize(status, raised);
  }

  async lower(seen: GroupStatus): Promise<GroupStatus> {
    const { size, status, found } = await this.#readGroup();
    const { inService } = status.machines ?? {};
    if (size === null || found === null || inService === undefined) return status;
    if (size.mode === 'manual' || size.until !== null || size.desired !== seen.desired) return status;
    const wanted = { ...size, desired: Math.min(size.desired, Math.max(size.min, inService)) };
    await this.#change(size, wanted);
    const { onDemand } = status;
    if (onDemand === undefined || onDemand.raisedAt === null) return withSize(status, wanted);
    await this.#options.allowed();
    if (onDemand.base !== onDemand.usual) await this.#requests.setPolicy(policyWith(found, onDemand.usual));
    await this.#requests.setTags([standInTag(null)]);
    return { ...withSize(status, wanted), onDemand: { ...onDemand, base: onDemand.usual, raisedAt: null } };
  }

  async spotTroubles(): Promise<SpotTroubles> {
    return spotTroublesOf(await this.#activities(), this.#options.clock.now());
  }

  async selfTerminations(): Promise<readonly MachineTermination[]> {
    return this.#options.readsHistory === true ? selfTerminationsOf(await this.#activities()) : [];
  }

  async launchTroubles(): Promise<readonly LaunchTrouble[]> {
    return troublesOf(await this.#activities());
  }

  /** The latest activities, newest first; none without the group. */
  async #activities(): Promise<readonly Activity[]> {
    return (await this.#requests.read()) === null ? [] : this.#requests.activities();
  }

  order(worker: string, order: WorkerOrder): Promise<void> {
    return this.#options.here.order(worker, order);
  }

  async machines(): Promise<readonly GroupMachine[]> {
    const found = await this.#requests.read();
    const instances = found?.Instances ?? [];
    const times = await this.#launchTimes(instances);
    return instances.map((instance) => machineOf(instance, times));
  }

  /** Launch times of recent instances. A thousand that start at once need more than one page. */
  async #launchTimes(instances: readonly Instance[]): Promise<ReadonlyMap<string, number>> {
    const times = new Map<string, number>();
    if (instances.length === 0) return times;
    const since = this.#options.clock.now() - LAUNCHED_LATELY_MS;
    for await (const page of this.#requests.history()) {
      for (const [instance, at] of launchTimes(page)) times.set(instance, at);
      const oldest = page.at(-1)?.StartTime?.getTime() ?? 0;
      if (oldest < since || instances.every(({ InstanceId = '' }) => times.has(InstanceId))) break;
    }
    return times;
  }

  async prices(others: readonly string[] = []): Promise<GroupPrices> {
    const { prices, slots } = this.#options;
    const none = { types: [], lifeCycle: 'on-demand', hours: [], trouble: null } as const;
    return { ...((await prices?.(others)) ?? none), slots };
  }

  /** Its size in the service; null if there is no such group. */
  async #readGroup(counted = true): Promise<ScalingSnapshot> {
    const { here, slots, spot } = this.#options;
    const [found, up] = await Promise.all([this.#requests.read(), counted ? here.describe() : null]);
    const known = slots === null ? {} : { slots };
    if (found === null) {
      return { size: null, found, status: { ...(up ?? (await here.describe())), ...known, missing: true } };
    }
    const size = sizeOf(found);
    const machines = countsOf(found);
    const base = spot == null ? null : baseOf(found);
    const status: GroupStatus = {
      group: this.group,
      ...sizes(size),
      running: up?.running ?? machines.inService,
      machines,
      ...known,
      ...(spot != null && base !== null && { onDemand: { ...base, ...spot } }),
    };
    return { size, found, status };
  }

  /**
   * Replaces spot by on-demand instances, with the size, in one request. The tag is set first: `infra` then doesn't
   * report drift, and later callers know since when. Returns the group as it is afterwards.
   */
  async #replaceSpot(
    looked: ScalingSnapshot,
    size: GroupSize,
    { least, onDemand }: { readonly least: number; readonly onDemand: number },
  ): Promise<{ readonly size: GroupSize; readonly status: GroupStatus }> {
    const { found, status } = looked;
    const share = status.onDemand;
    const base = Math.min(onDemand, share?.most ?? 0, size.max);
    if (found === null || share === undefined || base <= share.base || size.mode === 'manual') return { size, status };
    const { desired } = raisedTo(size, least);
    const raisedAt = this.#options.clock.now();
    await this.#options.allowed();
    await this.#requests.setTags([standInTag({ base, raisedAt })]);
    await this.#requests.setPolicy(policyWith(found, base), desired > size.desired ? desired : undefined);
    return { size: { ...size, desired }, status: { ...status, onDemand: { ...share, base, raisedAt } } };
  }

  /**
   * One request for the size, whatever the difference, and one for changed tags. A temporary size is recorded before it
   * is set, and cleared after the earlier size is back, so that after a crash the next caller sees what is left to do.
   * If a tag is to follow a size, the tag is first written unchanged: a caller without that right then sets neither.
   */
  async #change(from: GroupSize, to: GroupSize): Promise<void> {
    const tags = changedTags(from, to);
    const resized = from.min !== to.min || from.max !== to.max || from.desired !== to.desired;
    if (tags.length === 0 && !resized) return;
    await this.#options.allowed();
    const tagsFirst = to.until !== null || from.mode !== to.mode;
    if (tagsFirst && tags.length > 0) await this.#requests.setTags(tags);
    else if (tags.length > 0 && resized) await this.#requests.setTags(changedTags(to, from));
    if (from.min !== to.min || from.max !== to.max) await this.#requests.setBounds(to);
    else if (resized) await this.#requests.setSize(to.desired);
    if (!tagsFirst && tags.length > 0) await this.#requests.setTags(tags);
  }
}

interface ScalingSnapshot {
  readonly size: GroupSize | null;
  readonly found: AutoScalingGroup | null;
  readonly status: GroupStatus;
}

/** The size with at least `least` workers wanted, unless a person sets it. */
function raisedTo(size: GroupSize, least: number): GroupSize {
  return size.mode === 'manual' ? size : { ...size, desired: Math.max(size.desired, Math.min(least, size.max)) };
}

const sizes = ({ desired, min, max, mode, until }: GroupSize) => ({ desired, min, max, mode, until });

const withSize = (status: GroupStatus, size: GroupSize): GroupStatus => ({ ...status, ...sizes(size) });

/** Null if the group buys no spot instances. */
function baseOf(group: AutoScalingGroup): Pick<OnDemandShare, 'base' | 'raisedAt'> | null {
  const split = group.MixedInstancesPolicy?.InstancesDistribution;
  if (split === undefined || split.OnDemandPercentageAboveBaseCapacity !== 0) return null;
  const [, , raisedAt] = /^(\d+) (\d+)$/.exec(tagOf(group, STAND_IN_TAG) ?? '') ?? [];
  return { base: split.OnDemandBaseCapacity ?? 0, raisedAt: raisedAt === undefined ? null : Number(raisedAt) };
}

/** Its value is `none` once it is reverted, because a caller that may tag need not have the right to delete tags. */
const standInTag = (raised: { readonly base: number; readonly raisedAt: number } | null): GroupTag => [
  STAND_IN_TAG,
  raised === null ? 'none' : `${raised.base} ${raised.raisedAt}`,
];

/**
 * The policy with another base. The rest is omitted and so stays unchanged (UpdateAutoScalingGroup); naming the launch
 * template again would need the right to start instances (EC2 Auto Scaling: launch template permissions).
 */
function policyWith({ MixedInstancesPolicy }: AutoScalingGroup, base: number): MixedInstancesPolicy {
  return { InstancesDistribution: { ...MixedInstancesPolicy?.InstancesDistribution, OnDemandBaseCapacity: base } };
}
