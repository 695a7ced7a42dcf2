import type {
  AutoScalingGroup,
  CreateAutoScalingGroupCommandInput,
  LifecycleHook,
  Tag,
  UpdateAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { BOUNDS_TAG, DRAIN_HOOK, DRAIN_HOOK_SECONDS, MODE_TAG } from '../lib/stack-names.ts';

/** One kind of machine in the profile: a launch template and its Auto Scaling group. */
export interface MachineGroup extends Bounds {
  readonly part: 'grid' | 'manager';
  /** The worker group, or `manager`. */
  readonly group: string;
  /** Its configuration field: `groups.gpu`. */
  readonly where: string;
  readonly instances: readonly string[];
  readonly ami: string | null;
  /** Bytes. */
  readonly disk: number;
  readonly instanceProfile: string;
  readonly spot: boolean;
  readonly onDemandBase: number;
  /** Whether its workers drain: they are protected from scaling in until they are idle, and waited for. */
  readonly drains: boolean;
}

/** The wanted Auto Scaling group, without its size and tags. */
export interface GroupPlan extends Pick<MachineGroup, 'instances' | 'spot' | 'onDemandBase' | 'drains'> {
  readonly name: string;
  readonly template: { readonly id: string; readonly version: string };
  readonly subnets: readonly string[];
}

/** Seconds until a new instance's health counts: it boots in that time. */
const GRACE = 300;
/** Processes that a person may have suspended: reported, and kept. */
const REBALANCE_PROCESS = 'AZRebalance';

/** The fields common to creating and updating. */
export function groupFields(plan: GroupPlan, { min, max }: Bounds): UpdateAutoScalingGroupCommandInput {
  const { name, template, instances, spot, onDemandBase, subnets, drains } = plan;
  return {
    AutoScalingGroupName: name,
    MinSize: min,
    MaxSize: max,
    MixedInstancesPolicy: {
      LaunchTemplate: {
        LaunchTemplateSpecification: { LaunchTemplateId: template.id, Version: template.version },
        Overrides: instances.map((InstanceType) => ({ InstanceType })),
      },
      // Without a percentage it would be 100: on demand only (Auto Scaling: InstancesDistribution).
      InstancesDistribution: {
        OnDemandAllocationStrategy: 'prioritized',
        OnDemandBaseCapacity: spot ? onDemandBase : 0,
        OnDemandPercentageAboveBaseCapacity: spot ? 0 : 100,
        SpotAllocationStrategy: 'price-capacity-optimized',
      },
    },
    VPCZoneIdentifier: [...subnets].sort().join(','),
    NewInstancesProtectedFromScaleIn: drains,
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: GRACE,
    // A warm-up would count new instances late; nothing here scales by metrics.
    DefaultInstanceWarmup: 0,
    // It would end instances before any notice (ec2-auto-scaling-capacity-rebalancing). Workers handle notices
    // themselves.
    CapacityRebalance: false,
  };
}

/**
 * The group when it is created: with its hook and tags from the start, so that every instance has them. `propagated`:
 * the tags that its instances get too.
 */
export function groupRequest(
  plan: GroupPlan,
  { min, max }: Bounds,
  propagated: Readonly<Record<string, string>>,
): CreateAutoScalingGroupCommandInput {
  const { AutoScalingGroupName: _, ...hook } = drainHook(plan.name);
  return {
    ...groupFields(plan, { min, max }),
    AutoScalingGroupName: plan.name,
    MinSize: min,
    MaxSize: max,
    DesiredCapacity: min,
    ...(plan.drains && { LifecycleHookSpecificationList: [hook] }),
    Tags: [...groupTagList(plan.name, propagated, boundsText({ min, max })), tag(plan.name, MODE_TAG, 'auto', false)],
  };
}

/** The tags that record what was set: `lastSet` are the bounds, which instances don't get. */
export const groupTagList = (
  name: string,
  propagated: Readonly<Record<string, string>>,
  lastSet: string,
): readonly Tag[] => [
  ...Object.entries(propagated).map(([key, value]) => tag(name, key, value, true)),
  tag(name, BOUNDS_TAG, lastSet, false),
];

const tag = (ResourceId: string, Key: string, Value: string, PropagateAtLaunch: boolean): Tag => ({
  ResourceId,
  ResourceType: 'auto-scaling-group',
  Key,
  Value,
  PropagateAtLaunch,
});

/** All metrics of the group, which are free. */
export const METRICS = { Granularity: '1Minute' } as const;

/** Holds a terminating instance until its worker has drained, or sends no more heartbeats. */
export function drainHook(name: string) {
  return {
    AutoScalingGroupName: name,
    LifecycleHookName: DRAIN_HOOK,
    LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    HeartbeatTimeout: DRAIN_HOOK_SECONDS,
    DefaultResult: 'CONTINUE',
  };
}

/** The differences, for people, without the launch template's version. */
export function groupDifferences(
  found: AutoScalingGroup,
  wanted: UpdateAutoScalingGroupCommandInput,
): readonly string[] {
  const is = settingsOf(found);
  return [...settingsOf(wanted)].flatMap(([what, should]) =>
    is.get(what) === should ? [] : [`${what} ${is.get(what)} → ${should}`],
  );
}

/** The template's version that the group names; null for another template, or `$Latest`. */
export function namedVersion(found: AutoScalingGroup, template: string): string | null {
  const named = found.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification;
  return named?.LaunchTemplateId === template ? (named.Version ?? null) : null;
}

export function hookDifferences(hooks: readonly LifecycleHook[], name: string): readonly string[] {
  const hook = hooks.find(({ LifecycleHookName }) => LifecycleHookName === DRAIN_HOOK);
  if (hook === undefined) return [`lifecycle hook ${DRAIN_HOOK} is missing`];
  const wanted = drainHook(name);
  const same =
    hook.LifecycleTransition === wanted.LifecycleTransition &&
    hook.HeartbeatTimeout === wanted.HeartbeatTimeout &&
    hook.DefaultResult === wanted.DefaultResult;
  return same ? [] : [`lifecycle hook ${DRAIN_HOOK} differs`];
}

/** Balancing zones would end busy workers (Auto Scaling: AZRebalance); protection doesn't always prevent it. */
export function isRebalancing({ SuspendedProcesses = [] }: AutoScalingGroup): boolean {
  return !SuspendedProcesses.some(({ ProcessName }) => ProcessName === REBALANCE_PROCESS);
}

export const suspendRequest = (name: string) => ({ AutoScalingGroupName: name, ScalingProcesses: [REBALANCE_PROCESS] });

export const suspendedByOthers = ({ SuspendedProcesses = [] }: AutoScalingGroup): readonly string[] =>
  SuspendedProcesses.flatMap(({ ProcessName = '' }) => (ProcessName === REBALANCE_PROCESS ? [] : [ProcessName]));

function settingsOf(group: AutoScalingGroup | UpdateAutoScalingGroupCommandInput): ReadonlyMap<string, string> {
  const { LaunchTemplate, InstancesDistribution: split } = group.MixedInstancesPolicy ?? {};
  const types = (LaunchTemplate?.Overrides ?? []).map(({ InstanceType }) => InstanceType);
  const subnets = (group.VPCZoneIdentifier ?? '').split(',').sort();
  return new Map([
    ['min', String(group.MinSize)],
    ['max', String(group.MaxSize)],
    ['instance types', types.join(' ') || 'none'],
    ['on-demand base', String(split?.OnDemandBaseCapacity ?? 0)],
    ['on-demand percentage above it', String(split?.OnDemandPercentageAboveBaseCapacity ?? 100)],
    ['on-demand strategy', String(split?.OnDemandAllocationStrategy)],
    ['spot strategy', String(split?.SpotAllocationStrategy)],
    ['subnets', subnets.join(' ')],
    ['new instances protected', String(group.NewInstancesProtectedFromScaleIn ?? false)],
    ['health check', String(group.HealthCheckType)],
    ['health check grace', String(group.HealthCheckGracePeriod)],
    ['instance warm-up', String(group.DefaultInstanceWarmup ?? 'none')],
    ['capacity rebalance', String(group.CapacityRebalance ?? false)],
  ]);
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export const boundsText = ({ min, max }: Bounds): string => `${min} ${max}`;

/**
 * The bounds that `up` gives a group. `lastSet` is what it set before. If the configuration still has those, other
 * bounds are a person's (`scale --min --max`), and stay. A changed configuration wins, but the maximum never goes below
 * the currently wanted size, which Auto Scaling would lower with it (UpdateAutoScalingGroup: MaxSize). `note` is
 * reported, and not changed.
 */
export function chooseBounds(
  wanted: Bounds,
  found: Bounds & { readonly desired: number },
  lastSet: string | undefined,
): { readonly bounds: Bounds; readonly note: string | null } {
  const asFound = { min: found.min, max: found.max };
  if (lastSet === boundsText(wanted)) {
    if (boundsText(asFound) === lastSet) return { bounds: asFound, note: null };
    const note = `min ${found.min}, max ${found.max}, as set by a person (configuration: min ${wanted.min}, max ${wanted.max})`;
    return { bounds: asFound, note };
  }
  const bounds = { min: wanted.min, max: Math.max(wanted.max, found.desired) };
  const waits = bounds.max > wanted.max;
  return { bounds, note: waits ? `max ${wanted.max} once the desired size is no higher (now ${found.desired})` : null };
}
