import type { LaunchTrouble } from '../../ports/worker-group.ts';

/** What mends a launch that fails, by why it does. */
export function mendOfLaunch(code: LaunchTrouble['code'], group: string): string {
  const field = `groups.${group}`;
  switch (code) {
    case 'capacity':
      return `add types to ${field}.instances, or subnets of other zones to network.subnets, then batchctl infra up; it is tried again by itself meanwhile`;
    case 'quota':
      return `ask AWS for a higher quota (Service Quotas: Amazon EC2, Running On-Demand or All Spot Instance Requests), or lower ${field}.max`;
    case 'price':
      return 'take the maximum spot price off the launch template: batchctl infra up sets none';
    case 'key':
      return 'grant the key to the role AWSServiceRoleForAutoScaling: batchctl infra plan names what it lacks';
    case 'image':
      return `name an image that exists in the region, of the types' architecture, in ${field}.ami, then batchctl infra up`;
    case 'permission':
      return 'batchctl infra plan, which names the right or the instance profile that is missing';
    case 'network':
      return 'name subnets with free addresses in network.subnets, and security groups that exist, then batchctl infra up';
    case 'setup':
      return `batchctl workers --group ${group}, which names the instances; batchctl workers logs INSTANCE, for what its setup said`;
    case 'other':
      return 'batchctl infra status, for what was changed by others';
    default:
      return code satisfies never;
  }
}
