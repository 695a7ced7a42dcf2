import type {
  Activity,
  AutoScalingClient,
  AutoScalingGroup,
  Instance,
  MixedInstancesPolicy,
} from '@aws-sdk/client-auto-scaling';
import { BatchctlError } from '../../errors.ts';
import { requireHome } from '../../lib/home.ts';
import { MODE_TAG, partitionOf, UNTIL_TAG } from '../../lib/stack-names.ts';
import type { GroupSize } from '../../model/group-size.ts';
import type {
  GroupMachine,
  LaunchTrouble,
  MachineCounts,
  MachineTermination,
  SpotTroubles,
} from '../../model/group-status.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { hasName, translateAwsError } from './errors.ts';

/** Activities that one page holds (Auto Scaling: DescribeScalingActivities, at most 100 a page). */
const ACTIVITIES = 100;

interface ScalingRequestsOptions {
  readonly use?: ClientUse;
  /** The home of the stack whose group this should be; absent: not compared. */
  readonly home?: string;
}

export class ScalingRequests {
  readonly name: string;
  readonly #clients: AwsClients;
  readonly #use: ClientUse;
  readonly #home: string | null;

  constructor(clients: AwsClients, name: string, { use = 'control', home }: ScalingRequestsOptions = {}) {
    this.#clients = clients;
    this.name = name;
    this.#use = use;
    this.#home = home ?? null;
  }

  /** Null if the group doesn't exist or is being deleted. Throws `refused` for the group of another home. */
  async read(): Promise<AutoScalingGroup | null> {
    const names = { AutoScalingGroupNames: [this.name] };
    const answer = await this.#ask('look at', 'DescribeAutoScalingGroups', (client, sdk) =>
      client.send(new sdk.DescribeAutoScalingGroupsCommand(names)),
    );
    const found = answer.AutoScalingGroups?.find(({ AutoScalingGroupName }) => AutoScalingGroupName === this.name);
    // Status is set only while a group is being deleted (Auto Scaling: AutoScalingGroup).
    if (found === undefined || found.Status !== undefined) return null;
    if (this.#home !== null) {
      const tags = Object.fromEntries((found.Tags ?? []).map(({ Key = '', Value }) => [Key, Value]));
      requireHome(`the Auto Scaling group ${this.name}`, tags, this.#home);
    }
    return found;
  }

  /** The latest activities, newest first. */
  async activities(): Promise<readonly Activity[]> {
    for await (const page of this.history()) return page;
    return [];
  }

  /** The latest activities page by page, newest first. Stop early, because an account's requests are rate limited. */
  async *history(): AsyncGenerator<readonly Activity[]> {
    const { paginateDescribeScalingActivities } = await import('@aws-sdk/client-auto-scaling');
    const paging = { client: await this.#clients.autoScaling(this.#use), pageSize: ACTIVITIES };
    try {
      for await (const { Activities = [] } of paginateDescribeScalingActivities(paging, this.#at)) yield Activities;
    } catch (error) {
      throw this.#translateError(error, 'read the activities of', 'DescribeScalingActivities');
    }
  }

  async hooks(): Promise<readonly string[]> {
    const { LifecycleHooks = [] } = await this.#ask('read the hooks of', 'DescribeLifecycleHooks', (client, sdk) =>
      client.send(new sdk.DescribeLifecycleHooksCommand(this.#at)),
    );
    return LifecycleHooks.map(({ LifecycleHookName = '' }) => LifecycleHookName);
  }

  async setSize(desired: number): Promise<void> {
    // A cooldown is for scaling by alarms. Our callers have looked at the backlog.
    const size = { ...this.#at, DesiredCapacity: desired, HonorCooldown: false };
    await this.#ask('set the size of', 'SetDesiredCapacity', (client, sdk) =>
      client.send(new sdk.SetDesiredCapacityCommand(size)),
    );
  }

  async setBounds({ desired, min, max }: Pick<GroupSize, 'desired' | 'min' | 'max'>): Promise<void> {
    const bounds = { ...this.#at, MinSize: min, MaxSize: max, DesiredCapacity: desired };
    await this.#ask('set the bounds of', 'UpdateAutoScalingGroup', (client, sdk) =>
      client.send(new sdk.UpdateAutoScalingGroupCommand(bounds)),
    );
  }

  /** Sets what the group buys and, if given, its size, in one request. */
  async setPolicy(MixedInstancesPolicy: MixedInstancesPolicy, desired?: number): Promise<void> {
    const change = { ...this.#at, MixedInstancesPolicy, DesiredCapacity: desired };
    await this.#ask('set the purchase options of', 'UpdateAutoScalingGroup', (client, sdk) =>
      client.send(new sdk.UpdateAutoScalingGroupCommand(change)),
    );
  }

  /** Instances don't get the tags: what is wanted changes without replacing them. */
  async setTags(tags: readonly GroupTag[]): Promise<void> {
    const at = { ResourceId: this.name, ResourceType: 'auto-scaling-group', PropagateAtLaunch: false };
    const Tags = tags.map(([Key, Value]) => ({ ...at, Key, Value }));
    await this.#ask('tag', 'CreateOrUpdateTags', (client, sdk) =>
      client.send(new sdk.CreateOrUpdateTagsCommand({ Tags })),
    );
  }

  get #at(): { readonly AutoScalingGroupName: string } {
    return { AutoScalingGroupName: this.name };
  }

  async #ask<T>(
    what: string,
    action: string,
    send: (client: AutoScalingClient, sdk: typeof import('@aws-sdk/client-auto-scaling')) => Promise<T>,
  ): Promise<T> {
    const [sdk, client] = await Promise.all([
      import('@aws-sdk/client-auto-scaling'),
      this.#clients.autoScaling(this.#use),
    ]);
    try {
      return await send(client, sdk);
    } catch (error) {
      throw this.#translateError(error, what, action);
    }
  }

  #translateError(error: unknown, what: string, action: string): Error {
    const { region, account, profile } = this.#clients;
    // Actions that begin with Describe know no resources (Auto Scaling: actions, resources and condition keys).
    const resource = action.startsWith('Describe')
      ? '*'
      : `arn:${partitionOf(region)}:autoscaling:${region}:${account ?? '*'}:autoScalingGroup:*:autoScalingGroupName/${this.name}`;
    if (hasName(error, 'ValidationError')) {
      const gone = /not found|does not exist/i.test(error.message);
      return new BatchctlError(
        gone ? 'notFound' : 'refused',
        `could not ${what} the Auto Scaling group ${this.name}: ${error.message}`,
        { hint: gone ? 'batchctl infra up creates it' : 'batchctl scale shows its current size', cause: error },
      );
    }
    const doing = { what: `${what} the Auto Scaling group ${this.name}`, action: `autoscaling:${action}` };
    return translateAwsError(error, { ...doing, resource, profile });
  }
}

/** The wanted size of an Auto Scaling group: its own size and bounds, and what its tags add. */
export function sizeOf(group: AutoScalingGroup): GroupSize {
  const { until, after } = untilOf(tagOf(group, UNTIL_TAG));
  return {
    desired: group.DesiredCapacity ?? 0,
    min: group.MinSize ?? 0,
    max: group.MaxSize ?? 0,
    mode: tagOf(group, MODE_TAG) === 'manual' ? 'manual' : 'auto',
    until,
    after,
    // A worker sets its slots when it starts, from the profile.
    slots: null,
  };
}

/** A tag's name and value. */
export type GroupTag = readonly [string, string];

export const changedTags = (from: GroupSize, to: GroupSize): readonly GroupTag[] => [
  ...(from.mode === to.mode ? [] : [[MODE_TAG, to.mode] as const]),
  ...(from.until === to.until && from.after === to.after ? [] : [[UNTIL_TAG, untilText(to)] as const]),
];

/** Counts instances by lifecycle state. A state that this version doesn't know is in none of the counts. */
export function countsOf({ Instances = [] }: AutoScalingGroup): MachineCounts {
  const inService = Instances.filter(({ LifecycleState }) => LifecycleState === 'InService');
  const begins = (word: string): number =>
    Instances.filter(({ LifecycleState = '' }) => LifecycleState.startsWith(word)).length;
  return {
    inService: inService.length,
    pending: begins('Pending'),
    terminating: begins('Terminating'),
    protected: inService.filter(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn === true).length,
  };
}

export function machineOf(instance: Instance, launchedAt: ReadonlyMap<string, number>): GroupMachine {
  const { InstanceId = '', InstanceType = '', AvailabilityZone = '', LaunchTemplate } = instance;
  return {
    instance: InstanceId,
    type: InstanceType,
    zone: AvailabilityZone,
    state: instance.LifecycleState ?? '',
    healthy: instance.HealthStatus?.toLowerCase() !== 'unhealthy',
    protected: instance.ProtectedFromScaleIn === true,
    version: LaunchTemplate?.Version ?? null,
    launchedAt: launchedAt.get(InstanceId) ?? null,
  };
}

function untilOf(text: string | null): Pick<GroupSize, 'until' | 'after'> {
  const [, until, after] = /^(\d+) (\d+)$/.exec(text ?? '') ?? [];
  return until === undefined ? { until: null, after: null } : { until: Number(until), after: Number(after) };
}

/** Cleared by a value, not by deleting the tag, so that one permission is enough for both. */
const untilText = ({ until, after, min }: GroupSize): string => (until === null ? 'none' : `${until} ${after ?? min}`);

export const tagOf = ({ Tags = [] }: AutoScalingGroup, key: string): string | null =>
  Tags.find(({ Key }) => Key === key)?.Value ?? null;

/**
 * The meaning of a failed launch, by the text of EC2's error codes and messages as Auto Scaling passes them on (Auto
 * Scaling: troubleshoot launch failures; EC2: error codes). The first match counts.
 */
const LAUNCH_ERROR_PATTERNS: readonly (readonly [LaunchTrouble['code'], RegExp])[] = [
  // The state reason of an instance whose volumes a customer's key encrypts, without a grant for Auto Scaling's role.
  ['key', /kms|Client\.InternalError|Client error on launch|key pair|InvalidKeyPair/i],
  [
    'permission',
    /not authorized|Unauthorized|AccessDenied|permission|IamInstanceProfile|instance profile|AuthFailure|OptInRequired|service-linked role/i,
  ],
  ['price', /SpotMaxPriceTooLow|Spot (request )?price|max(imum)? price/i],
  [
    'quota',
    /vCPU limit|VcpuLimitExceeded|MaxSpotInstanceCountExceeded|Max spot instance count|(Instance|Volume|Address|Interface)LimitExceeded|LimitExceeded|quota|instances are already running|PendingVerification|currently (being|under) verif/i,
  ],
  [
    'capacity',
    /Insufficient\w*Capacity|UnfulfillableCapacity|(sufficient|no Spot|not enough)([^.]|[.]\w)* capacity|not supported in your requested Availability Zone/i,
  ],
  [
    'image',
    /InvalidAMIID|image id|\bAMI\b|InvalidParameterCombination|architecture|snapshot|root device|requested configuration is currently not supported/i,
  ],
  ['network', /subnet|security ?group|InvalidGroup|\bVPC\b|free addresses|network interface|Elastic IP/i],
];

function troubleCodeOf(message: string): LaunchTrouble['code'] {
  return LAUNCH_ERROR_PATTERNS.find(([, words]) => words.test(message))?.[0] ?? 'other';
}

/** Why launches failed since the last success, newest first, each reason once. Expects activities newest first. */
export function troublesOf(activities: readonly Activity[]): readonly LaunchTrouble[] {
  const found = new Map<string, LaunchTrouble>();
  for (const activity of activities) {
    if (!isLaunch(activity)) continue;
    if (activity.StatusCode === 'Successful') break;
    const message = activity.StatusMessage ?? '';
    const code = troubleCodeOf(message);
    // A launch is also cancelled when the group no longer needs it.
    const failed = activity.StatusCode === 'Failed' || (activity.StatusCode === 'Cancelled' && code !== 'other');
    const reason = code === 'other' ? message : code;
    if (!failed || found.has(reason)) continue;
    found.set(reason, { code, message, at: (activity.EndTime ?? activity.StartTime)?.getTime() ?? 0 });
  }
  return [...found.values()];
}

/** How far back "lately" reaches, milliseconds. */
const LATELY_MS = 30 * 60_000;
/** Why an instance that nothing in batchctl ended went away (Auto Scaling: describe-scaling-activities, Cause). */
const TAKEN_BACK = /EC2 health check indicating it has been terminated|spot|rebalance/i;

/** Recent trouble with spot: launches that failed since the last success, instances taken back. `now`: milliseconds. */
export function spotTroublesOf(activities: readonly Activity[], now: number): SpotTroubles {
  const lately = activities.filter(({ StartTime }) => now - (StartTime?.getTime() ?? 0) < LATELY_MS);
  const launches = lately.filter(isLaunch);
  const latestSuccess = launches.findIndex(({ StatusCode }) => StatusCode === 'Successful');
  const failed = launches
    .slice(0, latestSuccess === -1 ? launches.length : latestSuccess)
    .filter(({ StatusCode }) => StatusCode === 'Failed')
    .map(({ StatusMessage = '' }) => StatusMessage)
    .filter((message) => ['capacity', 'price', 'quota'].includes(troubleCodeOf(message)));
  // A message that names neither kind is about the kind that the group mostly buys. Spot quotas have their own message.
  const onDemand = (message: string): boolean =>
    /On-Demand/i.test(message) || (troubleCodeOf(message) === 'quota' && !/spot/i.test(message));
  return {
    refused: failed.some((message) => !onDemand(message)),
    refusedToo: failed.some(onDemand),
    takenBack: lately.filter((each) => isTermination(each) && TAKEN_BACK.test(each.Cause ?? '')).length,
  };
}

/** When each instance's latest launch began. */
export function launchTimes(activities: readonly Activity[]): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const activity of activities) {
    const instance = isLaunch(activity) ? instanceIdOf(activity) : undefined;
    const began = activity.StartTime?.getTime();
    if (instance !== undefined && began !== undefined) times.set(instance, began);
  }
  return times;
}

/** By TerminateInstanceInAutoScalingGroup (Auto Scaling: verify a scaling activity, Cause). A change of size has other words. */
const SELF_TERMINATION = /was taken out of service in response to a user request/;

/** Instances that ended themselves, newest first. Expects activities newest first. */
export function selfTerminationsOf(activities: readonly Activity[]): readonly MachineTermination[] {
  const launched = launchTimes(activities);
  return activities.flatMap((activity) => {
    const instance =
      isTermination(activity) && SELF_TERMINATION.test(activity.Cause ?? '') ? instanceIdOf(activity) : undefined;
    const endedAt = activity.StartTime?.getTime();
    if (instance === undefined || endedAt === undefined) return [];
    return [{ instance, launchedAt: launched.get(instance) ?? null, endedAt }];
  });
}

/** `Terminating EC2 instance: i-0123`. */
const isTermination = ({ Description = '' }: Activity): boolean => /^Terminating EC2 instance/.test(Description);

const instanceIdOf = ({ Description = '' }: Activity): string | undefined => /\bi-[0-9a-f]+/.exec(Description)?.[0];

/** `Launching a new EC2 instance: i-0123`; without the id until there is one. */
const isLaunch = ({ Description = '' }: Activity): boolean => /^Launching a new EC2 instance/.test(Description);
