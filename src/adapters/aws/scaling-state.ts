import type { AutoScalingGroup, Instance, Tag } from '@aws-sdk/client-auto-scaling';
import { MODE_TAG, UNTIL_TAG } from '../../lib/stack-names.ts';
import type { GroupSize } from '../../model/group-size.ts';
import type { MachineCounts, MachineSeen } from '../../ports/worker-group.ts';

/** What is wanted of an Auto Scaling group: its own size and bounds, and what its tags tell. */
export function sizeOf(group: AutoScalingGroup): GroupSize {
  const { until, after } = untilOf(tagOf(group, UNTIL_TAG));
  return {
    desired: group.DesiredCapacity ?? 0,
    min: group.MinSize ?? 0,
    max: group.MaxSize ?? 0,
    mode: tagOf(group, MODE_TAG) === 'manual' ? 'manual' : 'auto',
    until,
    after,
    // An instance's slots are its worker's start: the profile says them.
    slots: null,
  };
}

/** The tags that differ between two sizes, as they are to be. */
export function changedTags(name: string, from: GroupSize, to: GroupSize): readonly Tag[] {
  const tag = (Key: string, Value: string): Tag => ({
    // Its instances are not to carry it: what is wanted changes without them.
    ...{ ResourceId: name, ResourceType: 'auto-scaling-group', PropagateAtLaunch: false },
    ...{ Key, Value },
  });
  return [
    ...(from.mode === to.mode ? [] : [tag(MODE_TAG, to.mode)]),
    ...(from.until === to.until && from.after === to.after ? [] : [tag(UNTIL_TAG, untilText(to))]),
  ];
}

/** Instances by what the service says of them; a state that this version doesn't know is in none of the counts. */
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

export function machineOf(instance: Instance, launchedAt: ReadonlyMap<string, number>): MachineSeen {
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

/** Cleared by a word, and not by taking the tag away: one right is enough for both. */
const untilText = ({ until, after, min }: GroupSize): string => (until === null ? 'none' : `${until} ${after ?? min}`);

const tagOf = ({ Tags = [] }: AutoScalingGroup, key: string): string | null =>
  Tags.find(({ Key }) => Key === key)?.Value ?? null;
