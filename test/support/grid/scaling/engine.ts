import { createHash, randomUUID } from 'node:crypto';
import type { Tag } from '@aws-sdk/client-ec2';
import { type Activity, active, type Group, type Member, type MixedPolicy, type TemplateRef } from './groups.ts';
import { type Launcher, tagsFor } from './launcher.ts';

export interface Pace {
  /** Milliseconds for each second of a hook's heartbeat timeout. The others are milliseconds, too. */
  readonly second: number;
  /** From an instance's start until it is in service. */
  readonly boot: number;
  /** From `Terminating` until it waits for a hook. */
  readonly wait: number;
  /** From an instance's end until the group forgets it. */
  readonly end: number;
  /** Until the group notices that an instance is gone. */
  readonly notice: number;
  /** Until a failed launch is retried; doubles each time. */
  readonly retry: number;
}

/** `terminate`: EC2 shuts its system down. `kill`: it is gone at once. */
export type EndKind = 'terminate' | 'kill';

export interface Watchers {
  onLaunched(member: Member): void;
  onEnded(member: Member, how: EndKind): void;
}

/** The launches that fail: all, or those of a group or of a kind of instances. */
interface Refusal {
  readonly code: LaunchFailure | string;
  readonly message: string | undefined;
  readonly group: string | undefined;
  readonly lifeCycle: 'spot' | 'on-demand' | undefined;
}

/** Brings the instances of a group to the desired number, one step at a time. */
export class Engine {
  readonly pace: Pace;
  readonly timers = new Timers();
  refusal: Refusal | null = null;
  readonly #launcher: Launcher;
  readonly #watchers: Watchers;
  /** The groups that are being changed; true: they have to be checked again afterwards. */
  readonly #working = new Map<Group, boolean>();

  constructor(launcher: Launcher, watchers: Watchers, pace: Pace) {
    this.#launcher = launcher;
    this.#watchers = watchers;
    this.pace = pace;
  }

  /** Checks a group soon, after the current request is answered. */
  kick(group: Group): void {
    if (this.#working.has(group)) {
      this.#working.set(group, true);
      return;
    }
    this.#working.set(group, false);
    this.timers.after(0, () => void this.#work(group));
  }

  record(group: Group, description: string, code = 'InProgress'): Activity {
    const activity: Activity = {
      id: randomUUID(),
      group,
      description,
      cause: group.cause,
      start: new Date(),
      code,
      end: undefined,
      message: undefined,
    };
    group.activities.unshift(activity);
    return activity;
  }

  finish(activity: Activity, code: string, message?: string): void {
    Object.assign(activity, { code, message, end: new Date() });
  }

  /** Ends an instance: the hook first, unless it is skipped, then EC2. Returns the activity. */
  end(member: Member, skipHook = false): Activity {
    const { group } = member;
    if (member.state.startsWith('Terminat')) return member.activity;
    member.state = 'Terminating';
    member.target = 'Terminated';
    member.activity = this.record(group, `Terminating EC2 instance: ${member.id}`);
    const hook = [...group.hooks.values()].find(({ transition }) => transition === TERMINATING);
    if (hook === undefined || skipHook) this.timers.after(this.pace.wait, () => void this.#terminate(member));
    else this.timers.after(this.pace.wait, () => this.#hold(member, hook.timeout));
    return member.activity;
  }

  /** Called when EC2 has ended an instance: the group replaces it (Health checks: an instance that is not running). */
  lost(member: Member, how: EndKind): void {
    if (member.gone) return;
    member.gone = true;
    this.#watchers.onEnded(member, how);
    void this.#launcher.end(member.group.region, member.id).catch(() => undefined);
    this.timers.after(this.pace.notice, () => {
      const { group } = member;
      member.healthy = false;
      group.cause = `At ${new Date().toISOString()} an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped.`;
      this.end(member);
      this.kick(group);
    });
  }

  /** Waits until the hook's action is completed, or its timeout after the last heartbeat (Lifecycle hooks: how they work). */
  #hold(member: Member, seconds: number): void {
    if (member.state !== 'Terminating') return;
    member.state = 'Terminating:Wait';
    member.activity.code = 'MidLifecycleAction';
    const release = (): void => {
      stop();
      member.hold = null;
      member.state = 'Terminating:Proceed';
      void this.#terminate(member);
    };
    // Both CONTINUE and ABANDON end the instance (Lifecycle hooks: DefaultResult).
    const start = (): (() => void) => this.timers.after(seconds * this.pace.second, release);
    let stop = start();
    const renew = (): void => {
      stop();
      stop = start();
    };
    member.hold = { activity: member.activity, renew, release };
  }

  async #terminate(member: Member): Promise<void> {
    const { group } = member;
    if (!member.gone) {
      member.gone = true;
      this.#watchers.onEnded(member, 'terminate');
      await this.#launcher.end(group.region, member.id).catch(() => undefined);
    }
    this.timers.after(this.pace.end, () => {
      member.state = 'Terminated';
      group.members.delete(member.id);
      this.finish(member.activity, 'Successful');
      this.kick(group);
    });
  }

  async #work(group: Group): Promise<void> {
    for (let again = true; again && group.status === undefined; ) {
      this.#working.set(group, false);
      const short = group.desired - active(group).length;
      if (short > 0 && !group.suspended.has('Launch')) {
        again = await this.#launch(group, short);
      } else {
        again = short < 0 && !group.suspended.has('Terminate') && this.#scaleIn(group, -short);
      }
      again ||= this.#working.get(group) === true;
    }
    this.#working.delete(group);
  }

  async #launch(group: Group, count: number): Promise<boolean> {
    for (const equal of planLaunch(group, count).values()) {
      const [first] = equal;
      if (first !== undefined && !(await this.#launchEqual(group, first, equal.length))) {
        this.timers.after(group.patience, () => this.kick(group));
        group.patience = Math.min(group.patience * 2, 60_000);
        return false;
      }
    }
    group.patience = this.pace.retry;
    return true;
  }

  async #launchEqual(group: Group, planned: Planned, count: number): Promise<boolean> {
    const refuse = (code: string, message: string): false => {
      const failed = this.record(group, `Launching a new EC2 instance.  Status Reason: ${message}`);
      this.finish(failed, failureStatus(code), message);
      return false;
    };
    const template = templateOf(group);
    try {
      const version = await this.#launcher.version(group.region, template);
      const data = version.LaunchTemplateData ?? {};
      const [zone = ''] = await this.#launcher.zones(group.region, [planned.subnet]);
      const type = planned.type ?? data.InstanceType ?? 'm1.small';
      const { refusal } = this;
      if (refusal !== null && meets(refusal, group, planned)) {
        const launch = { ...planned, type, zone, image: data.ImageId ?? '' };
        const { code, message = isLaunchFailure(code) ? failureMessage(code, launch) : code } = refusal;
        return refuse(code, message);
      }
      const tags = this.#tagsOf(
        group,
        version.LaunchTemplateId ?? '',
        String(version.VersionNumber),
        tagsFor(data, 'instance'),
      );
      const { region } = group;
      const profile = data.IamInstanceProfile?.Name ?? data.IamInstanceProfile?.Arn?.split('/').at(-1);
      const role = profile === undefined ? null : ((await this.#launcher.roleOf(profile)) ?? null);
      const started = await this.#launcher.run({ ...planned, region, version, type, tags, count });
      for (const { id, zone, address } of started) {
        const member: Member = {
          id,
          group,
          type,
          zone,
          address,
          role,
          template,
          tags: { ...tags },
          subnet: planned.subnet,
          lifeCycle: planned.lifeCycle,
          version: String(version.VersionNumber),
          image: data.ImageId ?? '',
          userData: data.UserData ?? '',
          accessKeyId: `ASIA${createHash('sha256').update(id).digest('hex').slice(0, 16).toUpperCase()}`,
          launchedAt: Date.now(),
          tagsInMetadata: data.MetadataOptions?.InstanceMetadataTags === 'enabled',
          state: 'Pending',
          protected: false,
          healthy: true,
          target: 'InService',
          interruptedAt: null,
          rebalancedAt: null,
          gone: false,
          hold: null,
          activity: this.record(group, `Launching a new EC2 instance: ${id}`, 'PreInService'),
        };
        group.members.set(id, member);
        this.#watchers.onLaunched(member);
        // Its group may have been deleted meanwhile (DeleteAutoScalingGroup: ForceDelete also ends pending launches).
        if (group.status !== undefined) this.end(member, true);
        this.timers.after(this.pace.boot, () => this.#serve(member));
      }
      return true;
    } catch (error) {
      const message = `${error instanceof Error ? error.message : error}. Launching EC2 instance failed.`;
      return refuse('other', message);
    }
  }

  /** New instances are protected when they come into service (Instance scale-in protection). */
  #serve(member: Member): void {
    if (member.state !== 'Pending') return;
    member.state = 'InService';
    member.protected = member.group.protectNew;
    this.finish(member.activity, 'Successful');
    this.kick(member.group);
  }

  /** The template's tags, the group's tags that propagate, which win, and the service's own (Tag Auto Scaling groups). */
  #tagsOf(group: Group, template: string, version: string, own: readonly Tag[]) {
    const spread = [...group.tags.values()].filter(({ propagate }) => propagate);
    return {
      ...Object.fromEntries(own.map(({ Key = '', Value = '' }) => [Key, Value])),
      ...Object.fromEntries(spread.map(({ key, value }) => [key, value])),
      'aws:autoscaling:groupName': group.name,
      'aws:ec2launchtemplate:id': template,
      'aws:ec2launchtemplate:version': version,
    };
  }

  /** Ends unprotected instances in service, the oldest first. Protected ones stay, whatever is desired. */
  #scaleIn(group: Group, count: number): boolean {
    const serving = active(group).filter(({ state }) => state === 'InService');
    const victims = serving.filter((one) => !one.protected).slice(0, count);
    for (const victim of victims) this.end(victim);
    if (victims.length < count && serving.length === active(group).length) this.#recordProtected(group);
    return victims.length > 0;
  }

  #recordProtected(group: Group): void {
    const text = 'Could not scale to desired capacity because all remaining instances are protected from scale-in.';
    // Recorded once, until there is another activity.
    if (group.activities[0]?.description === text) return;
    this.finish(this.record(group, text), 'Failed', text);
  }
}

const TERMINATING = 'autoscaling:EC2_INSTANCE_TERMINATING';

function meets(refusal: Refusal, group: Group, planned: Planned): boolean {
  if (refusal.group !== undefined && refusal.group !== group.name) return false;
  return refusal.lifeCycle === undefined || refusal.lifeCycle === planned.lifeCycle;
}

/** Timers that can all be cancelled together. */
class Timers {
  readonly #running = new Set<NodeJS.Timeout>();
  #closed = false;

  /** Calls after `ms` milliseconds. Returns a function that cancels it. */
  after(ms: number, call: () => void): () => void {
    if (this.#closed) return () => undefined;
    const timer = setTimeout(() => {
      this.#running.delete(timer);
      call();
    }, ms);
    this.#running.add(timer);
    return () => {
      clearTimeout(timer);
      this.#running.delete(timer);
    };
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#running) clearTimeout(timer);
    this.#running.clear();
  }
}

interface Planned {
  readonly type: string | null;
  readonly subnet: string;
  readonly lifeCycle: 'spot' | 'on-demand';
}

const templateOf = (group: Group): TemplateRef => {
  const template = group.mixed?.template ?? group.template;
  if (template === null || template === undefined) throw new Error(`${group.name} has no launch template`);
  return template;
};

/** The next `count` instances, equal ones together. A null type is the template's. */
function planLaunch(group: Group, count: number): ReadonlyMap<string, readonly Planned[]> {
  const current = active(group);
  const planned: Planned[] = [];
  for (let one = 0; one < count; one += 1) {
    const total = current.length + planned.length + 1;
    const onDemand = [...current, ...planned].filter(({ lifeCycle }) => lifeCycle === 'on-demand').length;
    const lifeCycle = group.mixed === null || onDemand < onDemandOf(group.mixed, total) ? 'on-demand' : 'spot';
    const types = group.mixed?.types ?? [];
    // AWS chooses by capacity and price; here, types take turns.
    const type = types[(total - 1) % types.length] ?? null;
    planned.push({ type, lifeCycle, subnet: emptiest(group.subnets, [...current, ...planned]) });
  }
  return groupEqual(planned);
}

/** The base, and the percentage of what is above it, rounded up (InstancesDistribution). */
const onDemandOf = ({ base, percentage }: MixedPolicy, total: number): number =>
  Math.min(total, base) + Math.ceil((Math.max(0, total - base) * percentage) / 100);

/** Instances are spread evenly over the zones (Auto Scaling: Distribution). */
function emptiest(subnets: readonly string[], instances: readonly (Planned | Member)[]): string {
  const count = (subnet: string): number => instances.filter((one) => one.subnet === subnet).length;
  return subnets.reduce((least, subnet) => (count(subnet) < count(least) ? subnet : least), subnets[0] ?? '');
}

function groupEqual(planned: readonly Planned[]): ReadonlyMap<string, readonly Planned[]> {
  const groups = new Map<string, Planned[]>();
  for (const one of planned) {
    const key = JSON.stringify(one);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups;
}

const FAILURES = ['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network'] as const;
/** Why a launch fails, by what fixes it. */
export type LaunchFailure = (typeof FAILURES)[number];

interface Launch {
  readonly type: string;
  readonly zone: string;
  readonly subnet: string;
  readonly image: string;
  readonly lifeCycle: 'spot' | 'on-demand';
}

/** The message of a scaling activity, in AWS's words (Auto Scaling User Guide: Troubleshoot; EC2 API: Error codes). */
function failureMessage(code: LaunchFailure, { type, zone, subnet, image, lifeCycle }: Launch): string {
  const spot = lifeCycle === 'spot';
  const kind = spot ? 'Could not launch Spot Instances.' : 'Could not launch On-Demand Instances.';
  switch (code) {
    case 'capacity':
      return spot
        ? `${kind} UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration. Please adjust your request and try again. Launching EC2 instance failed.`
        : `${kind} InsufficientInstanceCapacity - We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}). Our system will be working on provisioning additional capacity. You can currently get ${type} capacity by not specifying an Availability Zone in your request. Launching EC2 instance failed.`;
    case 'quota':
      return spot
        ? `${kind} MaxSpotInstanceCountExceeded - Max spot instance count exceeded. Launching EC2 instance failed.`
        : `${kind} VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit. Launching EC2 instance failed.`;
    case 'price':
      return `${kind} SpotMaxPriceTooLow - Your Spot request price of 0.01 is lower than the minimum required Spot request fulfillment price of 0.0255. Launching EC2 instance failed.`;
    case 'key':
      // It starts and terminates, because its root volume can't be decrypted (Troubleshoot: Client.InternalError).
      return 'Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: Client.InternalError: Client error on launch';
    case 'image':
      return `The image id '[${image}]' does not exist. Launching EC2 instance failed.`;
    case 'permission':
      return 'You are not authorized to perform this operation. Encoded authorization failure message: 4GcK2mUzYlQm. Launching EC2 instance failed.';
    case 'network':
      return `There are not enough free addresses in subnet '${subnet}' to satisfy the requested number of instances. Launching EC2 instance failed.`;
  }
}

const isLaunchFailure = (code: string): code is LaunchFailure => FAILURES.some((each) => each === code);

/** A launch that failed because of its key is `Cancelled` (DescribeScalingActivities). */
const failureStatus = (code: string): string => (code === 'key' ? 'Cancelled' : 'Failed');
