import { type Form, invalid } from '../query.ts';
import type { Actions, Estate } from './scaling.ts';
import type { Group, Hook, Member } from './state.ts';

/** Lifecycle hooks (Auto Scaling API Reference, by the name of each action). */
export const hookActions: Actions = {
  PutLifecycleHook(estate, form) {
    putHook(estate.need(form), form);
  },

  DescribeLifecycleHooks(estate, form) {
    const names = form.list('LifecycleHookNames');
    const group = estate.need(form);
    const hooks = [...group.hooks.values()].filter(({ name }) => names.length === 0 || names.includes(name));
    const LifecycleHooks = hooks.map(({ name, transition, timeout, result, metadata, target, role }) => ({
      ...{ LifecycleHookName: name, AutoScalingGroupName: group.name, LifecycleTransition: transition },
      ...{ HeartbeatTimeout: timeout, DefaultResult: result, NotificationMetadata: metadata },
      ...{ NotificationTargetARN: target, RoleARN: role },
      // 48 hours, or 100 times the timeout (LifecycleHook: GlobalTimeout).
      GlobalTimeout: Math.min(172_800, 100 * timeout),
    }));
    return { LifecycleHooks };
  },

  DeleteLifecycleHook(estate, form) {
    const group = estate.need(form);
    const name = form.need('LifecycleHookName');
    if (!group.hooks.delete(name)) throw invalid(`No Lifecycle Hook found with name: ${name}`);
    // Those that wait for it go on (DeleteLifecycleHook: outstanding actions are completed).
    for (const { hold } of group.members.values()) hold?.release();
  },

  CompleteLifecycleAction(estate, form) {
    const result = form.need('LifecycleActionResult');
    if (result !== 'CONTINUE' && result !== 'ABANDON') throw invalid(`Invalid lifecycle action result ${result}`);
    waiting(estate, form).hold.release();
  },

  RecordLifecycleActionHeartbeat(estate, form) {
    waiting(estate, form).hold.renew();
  },
};

export function putHook(group: Group, form: Form): void {
  const name = form.need('LifecycleHookName');
  const known = group.hooks.get(name);
  const transition = form.text('LifecycleTransition') ?? known?.transition;
  if (transition === undefined) throw invalid('LifecycleTransition is required for a new hook');
  const timeout = form.number('HeartbeatTimeout') ?? known?.timeout ?? 3_600;
  if (timeout < 30 || timeout > 7_200) throw invalid('HeartbeatTimeout must be between 30 and 7200 seconds.');
  const result = form.text('DefaultResult') ?? known?.result ?? 'ABANDON';
  if (result !== 'CONTINUE' && result !== 'ABANDON') throw invalid(`Invalid default result ${result}`);
  // 50 hooks a group (Auto Scaling: quotas).
  if (known === undefined && group.hooks.size >= 50) throw invalid('The group has 50 lifecycle hooks.');
  const hook: Hook = {
    ...{ name, transition, timeout, result, metadata: form.text('NotificationMetadata') ?? known?.metadata },
    ...{ target: form.text('NotificationTargetARN') ?? known?.target, role: form.text('RoleARN') ?? known?.role },
  };
  group.hooks.set(name, hook);
}

/** By the instance: a token isn't needed with it (CompleteLifecycleAction: InstanceId). */
function waiting(estate: Estate, form: Form): Member & { readonly hold: NonNullable<Member['hold']> } {
  const group = estate.need(form);
  const name = form.need('LifecycleHookName');
  if (!group.hooks.has(name)) throw invalid(`No Lifecycle Hook found with name: ${name}`);
  const id = form.text('InstanceId') ?? '';
  const member = group.members.get(id);
  if (member?.hold == null) throw invalid(`No active Lifecycle Action found with instance ID ${id}`);
  return Object.assign(member, { hold: member.hold });
}
