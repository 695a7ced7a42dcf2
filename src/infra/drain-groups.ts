import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { nullOnError } from '../adapters/aws/errors.ts';
import { BOUNDS_TAG } from '../lib/stack-names.ts';
import { type AwsContext, callAws, loadAutoScaling, pollUntil } from './call-aws.ts';
import { boundsText } from './scaling-request.ts';

/** Instances per request (Auto Scaling: SetInstanceProtection), and groups per request. */
const DRAIN_BATCH = 50;

interface DrainOptions {
  readonly place: AwsContext;
  /** Names of Auto Scaling groups. */
  readonly groups: readonly string[];
  readonly timeoutMs: number;
  readonly progress: (left: number) => void;
  /**
   * Called with the reason if a group can't be set to zero or its instances can't be released: it is left as it is. May
   * throw to end everything.
   */
  readonly onFailure: (group: string, error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Sets groups to zero for good: no launches, no minimum. Then releases their instances, which drain by their hook, and
 * waits until none is left. Returns how many remain after `timeoutMs`. Throws when the signal aborts.
 */
export async function drainGroups(options: DrainOptions): Promise<number> {
  const { place, groups, timeoutMs, progress, onFailure, signal } = options;
  const closed = new Set<string>();
  for (const name of groups) {
    try {
      await close(place, name);
      closed.add(name);
    } catch (error) {
      onFailure(name, error);
    }
  }
  let left = 0;
  const look = async (): Promise<boolean> => {
    const found = await describe(place, [...closed]);
    left = found.reduce((sum, { Instances = [] }) => sum + Instances.length, 0);
    if (left === 0) return true;
    progress(left);
    // A worker that looks for work protects its instance again.
    for (const group of found) {
      try {
        await unprotect(place, group);
      } catch (error) {
        const { AutoScalingGroupName: name = '', Instances = [] } = group;
        closed.delete(name);
        left -= Instances.length;
        onFailure(name, error);
      }
    }
    return false;
  };
  await pollUntil(look, { timeoutMs, signal });
  return left;
}

async function close(place: AwsContext, name: string): Promise<void> {
  await callAws(place, groupCall('close', name, 'UpdateAutoScalingGroup'), async () => {
    const [sdk, client] = await loadAutoScaling(place);
    // With this tag, the bounds below aren't taken for a person's: `up` sets its own again.
    const lastSet = { Key: BOUNDS_TAG, Value: boundsText({ min: 0, max: 0 }), PropagateAtLaunch: false };
    const on = { ResourceId: name, ResourceType: 'auto-scaling-group' };
    await ignoreMissing(client.send(new sdk.CreateOrUpdateTagsCommand({ Tags: [{ ...on, ...lastSet }] })));
    const nothing = { MinSize: 0, MaxSize: 0, DesiredCapacity: 0, NewInstancesProtectedFromScaleIn: false };
    const sent = client.send(new sdk.UpdateAutoScalingGroupCommand({ AutoScalingGroupName: name, ...nothing }));
    await ignoreMissing(sent);
  });
}

async function describe(place: AwsContext, groups: readonly string[]): Promise<readonly AutoScalingGroup[]> {
  if (groups.length === 0) return [];
  return callAws(place, groupCall('look at', '*', 'DescribeAutoScalingGroups'), async () => {
    const [sdk, client] = await loadAutoScaling(place);
    const found: AutoScalingGroup[] = [];
    for (let at = 0; at < groups.length; at += DRAIN_BATCH) {
      const AutoScalingGroupNames = groups.slice(at, at + DRAIN_BATCH);
      for await (const page of sdk.paginateDescribeAutoScalingGroups({ client }, { AutoScalingGroupNames })) {
        found.push(...(page.AutoScalingGroups ?? []));
      }
    }
    return found;
  });
}

async function unprotect(place: AwsContext, { AutoScalingGroupName, Instances = [] }: AutoScalingGroup) {
  const held = Instances.filter(
    ({ ProtectedFromScaleIn, LifecycleState }) => ProtectedFromScaleIn === true && LifecycleState === 'InService',
  ).flatMap(({ InstanceId }) => (InstanceId === undefined ? [] : [InstanceId]));
  await callAws(
    place,
    groupCall('remove scale-in protection in', AutoScalingGroupName ?? '', 'SetInstanceProtection'),
    async () => {
      const [sdk, client] = await loadAutoScaling(place);
      for (let at = 0; at < held.length; at += DRAIN_BATCH) {
        const InstanceIds = held.slice(at, at + DRAIN_BATCH);
        const asking = { AutoScalingGroupName, InstanceIds, ProtectedFromScaleIn: false };
        // A terminating instance can't be released (ValidationError); the next look handles the others.
        await nullOnError(client.send(new sdk.SetInstanceProtectionCommand(asking)), 'ValidationError');
      }
    },
  );
}

/** Ignores that the group doesn't exist. Auto Scaling has one error for every invalid request; only its message says which. */
async function ignoreMissing(sent: Promise<unknown>): Promise<void> {
  await sent.catch((error: unknown) => {
    const isGone = error instanceof Error && error.name === 'ValidationError' && /not found/i.test(error.message);
    if (!isGone) throw error;
  });
}

const groupCall = (verb: string, name: string, action: string) => ({
  what: `${verb} ${name === '*' ? 'the Auto Scaling groups' : `the Auto Scaling group ${name}`}`,
  action: `autoscaling:${action}`,
  resource: `autoScalingGroup:*:autoScalingGroupName/${name}`,
});
