import { type Form, invalid, type Shape } from '../query.ts';

/** A group's reference to a launch template. */
export interface TemplateRef {
  readonly id: string;
  readonly name: string;
  /** As it was given: a number, `$Latest`, `$Default`. */
  readonly version: string;
}

export interface MixedPolicy {
  readonly template: TemplateRef;
  readonly types: readonly string[];
  /** OnDemandBaseCapacity: 0 by default (CreateAutoScalingGroup: InstancesDistribution). */
  readonly base: number;
  /** OnDemandPercentageAboveBaseCapacity: 100 by default (same page). */
  readonly percentage: number;
  readonly onDemandStrategy: string;
  readonly spotStrategy: string;
}

export interface GroupTag {
  readonly key: string;
  value: string;
  propagate: boolean;
}

interface Hook {
  readonly name: string;
  /** Only `autoscaling:EC2_INSTANCE_TERMINATING` has an effect here. */
  readonly transition: string;
  /** Seconds: 30 to 7,200, 3,600 by default (PutLifecycleHook). */
  readonly timeout: number;
  /** `ABANDON` by default (same page). */
  readonly result: string;
}

export interface Activity {
  readonly id: string;
  readonly group: Group;
  readonly cause: string;
  readonly start: Date;
  description: string;
  code: string;
  end: Date | undefined;
  message: string | undefined;
}

/** An instance of a group. */
export interface Member {
  readonly id: string;
  readonly group: Group;
  readonly type: string;
  readonly zone: string;
  readonly subnet: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  readonly template: TemplateRef;
  /** The number of the template's version. */
  readonly version: string;
  readonly image: string;
  readonly address: string;
  /** In base64. */
  readonly userData: string;
  /** The role of its instance profile; null if it has none. */
  readonly role: string | null;
  /** Of the credentials in its metadata, by which its requests are identified. */
  readonly accessKeyId: string;
  readonly launchedAt: number;
  readonly tags: Record<string, string>;
  /** Whether its tags are in its metadata (InstanceMetadataTags). */
  readonly tagsInMetadata: boolean;
  state: string;
  protected: boolean;
  healthy: boolean;
  /** The target lifecycle state in its metadata; null before the group has set one. */
  target: string | null;
  /** When EC2 reclaims it, according to the spot interruption notice. */
  interruptedAt: Date | null;
  rebalancedAt: Date | null;
  /** EC2 has ended it. */
  gone: boolean;
  /** Its wait for a hook. */
  hold: { readonly activity: Activity; renew(): void; release(): void } | null;
  activity: Activity;
}

export interface Group {
  readonly name: string;
  readonly arn: string;
  readonly region: string;
  readonly created: Date;
  readonly members: Map<string, Member>;
  readonly hooks: Map<string, Hook>;
  readonly tags: Map<string, GroupTag>;
  readonly suspended: Set<string>;
  readonly metrics: Set<string>;
  /** Newest first. */
  readonly activities: Activity[];
  min: number;
  max: number;
  desired: number;
  template: TemplateRef | null;
  mixed: MixedPolicy | null;
  subnets: readonly string[];
  protectNew: boolean;
  /** Settings that have no effect here. */
  kept: { readonly [name: string]: string | undefined };
  /** `Delete in progress` while it is being deleted. */
  status: string | undefined;
  /** Why the next activities happen, in AWS's words. */
  cause: string;
  /** Milliseconds until a failed launch is retried. */
  patience: number;
}

/** The instances that count for the desired capacity: those that are not ending. */
export const active = ({ members }: Pick<Group, 'members'>): readonly Member[] =>
  [...members.values()].filter(({ state }) => !state.startsWith('Terminat'));

export function readTemplate(form: Form): TemplateRef {
  const [id, name] = [form.text('LaunchTemplateId') ?? '', form.text('LaunchTemplateName') ?? ''];
  if ((id === '') === (name === '')) {
    throw invalid('Valid requests must contain either launchTemplateId or LaunchTemplateName');
  }
  // The default version, unless one is given (LaunchTemplateSpecification).
  return { id, name, version: form.text('Version') ?? '$Default' };
}

/** An update keeps what it does not mention (UpdateAutoScalingGroup). */
export function readMixed(form: Form, known: MixedPolicy | null = null): MixedPolicy {
  const template = form.at('LaunchTemplate.LaunchTemplateSpecification');
  const ref = template === undefined ? known?.template : readTemplate(template);
  if (ref === undefined) throw invalid('A mixed instances policy must name a launch template.');
  const distribution = form.at('InstancesDistribution');
  const types = form.each('LaunchTemplate.Overrides').map((one) => one.need('InstanceType'));
  // At most 40 (LaunchTemplate: Overrides).
  if (types.length > 40) throw invalid('A mixed instances policy takes at most 40 overrides.');
  return {
    template: ref,
    types: template === undefined ? (known?.types ?? []) : types,
    base: distribution?.number('OnDemandBaseCapacity') ?? 0,
    percentage: distribution?.number('OnDemandPercentageAboveBaseCapacity') ?? 100,
    onDemandStrategy: distribution?.text('OnDemandAllocationStrategy') ?? 'prioritized',
    spotStrategy: distribution?.text('SpotAllocationStrategy') ?? 'lowest-price',
  };
}

export function readTags(form: Form): readonly GroupTag[] {
  return form.each('Tags').map((one) => ({
    key: one.need('Key'),
    value: one.text('Value') ?? '',
    propagate: one.flag('PropagateAtLaunch') ?? false,
  }));
}

const templateShape = ({ id, name, version }: TemplateRef): Shape => ({
  LaunchTemplateId: id || undefined,
  LaunchTemplateName: name || undefined,
  Version: version,
});

const mixedShape = (mixed: MixedPolicy): Shape => ({
  LaunchTemplate: {
    LaunchTemplateSpecification: templateShape(mixed.template),
    Overrides: mixed.types.map((InstanceType) => ({ InstanceType })),
  },
  InstancesDistribution: {
    OnDemandAllocationStrategy: mixed.onDemandStrategy,
    OnDemandBaseCapacity: mixed.base,
    OnDemandPercentageAboveBaseCapacity: mixed.percentage,
    SpotAllocationStrategy: mixed.spotStrategy,
  },
});

export const tagShape = (group: Group, { key, value, propagate }: GroupTag): Shape => ({
  ResourceId: group.name,
  ResourceType: 'auto-scaling-group',
  Key: key,
  Value: value,
  PropagateAtLaunch: propagate,
});

export const memberShape = (member: Member): { readonly [name: string]: Shape } => ({
  InstanceId: member.id,
  InstanceType: member.type,
  AvailabilityZone: member.zone,
  LifecycleState: member.state,
  HealthStatus: member.healthy ? 'Healthy' : 'Unhealthy',
  LaunchTemplate: templateShape({ ...member.template, version: member.version }),
  ProtectedFromScaleIn: member.protected,
});

export function groupShape(group: Group, zones: readonly string[]): Shape {
  return {
    AutoScalingGroupName: group.name,
    AutoScalingGroupARN: group.arn,
    CreatedTime: group.created,
    MinSize: group.min,
    MaxSize: group.max,
    DesiredCapacity: group.desired,
    // Seconds (CreateAutoScalingGroup: DefaultCooldown).
    DefaultCooldown: 300,
    LaunchTemplate: group.template === null ? undefined : templateShape(group.template),
    MixedInstancesPolicy: group.mixed === null ? undefined : mixedShape(group.mixed),
    AvailabilityZones: zones,
    Instances: [...group.members.values()].map(memberShape),
    SuspendedProcesses: [...group.suspended].map((ProcessName) => ({
      ProcessName,
      SuspensionReason: 'User suspended',
    })),
    VPCZoneIdentifier: group.subnets.join(','),
    EnabledMetrics: [...group.metrics].map((Metric) => ({ Metric, Granularity: '1Minute' })),
    Status: group.status,
    Tags: [...group.tags.values()].map((tag) => tagShape(group, tag)),
    NewInstancesProtectedFromScaleIn: group.protectNew,
    ...group.kept,
  };
}
