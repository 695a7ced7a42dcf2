/** The names of what belongs to a stack in an AWS account: nothing else in the project spells one. */

export const queueName = (stack: string, group: string): string => `${stack}-${group}`;
/** The queue of a queue's dead letters. */
export const deadQueueName = (queue: string): string => `${queue}-dead`;
export const domainName = (stack: string, number: number): string => `${stack}-${number}`;
/** A group's Auto Scaling group and its launch template. */
export const gridName = (stack: string, group: string): string => `${stack}-${group}`;
/** The Auto Scaling group of one that holds the manager, and its launch template: no worker group may have that name. */
export const MANAGER_GROUP = 'manager';
/** The role of a stack's workers or of its manager; also its instance profile and its security group. */
export const roleName = (stack: string, who: 'worker' | 'manager'): string => `${stack}-${who}`;
/** The hook that holds an instance that is to end until its worker has drained. */
export const DRAIN_HOOK = 'batchctl-drain';
/**
 * Seconds that the hook waits for a sign of its worker. A hundred signs at most (Auto Scaling: API_LifecycleHook): 16 h,
 * more than any lease; and the longest time for which an instance whose worker is dead is paid for in vain.
 */
export const DRAIN_HOOK_SECONDS = 600;
/** On all that a stack made: what has it is ours to change and to remove. */
export const STACK_TAG = 'batchctl:stack';
/** On what belongs to one group. */
export const GROUP_TAG = 'batchctl:group';
/** On a group's Auto Scaling group: `auto` or `manual`; and a temporary size, `<ms since the epoch> <size that comes back>`. */
export const MODE_TAG = 'batchctl:mode';
export const UNTIL_TAG = 'batchctl:until';
/** On a group's Auto Scaling group, while on-demand instances stand in for spot: `<how many> <ms since the epoch>`, or `none`. */
export const STAND_IN_TAG = 'batchctl:stand-in';
/** The bounds that `up` set last, `<min> <max>`: a group that has others got them from a person. */
export const BOUNDS_TAG = 'batchctl:bounds';
/** On an instance and its group's template: the bundle that it runs, by the first 12 digits of its checksum. */
export const RELEASE_TAG = 'batchctl:release';

/** The beginnings of regions' names, and their partitions; all others are of `aws` (AWS SDK: partitions). */
const PARTITIONS = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['us-isof-', 'aws-iso-f'],
  ['eu-isoe-', 'aws-iso-e'],
  ['eusc-', 'aws-eusc'],
] as const;

/** The partition that a region belongs to, as ARNs begin with it. */
export function partitionOf(region: string): string {
  return PARTITIONS.find(([beginning]) => region.startsWith(beginning))?.[1] ?? 'aws';
}
