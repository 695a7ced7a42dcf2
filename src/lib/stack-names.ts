/** The names of a stack's resources in an AWS account. No other module composes one. */

export const queueName = (stack: string, group: string): string => `${stack}-${group}`;
export const deadQueueName = (queue: string): string => `${queue}-dead`;
export const domainName = (stack: string, number: number): string => `${stack}-${number}`;
export const gridName = (stack: string, group: string): string => `${stack}-${group}`;
/** The manager's group, for its Auto Scaling group and its launch template: no worker group may have that name. */
export const MANAGER_GROUP = 'manager';
/** The role of a stack's workers or of its manager; also its instance profile and its security group. */
export const roleName = (stack: string, who: 'worker' | 'manager'): string => `${stack}-${who}`;
/** The hook that holds a terminating instance until its worker has drained. */
export const DRAIN_HOOK = 'batchctl-drain';
/**
 * Seconds that the hook waits for a heartbeat of its worker. At most a hundred heartbeats (Auto Scaling:
 * API_LifecycleHook): 16 h, more than any lease. An instance whose worker has died is billed
 * for at most this long.
 */
export const DRAIN_HOOK_SECONDS = 600;
/** On everything that a stack made: a resource with this tag may be changed and removed. */
export const STACK_TAG = 'batchctl:stack';
/** The location of the stack's jobs: it distinguishes stacks of one name in two buckets or regions. */
export const HOME_TAG = 'batchctl:home';
/** On a bucket or role that an earlier version made, which recorded no home: it shows whose the others of that time are. */
export const FORMER_TAG = 'batchctl:former';
export const GROUP_TAG = 'batchctl:group';
/** On an Auto Scaling group: `auto` or `manual`; and a temporary size, `<ms since the epoch> <size afterwards>`. */
export const MODE_TAG = 'batchctl:mode';
export const UNTIL_TAG = 'batchctl:until';
/** On an Auto Scaling group, while on-demand instances replace spot: `<how many> <ms since the epoch>`, or `none`. */
export const STAND_IN_TAG = 'batchctl:stand-in';
/** The bounds that `up` last set, `<min> <max>`: other bounds were set by a person. */
export const BOUNDS_TAG = 'batchctl:bounds';
/** On an instance and its group's template: its bundle, by the first 12 digits of its SHA-256. */
export const RELEASE_TAG = 'batchctl:release';

/** Prefixes of regions' names, and their partitions; all others are in `aws` (AWS SDK: partitions). */
const PARTITIONS = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['us-isof-', 'aws-iso-f'],
  ['eu-isoe-', 'aws-iso-e'],
  ['eusc-', 'aws-eusc'],
] as const;

export function partitionOf(region: string): string {
  return PARTITIONS.find(([beginning]) => region.startsWith(beginning))?.[1] ?? 'aws';
}
