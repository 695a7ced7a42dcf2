import { invalid, type Shape } from '../query.ts';
import { page } from './group-actions.ts';
import { memberShape } from './read-group.ts';
import type { Actions, Estate } from './scaling.ts';
import type { Activity, Member } from './state.ts';

/** Actions on instances of groups (Auto Scaling API Reference, by the name of each). */
export const memberActions: Actions = {
  SetInstanceProtection(estate, form) {
    const group = estate.need(form);
    const ids = form.list('InstanceIds');
    // 50 a call (SetInstanceProtection).
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
    // What could not be taken before, can be now.
    if (!on) estate.engine.kick(group);
  },

  TerminateInstanceInAutoScalingGroup(estate, form) {
    const member = needMember(estate, form.need('InstanceId'));
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
    const activity = estate.engine.end(member);
    estate.engine.kick(group);
    return { Activity: activityShape(activity) };
  },

  SetInstanceHealth(estate, form) {
    const member = needMember(estate, form.need('InstanceId'));
    const status = form.need('HealthStatus');
    if (status !== 'Healthy' && status !== 'Unhealthy')
      throw invalid('Valid instance health states are: [Healthy, Unhealthy].');
    // Within the grace period it is not heard, unless told otherwise (SetInstanceHealth: ShouldRespectGracePeriod).
    const within = Date.now() < member.launchedAt + member.group.graceSeconds * 1_000;
    if (within && form.flag('ShouldRespectGracePeriod') !== false) return;
    member.healthy = status === 'Healthy';
    if (!member.healthy)
      estate.engine.replace(member, 'an instance was taken out of service in response to a user health-check.');
  },

  DescribeAutoScalingInstances(estate, form) {
    const ids = form.list('InstanceIds');
    const all = [...estate.groups.values()].flatMap(({ members }) => [...members.values()]);
    const found = all.filter(({ id }) => ids.length === 0 || ids.includes(id));
    const { items, NextToken } = page(found, form, 50);
    const shapes = items.map((member) => ({
      ...memberShape(member),
      AutoScalingGroupName: member.group.name,
      // In capitals here, and not in DescribeAutoScalingGroups (AutoScalingInstanceDetails: HealthStatus).
      HealthStatus: member.healthy ? 'HEALTHY' : 'UNHEALTHY',
    }));
    return { AutoScalingInstances: shapes, NextToken };
  },

  DescribeScalingActivities(estate, form) {
    const named = form.text('AutoScalingGroupName');
    const groups = named === undefined ? [...estate.groups.values()] : [estate.need(form)];
    const ids = form.list('ActivityIds');
    const found = groups
      .flatMap(({ activities }) => activities)
      .filter(({ id }) => ids.length === 0 || ids.includes(id));
    // 100 a page; those of the last six weeks (DescribeScalingActivities).
    const { items, NextToken } = page(found, form, 100);
    return { Activities: items.map(activityShape), NextToken };
  },
};

function needMember(estate: Estate, id: string): Member {
  for (const { members } of estate.groups.values()) {
    const member = members.get(id);
    if (member !== undefined) return member;
  }
  throw invalid(`Instance Id not found - No managed instance found for instance ID: ${id}`);
}

const activityShape = ({ id, group, description, cause, start, end, code, message }: Activity): Shape => ({
  ...{ ActivityId: id, AutoScalingGroupName: group.name, AutoScalingGroupARN: group.arn },
  ...{ Description: description, Cause: cause, StartTime: start, EndTime: end, StatusCode: code },
  ...{ StatusMessage: message, Progress: end === undefined ? 50 : 100, Details: '{}' },
});
