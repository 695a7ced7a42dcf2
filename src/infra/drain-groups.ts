import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { BOUNDS_TAG } from '../lib/stack-names.ts';
import { asked, ifKnown } from './asked.ts';
import { boundsText } from './group-bounds.ts';
import type { InventoryPlace } from './inventory.ts';
import { lookUntil } from './look-until.ts';

/** Instances whose protection one request sets (Auto Scaling: SetInstanceProtection); groups that one names. */
const BATCH = 50;

export interface DrainOptions {
  readonly place: InventoryPlace;
  /** Names of Auto Scaling groups. */
  readonly groups: readonly string[];
  readonly timeoutMs: number;
  readonly progress: (left: number) => void;
  /** Is told why a group can't be set to nothing or its instances can't be let go: it is left. May throw to end all. */
  readonly onFailure: (group: string, error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Sets groups to nothing, for good: no launch follows, and no minimum. Then lets their instances go, which drain by
 * their hook, and waits until none is left. Answers how many are after `timeoutMs`. Throws when the signal aborts.
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
    // A worker that looks for work protects itself anew.
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
  await lookUntil(look, { timeoutMs, signal });
  return left;
}

async function close(place: InventoryPlace, name: string): Promise<void> {
  await asked(place, doing('close', name, 'UpdateAutoScalingGroup'), async () => {
    const [sdk, client] = await autoScaling(place);
    // With the tag, the bounds below are not taken for those that a person set: `up` sets its own again.
    const lastSet = { Key: BOUNDS_TAG, Value: boundsText({ min: 0, max: 0 }), PropagateAtLaunch: false };
    const on = { ResourceId: name, ResourceType: 'auto-scaling-group' };
    await unlessGone(client.send(new sdk.CreateOrUpdateTagsCommand({ Tags: [{ ...on, ...lastSet }] })));
    const nothing = { MinSize: 0, MaxSize: 0, DesiredCapacity: 0, NewInstancesProtectedFromScaleIn: false };
    const sent = client.send(new sdk.UpdateAutoScalingGroupCommand({ AutoScalingGroupName: name, ...nothing }));
    await unlessGone(sent);
  });
}

async function describe(place: InventoryPlace, groups: readonly string[]): Promise<readonly AutoScalingGroup[]> {
  if (groups.length === 0) return [];
  return asked(place, doing('look at', '*', 'DescribeAutoScalingGroups'), async () => {
    const [sdk, client] = await autoScaling(place);
    const found: AutoScalingGroup[] = [];
    for (let at = 0; at < groups.length; at += BATCH) {
      const AutoScalingGroupNames = groups.slice(at, at + BATCH);
      for await (const page of sdk.paginateDescribeAutoScalingGroups({ client }, { AutoScalingGroupNames })) {
        found.push(...(page.AutoScalingGroups ?? []));
      }
    }
    return found;
  });
}

async function unprotect(place: InventoryPlace, { AutoScalingGroupName, Instances = [] }: AutoScalingGroup) {
  const held = Instances.filter(
    ({ ProtectedFromScaleIn, LifecycleState }) => ProtectedFromScaleIn === true && LifecycleState === 'InService',
  ).flatMap(({ InstanceId }) => (InstanceId === undefined ? [] : [InstanceId]));
  await asked(place, doing('let go', AutoScalingGroupName ?? '', 'SetInstanceProtection'), async () => {
    const [sdk, client] = await autoScaling(place);
    for (let at = 0; at < held.length; at += BATCH) {
      const InstanceIds = held.slice(at, at + BATCH);
      const asking = { AutoScalingGroupName, InstanceIds, ProtectedFromScaleIn: false };
      // One that is going already can't be let go (ValidationError): the next look tells of the others.
      await ifKnown(client.send(new sdk.SetInstanceProtectionCommand(asking)), 'ValidationError');
    }
  });
}

/** Auto Scaling has one error for all that is wrong with a request, and says which in words. */
async function unlessGone(sent: Promise<unknown>): Promise<void> {
  await sent.catch((error: unknown) => {
    const isGone = error instanceof Error && error.name === 'ValidationError' && /not found/i.test(error.message);
    if (!isGone) throw error;
  });
}

const doing = (verb: string, name: string, action: string) => ({
  what: `${verb} ${name === '*' ? 'the Auto Scaling groups' : `the Auto Scaling group ${name}`}`,
  action: `autoscaling:${action}`,
  resource: `autoScalingGroup:*:autoScalingGroupName/${name}`,
});

const autoScaling = ({ clients }: InventoryPlace) =>
  Promise.all([import('@aws-sdk/client-auto-scaling'), clients.autoScaling()]);
