import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  type AutoScalingInstanceDetails,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeTagsCommand,
  RecordLifecycleActionHeartbeatCommand,
  SetInstanceProtectionCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { BatchctlError, isKind } from '../../errors.ts';
import { DRAIN_HOOK, GROUP_TAG, MODE_TAG, RELEASE_TAG, UNTIL_TAG } from '../../lib/stack-names.ts';
import { jitter, wait } from '../../lib/wait.ts';
import type { Machine, MachineNotice } from '../../ports/machine.ts';
import { countsOf, ScalingRequests } from './auto-scaling.ts';
import type { AwsClients } from './clients.ts';
import { hasName, translateAwsError, translateErrors } from './errors.ts';
import { Imds, imdsEndpoint } from './imds.ts';

const GROUP_AGAIN_MS = 2_000;
/** The program that shuts this machine down. Only the unit that a boot writes names one. */
const POWER_OFF_VARIABLE = 'BATCHCTL_POWER_OFF';

/**
 * The instance that this process runs on; null if its metadata service is disabled. Throws `unavailable` when the
 * service doesn't answer, `credentials` when the group can't be looked up.
 */
export async function openMachine(
  clients: AwsClients,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<(Machine & { close(): void }) | null> {
  const endpoint = imdsEndpoint(env);
  if (endpoint === null) return null;
  const imds = new Imds(endpoint);
  try {
    const facts = await readFacts(imds);
    const scalingGroup = await groupOf(clients, imds, facts.instance);
    const machine = new AwsMachine({ clients, imds, facts, scalingGroup, powerOff: powerOffOf(env) });
    return Object.assign(machine, { close: () => imds.close() });
  } catch (error) {
    imds.close();
    if (!isKind(error, 'unavailable')) throw error;
    throw new BatchctlError('unavailable', error.message, {
      hint: `${error.hint}; or set AWS_EC2_METADATA_DISABLED=true to do without it`,
      cause: error,
    });
  }
}

function powerOffOf(env: Readonly<Record<string, string | undefined>>): (() => Promise<unknown>) | null {
  const program = env[POWER_OFF_VARIABLE] ?? '';
  return program === '' ? null : () => promisify(execFile)(program);
}

/** The name of the Auto Scaling group that holds the instance; null if none does. */
async function groupOf(clients: AwsClients, imds: Imds, instance: string): Promise<string | null> {
  const end = performance.now() + UNKNOWN_MS;
  for (;;) {
    // Either one says that a group launched it. Just after launch the state may be missing.
    const [target, tag] = await Promise.all([
      imds.get('meta-data/autoscaling/target-lifecycle-state'),
      imds.get(`meta-data/tags/instance/${GROUP_TAG}`),
    ]);
    const launched = target !== null || tag !== null;
    try {
      const found = await describeInstance(clients, instance, `find the Auto Scaling group of ${instance}`);
      if (found?.AutoScalingGroupName !== undefined) return found.AutoScalingGroupName;
      if (!launched || performance.now() >= end) return null;
    } catch (error) {
      // An instance started by hand needs no right to look up groups.
      if (!launched && isKind(error, 'credentials') && error.denied !== undefined) return null;
      throw error;
    }
    await wait(jitter(GROUP_AGAIN_MS));
  }
}

/** Auto Scaling's record of an instance; undefined if no group has one. */
function describeInstance(
  clients: AwsClients,
  instance: string,
  what: string,
): Promise<AutoScalingInstanceDetails | undefined> {
  const doing = { what, action: 'autoscaling:DescribeAutoScalingInstances', resource: '*', profile: clients.profile };
  return translateErrors(doing, async () => {
    const command = new DescribeAutoScalingInstancesCommand({ InstanceIds: [instance] });
    return (await (await clients.autoScaling()).send(command)).AutoScalingInstances?.[0];
  });
}

/** How long to wait until the lifecycle hook holds a terminating instance, and how often to look, milliseconds. */
const HELD_MS = 30_000;
const LOOK_MS = 1_000;
/** How long a group may not know an instance that it holds (Auto Scaling is eventually consistent), milliseconds. */
const UNKNOWN_MS = 60_000;

interface AwsMachineOptions {
  readonly clients: AwsClients;
  readonly imds: Imds;
  readonly facts: MachineFacts;
  /** The Auto Scaling group that holds it; null if none does. */
  readonly scalingGroup: string | null;
  readonly now?: () => number;
  /** How long a group may not know its instance, milliseconds; a minute by default. */
  readonly unknownMs?: number;
  /** Shuts this machine down, which terminates it (launch template). Null, the default: it can't be. */
  readonly powerOff?: (() => Promise<unknown>) | null;
}

/** Where the metadata service says that the instance is interrupted, leaves its group, or is at risk. */
const NOTICE_PATHS = [
  'meta-data/spot/instance-action',
  'meta-data/autoscaling/target-lifecycle-state',
  'meta-data/events/recommendations/rebalance',
] as const;

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
  #noticed: MachineNotice | null = null;
  /** The last answer of each of `NOTICE_PATHS`. */
  #said: readonly (string | null)[] = NOTICE_PATHS.map(() => null);
  /** Null until asked: an instance may start protected or not, as the group is set. */
  #protected: boolean | null = null;
  #changing: Promise<unknown> = Promise.resolve();
  #leaving = false;
  readonly #powerOff: (() => Promise<unknown>) | null;
  /** The role may not end this instance through its group. How it leaves instead (`#leaveUnnamed`). */
  #unnamed: 'shrunk' | 'replaced' | null = null;
  readonly #unknownMs: number;
  /** Since when the group hasn't known it, monotonic. */
  #unknownSince: number | null = null;

  constructor({ clients, imds, facts, scalingGroup, now = Date.now, ...more }: AwsMachineOptions) {
    this.#unknownMs = more.unknownMs ?? UNKNOWN_MS;
    this.#powerOff = more.powerOff ?? null;
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

  async notice(): Promise<MachineNotice | null> {
    const answers = await Promise.allSettled(NOTICE_PATHS.map((path) => this.#imds.get(path)));
    // No answer tells nothing: the last one of the same path still counts.
    if (answers.every(({ status }) => status === 'rejected')) return this.#noticed;
    this.#said = this.#said.map((last, at) => {
      const answer = answers[at];
      return answer?.status === 'fulfilled' ? answer.value : last;
    });
    const [action = null, target = null, rebalance = null] = this.#said;
    this.#noticed = noticeOf({ action, target, rebalance }, this.#now());
    return this.#noticed;
  }

  protect(on: boolean): Promise<boolean> {
    const change = this.#changing.then(() => this.#protect(on));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  async extendTermination(): Promise<void> {
    if (this.#group === null) return;
    try {
      await (await this.#clients.autoScaling()).send(
        new RecordLifecycleActionHeartbeatCommand(this.#hook(this.#group)),
      );
    } catch (error) {
      // No hook holds it, yet or any longer.
      if (!isValidation(error)) throw this.#error(error, 'hold this instance', 'RecordLifecycleActionHeartbeat');
    }
  }

  async completeTermination(): Promise<void> {
    if (this.#group === null) return;
    const answer = { ...this.#hook(this.#group), LifecycleActionResult: 'CONTINUE' };
    const end = performance.now() + HELD_MS;
    for (;;) {
      try {
        await (await this.#clients.autoScaling()).send(new CompleteLifecycleActionCommand(answer));
        return;
      } catch (error) {
        if (!isValidation(error)) throw this.#error(error, 'release this instance', 'CompleteLifecycleAction');
      }
      const state = await this.#state();
      // The hook holds an instance a moment after termination begins. It never holds one that isn't terminating.
      if (this.#unnamed !== null && state?.startsWith('Terminat') === false) {
        if (await this.#isLeft(this.#group, this.#unnamed, performance.now() >= end)) return;
      } else {
        const mayCome = state === 'Terminating' || state === 'Terminating:Wait' || (state !== null && this.#leaving);
        if (!mayCome || performance.now() >= end) return;
      }
      await wait(jitter(LOOK_MS));
    }
  }

  #hook(group: string) {
    return { LifecycleHookName: DRAIN_HOOK, AutoScalingGroupName: group, InstanceId: this.instance };
  }

  async leave(shrinkGroup: boolean, ordered = false): Promise<boolean> {
    if (this.#group === null) return false;
    if (shrinkGroup && !ordered && (await this.#isHeldByPerson())) return false;
    const ending = { InstanceId: this.instance, ShouldDecrementDesiredCapacity: shrinkGroup };
    try {
      await (await this.#clients.autoScaling()).send(new TerminateInstanceInAutoScalingGroupCommand(ending));
    } catch (error) {
      const refused = isValidation(error);
      if (refused && (await this.#isTerminating())) return true;
      // It would go below the group's minimum (Auto Scaling: TerminateInstanceInAutoScalingGroup).
      if (refused && shrinkGroup) return false;
      const ours = this.#error(error, 'end this instance', 'TerminateInstanceInAutoScalingGroup');
      const isDenied = ours instanceof BatchctlError && ours.denied !== undefined;
      if (!isDenied || this.#powerOff === null) throw ours;
      return this.#leaveUnnamed(this.#group, shrinkGroup);
    }
    this.#leaving = true;
    return true;
  }

  /**
   * Leaves without the right to end this instance by name. The group shrinks by one, and ends an instance that isn't
   * protected: usually this one. One that is to be replaced shuts itself down (`completeTermination`).
   */
  async #leaveUnnamed(group: string, shrinkGroup: boolean): Promise<boolean> {
    if (shrinkGroup) {
      const requests = new ScalingRequests(this.#clients, group);
      const found = await requests.read();
      const { DesiredCapacity: desired = 0, MinSize: min = 0 } = found ?? {};
      if (desired <= min) return false;
      // A protected instance would not be chosen. If that is refused, the machine shuts itself down later.
      await this.protect(false).catch(() => undefined);
      await requests.setSize(desired - 1);
    }
    this.#unnamed = shrinkGroup ? 'shrunk' : 'replaced';
    this.#leaving = true;
    return true;
  }

  /**
   * Shuts this machine down if its group won't end it: at once if it is to be replaced, otherwise when it is `late`.
   * Throws `unavailable` if the group ended another one, as it would replace this one.
   */
  async #isLeft(group: string, how: 'shrunk' | 'replaced', late: boolean): Promise<boolean> {
    if (how === 'shrunk') {
      const found = await new ScalingRequests(this.#clients, group).read();
      if (found !== null && countsOf(found).inService <= (found.DesiredCapacity ?? 0)) {
        throw new BatchctlError('unavailable', `the group ${group} ended another instance than ${this.instance}`);
      }
      if (!late) return false;
    }
    await this.#powerOff?.();
    return true;
  }

  async #protect(on: boolean): Promise<boolean> {
    if (this.#group === null || this.#protected === on) return true;
    const change = { AutoScalingGroupName: this.#group, InstanceIds: [this.instance], ProtectedFromScaleIn: on };
    try {
      await (await this.#clients.autoScaling()).send(new SetInstanceProtectionCommand(change));
    } catch (error) {
      if (!isValidation(error)) throw this.#error(error, 'protect this instance', 'SetInstanceProtection');
      if (await this.#isTerminating()) return false;
      // Only an instance in service can be protected (Auto Scaling: ec2-auto-scaling-instance-protection).
      throw new BatchctlError(
        'unavailable',
        `instance ${this.instance} is not in service, so its protection can't change`,
      );
    }
    this.#protected = on;
    return true;
  }

  /**
   * Whether the group is ending it. A group that doesn't know the instance isn't ending it yet: a worker that left on
   * that would leave its machine behind, in service and protected. Throws `unavailable` in that time.
   */
  async #isTerminating(): Promise<boolean> {
    const state = await this.#state();
    // Includes later states with this prefix: `Terminating:Retained`.
    if (state !== null) {
      this.#unknownSince = null;
      return state.startsWith('Terminat');
    }
    this.#unknownSince ??= performance.now();
    if (performance.now() - this.#unknownSince >= this.#unknownMs) return true;
    throw new BatchctlError('unavailable', `the group ${this.#group} does not know its instance ${this.instance}`);
  }

  /** Null if the group doesn't know it. */
  async #state(): Promise<string | null> {
    const found = await describeInstance(this.#clients, this.instance, "look at this instance's state");
    return found?.LifecycleState ?? null;
  }

  /** Manual or of a temporary size: only a person changes it then. */
  async #isHeldByPerson(): Promise<boolean> {
    const Filters = [{ Name: 'auto-scaling-group', Values: [this.#group ?? ''] }];
    try {
      const { Tags = [] } = await (await this.#clients.autoScaling()).send(new DescribeTagsCommand({ Filters }));
      const tag = (key: string): string => Tags.find(({ Key }) => Key === key)?.Value ?? '';
      return tag(MODE_TAG) === 'manual' || Number(tag(UNTIL_TAG).split(' ')[0]) > this.#now();
    } catch (error) {
      throw this.#error(error, "look at the group's tags", 'DescribeTags');
    }
  }

  #error(error: unknown, what: string, action: string): Error {
    const { profile } = this.#clients;
    const resource = `the Auto Scaling group ${this.#group}`;
    return translateAwsError(error, { what, action: `autoscaling:${action}`, resource, profile });
  }
}

const isValidation = (error: unknown): boolean => hasName(error, 'ValidationError');

/** Instance metadata that stays the same for the instance's life. */
type MachineFacts = Pick<Machine, 'instance' | 'type' | 'zone' | 'lifeCycle' | 'release' | 'launchedAt'>;

/** Throws `unavailable`. */
async function readFacts(imds: Imds): Promise<MachineFacts> {
  const [instance, type, zone, lifeCycle, release, identity] = await Promise.all([
    imds.get('meta-data/instance-id'),
    imds.get('meta-data/instance-type'),
    imds.get('meta-data/placement/availability-zone'),
    imds.get('meta-data/instance-life-cycle'),
    // Missing unless the launch template sets InstanceMetadataTags (EC2: work-with-tags-in-IMDS).
    imds.get(`meta-data/tags/instance/${RELEASE_TAG}`),
    imds.get('dynamic/instance-identity/document'),
  ]);
  return {
    instance: instance ?? '',
    type: type ?? '',
    zone: zone ?? '',
    lifeCycle: lifeCycle === 'spot' ? 'spot' : 'on-demand',
    release,
    launchedAt: launchTimeOf(identity),
  };
}

/** When EC2 accepted the launch, to the second (EC2: instance-identity-documents, pendingTime). */
function launchTimeOf(document: string | null): number | null {
  const [, time = ''] = /"pendingTime"\s*:\s*"([^"]+)"/.exec(document ?? '') ?? [];
  const at = Date.parse(time);
  return Number.isNaN(at) ? null : at;
}

/** Answers of the metadata service; null for each that has none. */
interface MetadataAnswers {
  /** `spot/instance-action`: `{"action":"terminate","time":"2026-11-30T08:22:00Z"}` (EC2: spot-instance-termination-notices). */
  readonly action: string | null;
  /** `autoscaling/target-lifecycle-state` (Auto Scaling: retrieving-target-lifecycle-state-through-imds). */
  readonly target: string | null;
  /** `events/recommendations/rebalance`: `{"noticeTime":"..."}` (EC2: rebalance-recommendations). */
  readonly rebalance: string | null;
}

/** The most urgent notice for an instance: the one that ends it soonest. */
export function noticeOf({ action, target, rebalance }: MetadataAnswers, now: number): MachineNotice | null {
  if (action !== null) return { kind: 'interruption', at: timeOf(action, now) };
  const state = target?.trim() ?? 'InService';
  if (/^(Warmed:)?Terminated$/.test(state)) return { kind: 'terminating', at: null };
  // Warmed:..., Standby, Detached, or a later state: not in service, and not terminating.
  if (state !== 'InService' && state !== '') return { kind: 'stopping', at: null };
  return rebalance === null ? null : { kind: 'rebalance', at: null };
}

/** A spot instance that is hibernated gets no two minutes' warning: the notice comes as hibernation begins. */
function timeOf(text: string, now: number): number | null {
  try {
    const { action, time }: { action?: unknown; time?: unknown } = JSON.parse(text);
    const at = Date.parse(String(time));
    if (Number.isNaN(at)) return null;
    return action === 'hibernate' ? Math.min(at, now) : at;
  } catch {
    return null;
  }
}
