import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { GROUP_TAG, MANAGER_GROUP, STACK_TAG } from '../lib/stack-names.ts';
import { asked, type GridPlace } from './asked.ts';
import { tagsOfEc2 } from './ec2-tags.ts';
import { type Finding, failing, warning } from './finding.ts';

/**
 * Worker groups of the stack that the configuration names no more. With the role (`iam`) their workers would lose the
 * right to their queue, to what they run, and to end their own machines, which would be paid for until somebody sees it.
 */
export async function validateFormerGroups(place: GridPlace, iam: boolean): Promise<readonly Finding[]> {
  const { stack, groups, iam: given } = place.profile;
  const action = 'autoscaling:DescribeAutoScalingGroups';
  const found = await asked(place, { what: 'look for groups of the stack', action, resource: '*' }, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-auto-scaling'), place.clients.autoScaling()]);
    const Filters = [{ Name: `tag:${STACK_TAG}`, Values: [stack] }];
    const all: AutoScalingGroup[] = [];
    for await (const page of sdk.paginateDescribeAutoScalingGroups({ client }, { Filters })) {
      all.push(...(page.AutoScalingGroups ?? []));
    }
    return all;
  });
  return found.flatMap(({ Instances = [], Tags }) => {
    const group = tagsOfEc2(Tags)[GROUP_TAG] ?? '';
    if (group === '' || group === MANAGER_GROUP || Object.hasOwn(groups, group)) return [];
    const count = Instances.length;
    const message = `group ${group} is no longer in the configuration, but still exists, with ${count === 1 ? 'one instance' : `${count} instances`}`;
    const mend = `drain and remove it with batchctl infra down --group ${group} --confirm ${stack}; or add it to the configuration again`;
    return [iam && given.workerProfile === null && count > 0 ? failing(message, mend) : warning(message, mend)];
  });
}
