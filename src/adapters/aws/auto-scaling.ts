import type {
  Activity,
  AutoScalingClient,
  AutoScalingGroup,
  Instance,
  MixedInstancesPolicy,
  Tag,
} from '@aws-sdk/client-auto-scaling';
import { BatchctlError } from '../../errors.ts';
import { MODE_TAG, partitionOf, UNTIL_TAG } from '../../lib/stack-names.ts';
import type { GroupSize } from '../../model/group-size.ts';
import type {
  GroupMachine,
  LaunchTrouble,
  MachineCounts,
  MachineTermination,
  SpotTroubles,
} from '../../ports/worker-group.ts';
import type { AwsClients, ClientUse } from './clients.ts';
import { translateAwsError } from './errors.ts';

/** Activities that one page holds (Auto Scaling: DescribeScalingActivities, at most 100 a page). */
const ACTIVITIES = 100;

export class ScalingRequests {
  readonly name: string;
  readonly #clients: AwsClients;
  readonly #use: ClientUse;

  constructor(clients: AwsClients, name: string, use: ClientUse = 'control') {
    this.#clients = clients;
    this.name = name;
    this.#use = use;
  }

  /** Null if the group doesn't exist or is being deleted. */
  async read(): Promise<AutoScalingGroup | null> {
    const { DescribeAutoScalingGroupsCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.name] });
    const answer = await this.#ask('look at', 'DescribeAutoScalingGroups', (client) => client.send(command));
    const found = answer.AutoScalingGroups?.find(({ AutoScalingGroupName }) => AutoScalingGroupName === this.name);
    // Status is set only while a group is being deleted (Auto Scaling: AutoScalingGroup).
    return found === undefined || found.Status !== undefined ? null : found;
  }

  /** The latest activities, newest first. */
  async activities(): Promise<readonly Activity[]> {
    for await (const page of this.history()) return page;
    return [];
  }

  /** The latest activities page by page, newest first. Stop early, because an account's requests are rate limited. */
  async *history(): AsyncGenerator<readonly Activity[]> {
    const { DescribeScalingActivitiesCommand } = await import('@aws-sdk/client-auto-scaling');
    for (let NextToken: string | undefined; ; ) {
      const asked = { AutoScalingGroupName: this.name, MaxRecords: ACTIVITIES, NextToken };
      const command = new DescribeScalingActivitiesCommand(asked);
      const answer = await this.#ask('read the activities of', 'DescribeScalingActivities', (client) =>
        client.send(command),
      );
      yield answer.Activities ?? [];
      NextToken = answer.NextToken;
      if (NextToken === undefined || NextToken === '') return;
    }
  }

  async hooks(): Promise<readonly string[]> {
    const { DescribeLifecycleHooksCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new DescribeLifecycleHooksCommand({ AutoScalingGroupName: this.name });
    const answer = await this.#ask('read the hooks of', 'DescribeLifecycleHooks', (client) => client.send(command));
    return (answer.LifecycleHooks ?? []).map(({ LifecycleHookName = '' }) => LifecycleHookName);
  }

  async setSize(desired: number): Promise<void> {
    const { SetDesiredCapacityCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new SetDesiredCapacityCommand({
      // A cooldown is for scaling by alarms. Our callers have looked at the backlog.
      ...{ AutoScalingGroupName: this.name, DesiredCapacity: desired, HonorCooldown: false },
    });
    await this.#ask('set the size of', 'SetDesiredCapacity', (client) => client.send(command));
  }

  async setBounds(bounds: { readonly desired: number; readonly min: number; readonly max: number }): Promise<void> {
    const { UpdateAutoScalingGroupCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: this.name,
      ...{ MinSize: bounds.min, MaxSize: bounds.max, DesiredCapacity: bounds.desired },
    });
    await this.#ask('set the bounds of', 'UpdateAutoScalingGroup', (client) => client.send(command));
  }

  /** Sets what the group buys and, if given, its size, in one request. */
  async setPolicy(policy: MixedInstancesPolicy, desired: number | undefined): Promise<void> {
    const { UpdateAutoScalingGroupCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new UpdateAutoScalingGroupCommand({
      ...{ AutoScalingGroupName: this.name, MixedInstancesPolicy: policy, DesiredCapacity: desired },
    });
    await this.#ask('set the purchase options of', 'UpdateAutoScalingGroup', (client) => client.send(command));
  }

  async setTags(tags: readonly Tag[]): Promise<void> {
    const { CreateOrUpdateTagsCommand } = await import('@aws-sdk/client-auto-scaling');
    const command = new CreateOrUpdateTagsCommand({ Tags: [...tags] });
    await this.#ask('tag', 'CreateOrUpdateTags', (client) => client.send(command));
  }

  async #ask<T>(what: string, action: string, send: (client: AutoScalingClient) => Promise<T>): Promise<T> {
    const client = await this.#clients.autoScaling(this.#use);
    try {
      return await send(client);
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
    if (error instanceof Error && error.name === 'ValidationError') {
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

export function changedTags(name: string, from: GroupSize, to: GroupSize): readonly Tag[] {
  const tag = (Key: string, Value: string): Tag => ({
    // Not propagated to instances: the wanted size changes without replacing them.
    ...{ ResourceId: name, ResourceType: 'auto-scaling-group', PropagateAtLaunch: false },
    ...{ Key, Value },
  });
  return [
    ...(from.mode === to.mode ? [] : [tag(MODE_TAG, to.mode)]),
    ...(from.until === to.until && from.after === to.after ? [] : [tag(UNTIL_TAG, untilText(to))]),
  ];
}

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

const tagOf = ({ Tags = [] }: AutoScalingGroup, key: string): string | null =>
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
    /Insufficient\w*Capacity|UnfulfillableCapacity|(sufficient|no Spot|not enough)[^.]* capacity|not supported in your requested Availability Zone/i,
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
