import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeTagsCommand,
  RecordLifecycleActionHeartbeatCommand,
  SetInstanceProtectionCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { BatchctlError } from '../../errors.ts';
import { DRAIN_HOOK, MODE_TAG, UNTIL_TAG } from '../../lib/stack-names.ts';
import { jitter, wait } from '../../lib/wait.ts';
import type { Machine, Notice } from '../../ports/machine.ts';
import type { AwsClients } from './clients.ts';
import { translateAwsError } from './errors.ts';
import type { Imds } from './imds.ts';
import type { MachineFacts } from './machine-facts.ts';
import { noticeOf } from './machine-notice.ts';

/** How long an instance that ends is waited for until its hook holds it, and how often one looks, milliseconds. */
const HELD_MS = 30_000;
const LOOK_MS = 1_000;
/** For so long a group may not know an instance that it holds (Auto Scaling tells late), milliseconds. */
const UNKNOWN_MS = 60_000;

export interface AwsMachineOptions {
  readonly clients: AwsClients;
  readonly imds: Imds;
  readonly facts: MachineFacts;
  /** The Auto Scaling group that holds it; null: none does. */
  readonly scalingGroup: string | null;
  readonly now?: () => number;
  /** For how long a group may not know its instance, milliseconds; a minute unless given. */
  readonly unknownMs?: number;
}

/** An EC2 instance, and the Auto Scaling group that holds it. */
export class AwsMachine implements Machine {
  readonly instance: string;
  readonly type: string;
  readonly zone: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  readonly launchedAt: number | null;
  readonly release: string | null;
  readonly inGroup: boolean;
  readonly #clients: AwsClients;
  readonly #imds: Imds;
  readonly #group: string | null;
  readonly #now: () => number;
  #noticed: Notice | null = null;
  /** Null before it was asked: an instance may start with either, as the group's own setting was. */
  #protected: boolean | null = null;
  #changing: Promise<unknown> = Promise.resolve();
  #leaving = false;
  readonly #unknownMs: number;
  /** Since when the group doesn't know it, monotonic. */
  #unknownSince: number | null = null;

  constructor({ clients, imds, facts, scalingGroup, now = Date.now, unknownMs = UNKNOWN_MS }: AwsMachineOptions) {
    this.#unknownMs = unknownMs;
    this.instance = facts.instance;
    this.type = facts.type;
    this.zone = facts.zone;
    this.lifeCycle = facts.lifeCycle;
    this.launchedAt = facts.launchedAt;
    this.release = facts.release;
    this.inGroup = scalingGroup !== null;
    this.#clients = clients;
    this.#imds = imds;
    this.#group = scalingGroup;
    this.#now = now;
  }

  async notice(): Promise<Notice | null> {
    try {
      const [action, target, rebalance] = await Promise.all([
        this.#imds.get('meta-data/spot/instance-action'),
        this.#imds.get('meta-data/autoscaling/target-lifecycle-state'),
        this.#imds.get('meta-data/events/recommendations/rebalance'),
      ]);
      this.#noticed = noticeOf({ action, target, rebalance }, this.#now());
    } catch {
      // Silence says nothing: what was said before still stands.
    }
    return this.#noticed;
  }

  protect(on: boolean): Promise<boolean> {
    const change = this.#changing.then(() => this.#protect(on));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  async holdOn(): Promise<void> {
    const action = { LifecycleHookName: DRAIN_HOOK, AutoScalingGroupName: this.#group ?? '' };
    if (this.#group === null) return;
    try {
      const command = new RecordLifecycleActionHeartbeatCommand({ ...action, InstanceId: this.instance });
      await (await this.#clients.autoScaling()).send(command);
    } catch (error) {
      // No hook holds it yet, or any more.
      if (isValidation(error)) return;
      throw this.#translated(error, 'hold on to this instance', 'RecordLifecycleActionHeartbeat');
    }
  }

  async letGo(): Promise<void> {
    if (this.#group === null) return;
    const action = { LifecycleHookName: DRAIN_HOOK, AutoScalingGroupName: this.#group };
    const end = performance.now() + HELD_MS;
    for (;;) {
      try {
        const answer = { ...action, InstanceId: this.instance, LifecycleActionResult: 'CONTINUE' };
        await (await this.#clients.autoScaling()).send(new CompleteLifecycleActionCommand(answer));
        return;
      } catch (error) {
        if (!isValidation(error)) throw this.#translated(error, 'let go of this instance', 'CompleteLifecycleAction');
      }
      const state = await this.#state();
      // The hook holds it a moment after it was told to end; one that is not to end is held by nothing.
      const mayCome = state === 'Terminating' || state === 'Terminating:Wait' || (state !== null && this.#leaving);
      if (!mayCome || performance.now() >= end) return;
      await wait(jitter(LOOK_MS));
    }
  }

  async leave(takePlace: boolean, ordered = false): Promise<boolean> {
    if (this.#group === null) return false;
    if (takePlace && !ordered && (await this.#isHeldByPerson())) return false;
    const ending = { InstanceId: this.instance, ShouldDecrementDesiredCapacity: takePlace };
    try {
      await (await this.#clients.autoScaling()).send(new TerminateInstanceInAutoScalingGroupCommand(ending));
    } catch (error) {
      const refused = isValidation(error);
      if (refused && (await this.#isEnding())) return true;
      // Below the group's minimum (Auto Scaling: TerminateInstanceInAutoScalingGroup).
      if (refused && takePlace) return false;
      throw this.#translated(error, 'end this instance', 'TerminateInstanceInAutoScalingGroup');
    }
    this.#leaving = true;
    return true;
  }

  async #protect(on: boolean): Promise<boolean> {
    if (this.#group === null || this.#protected === on) return true;
    const change = {
      AutoScalingGroupName: this.#group,
      InstanceIds: [this.instance],
      ProtectedFromScaleIn: on,
    };
    try {
      await (await this.#clients.autoScaling()).send(new SetInstanceProtectionCommand(change));
    } catch (error) {
      if (!isValidation(error)) throw this.#translated(error, 'protect this instance', 'SetInstanceProtection');
      if (await this.#isEnding()) return false;
      // Only what is in service can be protected (Auto Scaling: ec2-auto-scaling-instance-protection).
      throw new BatchctlError(
        'unavailable',
        `instance ${this.instance} is not in service: its protection can't change`,
      );
    }
    this.#protected = on;
    return true;
  }

  /**
   * Whether the group ends it. Not known at all is no end at once: a worker that left for it would leave its machine
   * behind, in service and protected. Throws `unavailable` meanwhile.
   */
  async #isEnding(): Promise<boolean> {
    const state = await this.#state();
    // Also states of later versions that begin so: `Terminating:Retained`.
    if (state !== null) {
      this.#unknownSince = null;
      return state.startsWith('Terminat');
    }
    this.#unknownSince ??= performance.now();
    if (performance.now() - this.#unknownSince >= this.#unknownMs) return true;
    throw new BatchctlError('unavailable', `the group ${this.#group} does not know its instance ${this.instance}`);
  }

  /** Null where the group doesn't know it. */
  async #state(): Promise<string | null> {
    try {
      const { AutoScalingInstances: [found] = [] } = await (await this.#clients.autoScaling()).send(
        new DescribeAutoScalingInstancesCommand({ InstanceIds: [this.instance] }),
      );
      return found?.LifecycleState ?? null;
    } catch (error) {
      throw this.#translated(error, "look at this instance's state", 'DescribeAutoScalingInstances');
    }
  }

  /** Manual, or of a temporary size: nothing but a person changes it then. */
  async #isHeldByPerson(): Promise<boolean> {
    const Filters = [{ Name: 'auto-scaling-group', Values: [this.#group ?? ''] }];
    try {
      const { Tags = [] } = await (await this.#clients.autoScaling()).send(new DescribeTagsCommand({ Filters }));
      const tag = (key: string): string => Tags.find(({ Key }) => Key === key)?.Value ?? '';
      return tag(MODE_TAG) === 'manual' || Number(tag(UNTIL_TAG).split(' ')[0]) > this.#now();
    } catch (error) {
      throw this.#translated(error, "look at the group's tags", 'DescribeTags');
    }
  }

  #translated(error: unknown, what: string, action: string): Error {
    const { profile } = this.#clients;
    const resource = `the Auto Scaling group ${this.#group}`;
    return translateAwsError(error, { what, action: `autoscaling:${action}`, resource, profile });
  }
}

const isValidation = (error: unknown): boolean => error instanceof Error && error.name === 'ValidationError';
