import { type Form, invalid, type Shape } from '../query.ts';
import type { Group, GroupTag, Member, MixedPolicy, TemplateRef } from './state.ts';

export function readTemplate(form: Form): TemplateRef {
  const [id, name] = [form.text('LaunchTemplateId') ?? '', form.text('LaunchTemplateName') ?? ''];
  if ((id === '') === (name === '')) {
    throw invalid('Valid requests must contain either launchTemplateId or LaunchTemplateName');
  }
  // Unless it is given, the default version (LaunchTemplateSpecification).
  return { id, name, version: form.text('Version') ?? '$Default' };
}

/** What an update of a group with such a policy leaves out stays (UpdateAutoScalingGroup). */
export function readMixed(form: Form, known: MixedPolicy | null = null): MixedPolicy {
  const template = form.at('LaunchTemplate.LaunchTemplateSpecification');
  const ref = template === undefined ? known?.template : readTemplate(template);
  if (ref === undefined) throw invalid('A mixed instances policy must name a launch template.');
  const distribution = form.at('InstancesDistribution');
  const types = form.each('LaunchTemplate.Overrides').map((one) => one.need('InstanceType'));
  // 40 at most (LaunchTemplate: Overrides).
  if (types.length > 40) throw invalid('A mixed instances policy takes at most 40 overrides.');
  return {
    ...{ template: ref, types: template === undefined ? (known?.types ?? []) : types },
    base: distribution?.number('OnDemandBaseCapacity') ?? 0,
    percentage: distribution?.number('OnDemandPercentageAboveBaseCapacity') ?? 100,
    onDemandStrategy: distribution?.text('OnDemandAllocationStrategy') ?? 'prioritized',
    spotStrategy: distribution?.text('SpotAllocationStrategy') ?? 'lowest-price',
    spotMaxPrice: distribution?.text('SpotMaxPrice'),
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
  ...{
    LaunchTemplateId: id === '' ? undefined : id,
    LaunchTemplateName: name === '' ? undefined : name,
    Version: version,
  },
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
    SpotMaxPrice: mixed.spotMaxPrice,
  },
});

export const tagShape = (group: Group, { key, value, propagate }: GroupTag): Shape => ({
  ...{
    ResourceId: group.name,
    ResourceType: 'auto-scaling-group',
    Key: key,
    Value: value,
    PropagateAtLaunch: propagate,
  },
});

export const memberShape = (member: Member): { readonly [name: string]: Shape } => ({
  ...{ InstanceId: member.id, InstanceType: member.type, AvailabilityZone: member.zone, LifecycleState: member.state },
  HealthStatus: member.healthy ? 'Healthy' : 'Unhealthy',
  LaunchTemplate: templateShape({ ...member.template, version: member.version }),
  ProtectedFromScaleIn: member.protected,
});

export function groupShape(group: Group, zones: readonly string[]): Shape {
  return {
    ...{ AutoScalingGroupName: group.name, AutoScalingGroupARN: group.arn, CreatedTime: group.created },
    ...{ MinSize: group.min, MaxSize: group.max, DesiredCapacity: group.desired, DefaultCooldown: group.cooldown },
    LaunchTemplate: group.template === null ? undefined : templateShape(group.template),
    MixedInstancesPolicy: group.mixed === null ? undefined : mixedShape(group.mixed),
    AvailabilityZones: zones,
    LoadBalancerNames: [],
    TargetGroupARNs: [],
    ...{ HealthCheckType: group.healthCheck, HealthCheckGracePeriod: group.graceSeconds },
    Instances: [...group.members.values()].map(memberShape),
    SuspendedProcesses: [...group.suspended].map((ProcessName) => ({
      ProcessName,
      SuspensionReason: 'User suspended',
    })),
    VPCZoneIdentifier: group.subnets.join(','),
    EnabledMetrics: [...group.metrics].map((Metric) => ({ Metric, Granularity: '1Minute' })),
    Status: group.status,
    Tags: [...group.tags.values()].map((tag) => tagShape(group, tag)),
    TerminationPolicies: group.policies,
    NewInstancesProtectedFromScaleIn: group.protectNew,
    ServiceLinkedRoleARN: group.serviceRole,
    ...{ CapacityRebalance: group.capacityRebalance, DefaultInstanceWarmup: group.warmup },
    MaxInstanceLifetime: group.maxLifetime,
  };
}
