import type { AutoScalingGroup, Instance, MixedInstancesPolicy, Tag } from '@aws-sdk/client-auto-scaling';
import { BatchctlError, isKind } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { STAND_IN_TAG } from '../../lib/stack-names.ts';
import { changeSize, type GroupSize, sizeAt } from '../../model/group-size.ts';
import type {
  GroupChange,
  GroupPrices,
  GroupStatus,
  LaunchTrouble,
  MachineSeen,
  SpotTroubles,
  WorkerGroup,
  WorkerOrder,
} from '../../ports/worker-group.ts';
import {
  changedTags,
  countsOf,
  launchTimes,
  machineOf,
  ScalingRequests,
  sizeOf,
  spotTroublesOf,
  troublesOf,
} from './auto-scaling.ts';
import type { AwsClients } from './clients.ts';
import type { HereGroup } from './here-group.ts';

/** Whoever is older has a worker, or lacks one: just when it was launched is of no interest any more, milliseconds. */
const LAUNCHED_LATELY_MS = 15 * 60_000;

export interface ScalingGroupOptions {
  readonly group: string;
  /** The Auto Scaling group's. */
  readonly name: string;
  readonly clients: AwsClients;
  /** Counts and orders its workers; and is all that there is of the group until it is made. */
  readonly here: HereGroup;
  /** Tasks at once on an instance; null where neither the profile nor the types tell. */
  readonly slots: number | null;
  /** Null where it buys no spot, and for who may not change what it buys (a worker). */
  readonly spot?: SpotShare | null;
  readonly clock: Clock;
  /** What its machines cost, and those of other types that it had; absent: nobody is asked. */
  readonly prices?: (others: readonly string[]) => Promise<Omit<GroupPrices, 'slots'>>;
  /** Resolves when something may be written (the account is the profile's). */
  readonly allowed: () => Promise<void>;
}

/**
 * A group of EC2 instances that Auto Scaling starts and ends. What is wanted of it is all with the service: its size and
 * bounds, and in its tags its mode and when a temporary size ends. Instances are protected while they work, so a smaller
 * size ends none that does.
 */
export class ScalingGroup implements WorkerGroup {
  readonly group: string;
  readonly #options: ScalingGroupOptions;
  readonly #requests: ScalingRequests;

  constructor(options: ScalingGroupOptions) {
    this.group = options.group;
    this.#options = options;
    this.#requests = new ScalingRequests(options.clients, options.name);
  }

  async describe({ counted = true }: { readonly counted?: boolean } = {}): Promise<GroupStatus> {
    return (await this.#look(counted)).status;
  }

  /**
   * Throws `usage` for a size outside the bounds, bounds that cross, or slots, which a running instance can't change;
   * `refused` where the group isn't made yet.
   */
  async resize(change: GroupChange): Promise<GroupStatus> {
    if (change.slots !== undefined) {
      throw new BatchctlError(
        'usage',
        `the number of slots of an instance in group ${this.group} is set in the profile`,
        {
          hint: `set groups.${this.group}.slots, then batchctl infra up, then batchctl infra release --roll`,
        },
      );
    }
    const { size, status } = await this.#look();
    if (size === null) return await this.#options.here.resize();
    const wanted = changeSize(this.group, sizeAt(size, this.#options.clock.now()), change);
    await this.#change(size, wanted);
    return withSize(status, wanted);
  }

  async raise(least: number, onDemand = 0): Promise<GroupStatus> {
    // Its workers aren't counted here: each is an object to read in the `store` ledger.
    const looked = await this.#look(false);
    if (looked.size === null) return looked.status;
    const { size, status } = await this.#standIn(looked, looked.size, { least, onDemand });
    const settled = raisedTo(sizeAt(size, this.#options.clock.now()), least);
    try {
      await this.#change(size, settled);
      return withSize(status, settled);
    } catch (error) {
      // Whoever may raise and not tag (a worker) leaves the end of a temporary size to others.
      if (size.until === settled.until || !isKind(error, 'credentials')) throw error;
    }
    const raised = raisedTo(size, least);
    await this.#change(size, raised);
    return withSize(status, raised);
  }

  async lower(seen: GroupStatus): Promise<GroupStatus> {
    const { size, status, found } = await this.#look();
    const { inService } = status.machines ?? {};
    if (size === null || found === null || inService === undefined) return status;
    if (size.mode === 'manual' || size.until !== null || size.desired !== seen.desired) return status;
    const wanted = { ...size, desired: Math.min(size.desired, Math.max(size.min, inService)) };
    await this.#change(size, wanted);
    const { onDemand } = status;
    if (onDemand === undefined || onDemand.raisedAt === null) return withSize(status, wanted);
    await this.#options.allowed();
    if (onDemand.base !== onDemand.usual) await this.#requests.setPolicy(policyWith(found, onDemand.usual), undefined);
    await this.#requests.setTags([this.#standInTag(null, this.#options.clock.now())]);
    return { ...withSize(status, wanted), onDemand: { ...onDemand, base: onDemand.usual, raisedAt: null } };
  }

  async spotTroubles(): Promise<SpotTroubles> {
    if ((await this.#requests.read()) === null) return { refused: false, refusedToo: false, takenBack: 0 };
    return spotTroublesOf(await this.#requests.activities(), this.#options.clock.now());
  }

  order(worker: string, order: WorkerOrder): Promise<void> {
    return this.#options.here.order(worker, order);
  }

  async machines(): Promise<readonly MachineSeen[]> {
    const found = await this.#requests.read();
    const instances = found?.Instances ?? [];
    const times = await this.#launchTimes(instances);
    return instances.map((instance) => machineOf(instance, times));
  }

  /** When they were launched, as far as that is of interest: a thousand that start at once are more than one answer tells. */
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

  async launchTroubles(): Promise<readonly LaunchTrouble[]> {
    return (await this.#requests.read()) === null ? [] : troublesOf(await this.#requests.activities());
  }

  async prices(others: readonly string[] = []): Promise<GroupPrices> {
    const { prices, slots } = this.#options;
    const none = { types: [], lifeCycle: 'on-demand', hours: [], trouble: null } as const;
    return { ...((await prices?.(others)) ?? none), slots };
  }

  /** Its size as the service has it, null where there is no group. */
  async #look(counted = true): Promise<Looked> {
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
   * On-demand instances in place of spot, the size with them in one request. Said in a tag first: `infra` takes it for
   * nobody's drift, and who comes next knows since when. Answers the group as it is then.
   */
  async #standIn(
    looked: Looked,
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
    await this.#requests.setTags([this.#standInTag(base, raisedAt)]);
    await this.#requests.setPolicy(policyWith(found, base), desired > size.desired ? desired : undefined);
    return { size: { ...size, desired }, status: { ...status, onDemand: { ...share, base, raisedAt } } };
  }

  #standInTag(base: number | null, at: number): Tag {
    return {
      ...{ ResourceId: this.#options.name, ResourceType: 'auto-scaling-group', PropagateAtLaunch: false },
      ...{ Key: STAND_IN_TAG, Value: standInText(base, at) },
    };
  }

  /**
   * One request for the size, whatever the difference, and one for tags that differ. A temporary size is written down
   * before it is set, and struck off after the size before is back: killed between, the next one sees what is left to
   * do. Before a size is set that a tag is to follow, the tag is set as it is: who may not do that sets neither.
   */
  async #change(from: GroupSize, to: GroupSize): Promise<void> {
    const tags = changedTags(this.#options.name, from, to);
    const resized = from.min !== to.min || from.max !== to.max || from.desired !== to.desired;
    if (tags.length === 0 && !resized) return;
    await this.#options.allowed();
    const tagsFirst = to.until !== null || from.mode !== to.mode;
    if (tagsFirst && tags.length > 0) await this.#requests.setTags(tags);
    else if (tags.length > 0 && resized) await this.#requests.setTags(changedTags(this.#options.name, to, from));
    if (from.min !== to.min || from.max !== to.max) await this.#requests.setBounds(to);
    else if (resized) await this.#requests.setSize(to.desired);
    if (!tagsFirst && tags.length > 0) await this.#requests.setTags(tags);
  }
}

interface Looked {
  readonly size: GroupSize | null;
  readonly found: AutoScalingGroup | null;
  readonly status: GroupStatus;
}

/** The size with `least` workers asked for, unless a person sets it. */
function raisedTo(size: GroupSize, least: number): GroupSize {
  return size.mode === 'manual' ? size : { ...size, desired: Math.max(size.desired, Math.min(least, size.max)) };
}

const sizes = ({ desired, min, max, mode, until }: GroupSize) => ({ desired, min, max, mode, until });

const withSize = (status: GroupStatus, size: GroupSize): GroupStatus => ({ ...status, ...sizes(size) });

/** What the profile says of a group of spot instances. */
interface SpotShare {
  /** On demand whatever happens. */
  readonly usual: number;
  /** So many at most may stand in where spot can't be had. */
  readonly most: number;
}

/** How many of a group's instances are on demand before spot is used, and when that was last raised. */
interface OnDemandBase {
  readonly base: number;
  /** Milliseconds since the epoch; null where it is as the profile says. */
  readonly raisedAt: number | null;
}

/** Null where the group buys no spot. */
function baseOf({ MixedInstancesPolicy, Tags = [] }: AutoScalingGroup): OnDemandBase | null {
  const split = MixedInstancesPolicy?.InstancesDistribution;
  if (split === undefined || split.OnDemandPercentageAboveBaseCapacity !== 0) return null;
  const text = Tags.find(({ Key }) => Key === STAND_IN_TAG)?.Value ?? '';
  const [, , raisedAt] = /^(\d+) (\d+)$/.exec(text) ?? [];
  return { base: split.OnDemandBaseCapacity ?? 0, raisedAt: raisedAt === undefined ? null : Number(raisedAt) };
}

/** The tag's words: `none` once it is taken back, since who may tag may not be who may take tags away. */
const standInText = (base: number | null, now: number): string => (base === null ? 'none' : `${base} ${now}`);

/**
 * The policy with another base. Of the rest of it nothing is said, so nothing changes (UpdateAutoScalingGroup); naming
 * the launch template again would take the right to start instances (EC2 Auto Scaling: launch template permissions).
 */
function policyWith({ MixedInstancesPolicy }: AutoScalingGroup, base: number): MixedInstancesPolicy {
  return { InstancesDistribution: { ...MixedInstancesPolicy?.InstancesDistribution, OnDemandBaseCapacity: base } };
}
