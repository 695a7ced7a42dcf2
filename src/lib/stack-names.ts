/** The names of what belongs to a stack in an AWS account: nothing else in the project spells one. */

export const queueName = (stack: string, group: string): string => `${stack}-${group}`;
/** The queue of a queue's dead letters. */
export const deadQueueName = (queue: string): string => `${queue}-dead`;
export const domainName = (stack: string, number: number): string => `${stack}-${number}`;

/** The partition that a region belongs to, as ARNs begin with it. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}
