import { randomUUID } from 'node:crypto';
import { type Form, invalid, QueryError, type Shape } from '../query.ts';
import {
  type Activity,
  active,
  type Group,
  type GroupTag,
  groupShape,
  type Member,
  memberShape,
  readMixed,
  readTags,
  readTemplate,
  type TemplateRef,
  tagShape,
} from './groups.ts';
import type { Actions, Scaling } from './scaling.ts';

const METRICS = [
  'GroupMinSize',
  'GroupMaxSize',
  'GroupDesiredCapacity',
  'GroupInServiceInstances',
  'GroupPendingInstances',
  'GroupStandbyInstances',
  'GroupTerminatingInstances',
  'GroupTotalInstances',
];
/** Settings that have no effect here, and are returned as they were given. */
const KEPT = ['HealthCheckType', 'HealthCheckGracePeriod', 'CapacityRebalance', 'DefaultInstanceWarmup'];
const PROCESSES = [
  'Launch',
  'Terminate',
  'AddToLoadBalancer',
  'AlarmNotification',
  'AZRebalance',
  'HealthCheck',
  'InstanceRefresh',
  'ReplaceUnhealthy',
  'ScheduledActions',
];

/** Actions on groups (Auto Scaling API Reference, by the name of each). */
const groupActions: Actions = {
  async CreateAutoScalingGroup(scaling, form, region) {
    const name = form.need('AutoScalingGroupName');
    const known = scaling.groups.get(name);
    if (known !== undefined) {
      const pending = known.status === undefined ? '' : ' and is pending delete';
      throw new QueryError(
        'AlreadyExists',
        `AutoScalingGroup by this name already exists - A group with the name ${name} already exists${pending}`,
      );
    }
    const [min, max] = [Number(form.need('MinSize')), Number(form.need('MaxSize'))];
    const group: Group = {
      name,
      region,
      min,
      max,
      desired: form.number('DesiredCapacity') ?? min,
      created: new Date(),
      arn: `arn:aws:autoscaling:${region}:${scaling.account}:autoScalingGroup:${randomUUID()}:autoScalingGroupName/${name}`,
      members: new Map(),
      hooks: new Map(),
      tags: new Map(),
      suspended: new Set(),
      metrics: new Set(),
      activities: [],
      template: null,
      mixed: null,
      subnets: [],
      protectNew: false,
      kept: {},
      status: undefined,
      cause: '',
      patience: scaling.engine.pace.retry,
    };
    if (form.text('VPCZoneIdentifier') === undefined && form.list('AvailabilityZones').length === 0) {
      throw invalid('At least one Availability Zone or VPC Subnet is required.');
    }
    if (!form.at('MixedInstancesPolicy') && !form.at('LaunchTemplate')) {
      throw invalid(
        'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
      );
    }
    checkSizes(group.min, group.max, group.desired);
    await settings(scaling, group, form);
    for (const tag of readTags(form)) group.tags.set(tag.key, tag);
    for (const hook of form.each('LifecycleHookSpecificationList')) putHook(group, hook);
    group.cause = changed(group, 0);
    scaling.groups.set(name, group);
    scaling.engine.kick(group);
  },

  async UpdateAutoScalingGroup(scaling, form) {
    const group = needLasting(scaling, form);
    const [min, max] = [form.number('MinSize') ?? group.min, form.number('MaxSize') ?? group.max];
    // A desired capacity outside the new bounds follows them unless one is given (UpdateAutoScalingGroup: MinSize, MaxSize).
    const desired = form.number('DesiredCapacity') ?? Math.min(max, Math.max(min, group.desired));
    checkSizes(min, max, desired);
    await settings(scaling, group, form);
    resize(scaling, Object.assign(group, { min, max }), desired);
  },

  SetDesiredCapacity(scaling, form) {
    const group = needLasting(scaling, form);
    const desired = Number(form.need('DesiredCapacity'));
    if (desired < group.min)
      throw invalid(
        `New SetDesiredCapacity value ${desired} is below min value ${group.min} for the AutoScalingGroup.`,
      );
    if (desired > group.max)
      throw invalid(
        `New SetDesiredCapacity value ${desired} is above max value ${group.max} for the AutoScalingGroup.`,
      );
    resize(scaling, group, desired, true);
  },

  DeleteAutoScalingGroup(scaling, form) {
    const group = scaling.need(form);
    const force = form.flag('ForceDelete') === true;
    if (!force && group.members.size > 0) {
      throw new QueryError(
        'ResourceInUse',
        'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.',
      );
    }
    group.status = 'Delete in progress';
    Object.assign(group, { min: 0, max: 0, desired: 0 });
    // With force, hooks are skipped (DeleteAutoScalingGroup: ForceDelete).
    for (const member of group.members.values()) {
      if (member.hold !== null) member.hold.release();
      else scaling.engine.end(member, true);
    }
    const forget = (): void => {
      if (group.members.size > 0) scaling.engine.timers.after(scaling.engine.pace.end, forget);
      else if (scaling.groups.get(group.name) === group) scaling.groups.delete(group.name);
    };
    if (force) scaling.engine.timers.after(scaling.engine.pace.end, forget);
    else forget();
  },

  async DescribeAutoScalingGroups(scaling, form) {
    const names = form.list('AutoScalingGroupNames');
    const found = [...scaling.groups.values()].filter(
      (group) =>
        (names.length === 0 || names.includes(group.name)) && form.each('Filters').every((one) => meets(group, one)),
    );
    // 50 per page by default, at most 100 (DescribeAutoScalingGroups: MaxRecords).
    const { items, NextToken } = page(found, form, 50);
    const zones = async (group: Group) =>
      new Set(await scaling.launcher.zones(group.region, group.subnets).catch(() => []));
    const shapes = items.map(async (group) => groupShape(group, [...(await zones(group))]));
    return { AutoScalingGroups: await Promise.all(shapes), NextToken };
  },

  EnableMetricsCollection(scaling, form) {
    if (form.need('Granularity') !== '1Minute') throw invalid('Granularity must be 1Minute');
    for (const metric of listOr(form, 'Metrics', METRICS)) scaling.need(form).metrics.add(metric);
  },

  DisableMetricsCollection(scaling, form) {
    for (const metric of listOr(form, 'Metrics', METRICS)) scaling.need(form).metrics.delete(metric);
  },

  SuspendProcesses(scaling, form) {
    const processes = listOr(form, 'ScalingProcesses', PROCESSES);
    for (const each of processes) if (!PROCESSES.includes(each)) throw invalid(`${each} is not a valid process.`);
    for (const each of processes) scaling.need(form).suspended.add(each);
  },

  ResumeProcesses(scaling, form) {
    const group = scaling.need(form);
    for (const process of listOr(form, 'ScalingProcesses', PROCESSES)) group.suspended.delete(process);
    scaling.engine.kick(group);
  },
};

/** A list of the request; if it is empty, all. */
function listOr(form: Form, name: string, all: readonly string[]): readonly string[] {
  const named = form.list(name);
  return named.length > 0 ? named : all;
}

/** A group that is being deleted can't be changed (UpdateAutoScalingGroup: ScalingActivityInProgress). */
function needLasting(scaling: Scaling, form: Form): Group {
  const group = scaling.need(form);
  if (group.status === undefined) return group;
  throw new QueryError('ScalingActivityInProgress', `The group ${group.name} is pending delete.`);
}

function resize(scaling: Scaling, group: Group, desired: number, explicit = false): void {
  const before = group.desired;
  group.desired = desired;
  group.cause = changed(group, before, explicit);
  // A request of a person ends the delay after failed launches.
  group.patience = scaling.engine.pace.retry;
  scaling.engine.kick(group);
}

function page<T>(
  all: readonly T[],
  form: Form,
  most: number,
): { readonly items: readonly T[]; readonly NextToken: string | undefined } {
  const start = Number(form.text('NextToken') ?? 0);
  if (!Number.isInteger(start)) throw new QueryError('InvalidNextToken', 'The NextToken value is not valid.');
  const end = start + Math.min(form.number('MaxRecords') ?? most, 100);
  return { items: all.slice(start, end), NextToken: end < all.length ? String(end) : undefined };
}

/** The settings that requests to create and to change a group have in common. */
async function settings(scaling: Scaling, group: Group, form: Form): Promise<void> {
  const subnets = form
    .text('VPCZoneIdentifier')
    ?.split(',')
    .map((one) => one.trim());
  if (subnets !== undefined) await scaling.launcher.zones(group.region, subnets);
  const mixed = form.at('MixedInstancesPolicy');
  const alone = form.at('LaunchTemplate');
  const checked = (template: TemplateRef): Promise<TemplateRef> => checkTemplate(scaling, group.region, template);
  if (mixed !== undefined) {
    const read = readMixed(mixed, group.mixed);
    Object.assign(group, { mixed: { ...read, template: await checked(read.template) }, template: null });
  } else if (alone !== undefined) {
    Object.assign(group, { template: await checked(readTemplate(alone)), mixed: null });
  }
  Object.assign(group, {
    subnets: subnets ?? group.subnets,
    // Existing instances don't change (UpdateAutoScalingGroup: NewInstancesProtectedFromScaleIn).
    protectNew: form.flag('NewInstancesProtectedFromScaleIn') ?? group.protectNew,
    kept: { ...group.kept, ...Object.fromEntries(KEPT.map((name) => [name, form.text(name) ?? group.kept[name]])) },
  });
}

/** A group must be able to launch: the version of its template exists, and EC2 knows the instance profile. */
async function checkTemplate(scaling: Scaling, region: string, template: TemplateRef): Promise<TemplateRef> {
  const version = await scaling.launcher.version(region, template);
  const profile = version.LaunchTemplateData?.IamInstanceProfile;
  const name = profile?.Name ?? profile?.Arn?.split('/').at(-1);
  // EC2 learns of a new profile with a delay (IAM: eventual consistency; the Terraform provider retries, too).
  if (name !== undefined && (scaling.isNewProfile(name) || !(await scaling.launcher.roleOf(name)))) {
    throw invalid(
      `You must use a valid fully-formed launch template. Value (${name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`,
    );
  }
  return { id: version.LaunchTemplateId ?? '', name: version.LaunchTemplateName ?? '', version: template.version };
}

function checkSizes(min: number, max: number, desired: number): void {
  if (min > max) throw invalid(`Min bound, ${min}, must be less than or equal to max bound, ${max}`);
  if (desired < min || desired > max) {
    throw invalid(`Desired capacity:${desired} must be between the specified min size:${min} and max size:${max}`);
  }
}

/** The words of Auto Scaling for a change of a group's size (Auto Scaling: scaling activities, `Cause`). */
function changed({ min, max, desired, members }: Group, before: number, explicit = false): string {
  const at = `At ${new Date().toISOString()}`;
  const change = before === desired ? '' : ` changing the desired capacity from ${before} to ${desired}`;
  const request = explicit
    ? `explicitly set group desired capacity${change}`
    : `update of AutoScalingGroup constraints to min: ${min}, max: ${max}, desired: ${desired}${change}`;
  const current = active({ members }).length;
  const [moved, capacity] = current > desired ? ['taken out of service', 'shrinking'] : ['started', 'increasing'];
  return `${at} a user request ${request}.  ${at} an instance was ${moved} in response to a difference between desired and actual capacity, ${capacity} the capacity from ${current} to ${desired}.`;
}

function meets(group: Group, filter: Form): boolean {
  const [name, values] = [filter.need('Name'), filter.list('Values')];
  if (name.startsWith('tag:')) return values.includes(group.tags.get(name.slice(4))?.value ?? '');
  throw invalid(`the filter ${name} is not implemented`);
}

/** Lifecycle hooks (Auto Scaling API Reference, by the name of each action). */
const hookActions: Actions = {
  PutLifecycleHook(scaling, form) {
    putHook(scaling.need(form), form);
  },

  DescribeLifecycleHooks(scaling, form) {
    const group = scaling.need(form);
    const LifecycleHooks = [...group.hooks.values()].map(({ name, transition, timeout, result }) => ({
      LifecycleHookName: name,
      AutoScalingGroupName: group.name,
      LifecycleTransition: transition,
      HeartbeatTimeout: timeout,
      DefaultResult: result,
    }));
    return { LifecycleHooks };
  },

  DeleteLifecycleHook(scaling, form) {
    const group = scaling.need(form);
    const name = form.need('LifecycleHookName');
    if (!group.hooks.delete(name)) throw invalid(`No Lifecycle Hook found with name: ${name}`);
    // Instances stop waiting for it (DeleteLifecycleHook: outstanding actions are completed).
    for (const { hold } of group.members.values()) hold?.release();
  },

  CompleteLifecycleAction(scaling, form) {
    const result = form.need('LifecycleActionResult');
    if (result !== 'CONTINUE' && result !== 'ABANDON') throw invalid(`Invalid lifecycle action result ${result}`);
    waiting(scaling, form).hold.release();
  },

  RecordLifecycleActionHeartbeat(scaling, form) {
    waiting(scaling, form).hold.renew();
  },
};

function putHook(group: Group, form: Form): void {
  const name = form.need('LifecycleHookName');
  const known = group.hooks.get(name);
  const transition = form.text('LifecycleTransition') ?? known?.transition;
  if (transition === undefined) throw invalid('LifecycleTransition is required for a new hook');
  const timeout = form.number('HeartbeatTimeout') ?? known?.timeout ?? 3_600;
  if (timeout < 30 || timeout > 7_200) throw invalid('HeartbeatTimeout must be between 30 and 7200 seconds.');
  const result = form.text('DefaultResult') ?? known?.result ?? 'ABANDON';
  if (result !== 'CONTINUE' && result !== 'ABANDON') throw invalid(`Invalid default result ${result}`);
  // A group can have 50 hooks (Auto Scaling: quotas).
  if (known === undefined && group.hooks.size >= 50) throw invalid('The group has 50 lifecycle hooks.');
  group.hooks.set(name, { name, transition, timeout, result });
}

/** The instance that waits for a hook; a token is not needed (CompleteLifecycleAction: InstanceId). */
function waiting(scaling: Scaling, form: Form): Member & { readonly hold: NonNullable<Member['hold']> } {
  const group = scaling.need(form);
  const name = form.need('LifecycleHookName');
  if (!group.hooks.has(name)) throw invalid(`No Lifecycle Hook found with name: ${name}`);
  const id = form.text('InstanceId') ?? '';
  const member = group.members.get(id);
  if (member?.hold == null) throw invalid(`No active Lifecycle Action found with instance ID ${id}`);
  return Object.assign(member, { hold: member.hold });
}

/** Tags of groups (Auto Scaling API Reference, by the name of each action). */
const tagActions: Actions = {
  CreateOrUpdateTags(scaling, form) {
    const read = readTags(form);
    form.each('Tags').forEach((one, place) => {
      const tag = read[place];
      if (tag !== undefined) needTagged(scaling, one).tags.set(tag.key, tag);
    });
  },

  DeleteTags(scaling, form) {
    for (const one of form.each('Tags')) needTagged(scaling, one).tags.delete(one.need('Key'));
  },

  DescribeTags(scaling, form) {
    const all = [...scaling.groups.values()].flatMap((group) =>
      [...group.tags.values()].map((tag) => ({ group, tag })),
    );
    const found = all.filter(({ group, tag }) => form.each('Filters').every((filter) => tagMeets(group, tag, filter)));
    const { items, NextToken } = page(found, form, 50);
    return { Tags: items.map(({ group, tag }) => tagShape(group, tag)), NextToken };
  },
};

function needTagged(scaling: Scaling, one: Form): Group {
  if (one.text('ResourceType') !== 'auto-scaling-group') throw invalid('ResourceType must be auto-scaling-group');
  return scaling.needNamed(one.need('ResourceId'));
}

function tagMeets(group: Group, tag: GroupTag, filter: Form): boolean {
  const [name, values] = [filter.need('Name'), filter.list('Values')];
  if (name === 'auto-scaling-group') return values.includes(group.name);
  if (name === 'key') return values.includes(tag.key);
  throw invalid(`the filter ${name} is not implemented`);
}

/** Actions on instances of groups (Auto Scaling API Reference, by the name of each). */
const memberActions: Actions = {
  SetInstanceProtection(scaling, form) {
    const group = scaling.need(form);
    const ids = form.list('InstanceIds');
    // At most 50 per request (SetInstanceProtection).
    if (ids.length > 50) throw invalid('The number of instance ids exceeds the limit of 50.');
    const members = ids.map((id) => {
      const member = group.members.get(id);
      if (member === undefined) throw invalid(`The instance ${id} is not part of Auto Scaling group ${group.name}.`);
      if (member.state !== 'InService' && !member.state.endsWith('Standby')) {
        throw invalid(`The instance ${id} is not in InService or EnteringStandby or Standby.`);
      }
      return member;
    });
    const on = form.need('ProtectedFromScaleIn') === 'true';
    for (const member of members) member.protected = on;
    // The group may be waiting for instances that it can terminate.
    if (!on) scaling.engine.kick(group);
  },

  TerminateInstanceInAutoScalingGroup(scaling, form) {
    const member = needMember(scaling, form.need('InstanceId'));
    const { group } = member;
    const decrement = form.need('ShouldDecrementDesiredCapacity') === 'true';
    if (member.state.startsWith('Terminat')) return { Activity: activityShape(member.activity) };
    if (decrement && group.desired - 1 < group.min) {
      throw invalid(
        `Currently, desiredSize equals minSize (${group.min}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.`,
      );
    }
    const at = new Date().toISOString();
    group.cause = decrement
      ? `At ${at} instance ${member.id} was taken out of service in response to a user request, shrinking the capacity from ${group.desired} to ${group.desired - 1}.`
      : `At ${at} instance ${member.id} was taken out of service in response to a user request.`;
    if (decrement) group.desired -= 1;
    const activity = scaling.engine.end(member);
    scaling.engine.kick(group);
    return { Activity: activityShape(activity) };
  },

  DescribeAutoScalingInstances(scaling, form) {
    const ids = form.list('InstanceIds');
    const all = [...scaling.groups.values()].flatMap(({ members }) => [...members.values()]);
    const found = all.filter(({ id }) => ids.length === 0 || ids.includes(id));
    const { items, NextToken } = page(found, form, 50);
    const shapes = items.map((member) => ({
      ...memberShape(member),
      AutoScalingGroupName: member.group.name,
      // Upper case, unlike in DescribeAutoScalingGroups (AutoScalingInstanceDetails: HealthStatus).
      HealthStatus: member.healthy ? 'HEALTHY' : 'UNHEALTHY',
    }));
    return { AutoScalingInstances: shapes, NextToken };
  },

  DescribeScalingActivities(scaling, form) {
    const named = form.text('AutoScalingGroupName');
    const groups = named === undefined ? [...scaling.groups.values()] : [scaling.need(form)];
    // 100 per page, of the last six weeks (DescribeScalingActivities).
    const { items, NextToken } = page(
      groups.flatMap(({ activities }) => activities),
      form,
      100,
    );
    return { Activities: items.map(activityShape), NextToken };
  },
};

function needMember(scaling: Scaling, id: string): Member {
  for (const { members } of scaling.groups.values()) {
    const member = members.get(id);
    if (member !== undefined) return member;
  }
  throw invalid(`Instance Id not found - No managed instance found for instance ID: ${id}`);
}

const activityShape = ({ id, group, description, cause, start, end, code, message }: Activity): Shape => ({
  ActivityId: id,
  AutoScalingGroupName: group.name,
  AutoScalingGroupARN: group.arn,
  Description: description,
  Cause: cause,
  StartTime: start,
  EndTime: end,
  StatusCode: code,
  StatusMessage: message,
  Progress: end === undefined ? 50 : 100,
  Details: '{}',
});

export const ACTIONS: Actions = { ...groupActions, ...memberActions, ...hookActions, ...tagActions };
