import { isKind } from '../../errors.ts';
import { DRAIN_HOOK } from '../../lib/stack-names.ts';
import { type Check, type Finding, pass, warn } from '../../ports/check.ts';
import { countsOf, ScalingRequests, sizeOf, troublesOf } from './auto-scaling.ts';
import type { AwsClients } from './clients.ts';

export interface CheckedGroup {
  readonly group: string;
  /** The name of the Auto Scaling group. */
  readonly name: string;
}

/** Whether each Auto Scaling group exists, may have instances, lets them drain, and can launch them. */
export function groupChecks(clients: AwsClients, groups: readonly CheckedGroup[]): readonly Check[] {
  return groups.map((group) => ({ check: 'group', run: () => checkGroup(clients, group) }));
}

async function checkGroup(clients: AwsClients, { group, name }: CheckedGroup): Promise<Finding> {
  try {
    return await findingOf(new ScalingRequests(clients, name, 'probe'), group);
  } catch (error) {
    // A user who only submits jobs needs no right to look at groups.
    if (!isKind(error, 'credentials') || error.denied === undefined) throw error;
    return warn(`group ${group}: ${error.denied} is denied`, error.hint ?? 'batchctl infra policies');
  }
}

/** Null without the right to see them: only administrators have it. */
async function hooksOf(requests: ScalingRequests): Promise<readonly string[] | null> {
  try {
    return await requests.hooks();
  } catch (error) {
    if (isKind(error, 'credentials')) return null;
    throw error;
  }
}

async function findingOf(requests: ScalingRequests, group: string): Promise<Finding> {
  const found = await requests.read();
  if (found === null) {
    return warn(
      `group ${group}: the Auto Scaling group ${requests.name} does not exist, so only workers started by hand serve it`,
      'batchctl infra up creates it',
    );
  }
  const size = sizeOf(found);
  const counts = countsOf(found);
  const flag = group === 'default' ? '' : ` --group ${group}`;
  if (size.max === 0) {
    return warn(`group ${group}: its maximum is 0, so it never has an instance`, `batchctl scale --max 20${flag}`);
  }
  if ((await hooksOf(requests))?.includes(DRAIN_HOOK) === false) {
    return warn(
      `group ${group}: it lacks the hook ${DRAIN_HOOK}, so terminated instances have no time to drain, and their tasks wait for their leases`,
      'batchctl infra up fixes it',
    );
  }
  const [trouble] = counts.inService < size.desired ? troublesOf(await requests.activities()) : [];
  if (trouble !== undefined) {
    return warn(`group ${group}: launches fail (${trouble.code}): ${trouble.message}`, `batchctl scale${flag}`);
  }
  const version = (found.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification ?? found.LaunchTemplate)
    ?.Version;
  const older = (found.Instances ?? []).filter(
    ({ LaunchTemplate }) => /^\d+$/.test(version ?? '') && (LaunchTemplate?.Version ?? version) !== version,
  );
  if (older.length > 0) {
    return warn(
      `group ${group}: ${older.length} of ${counts.inService} instances run another version of the launch template than ${version}`,
      'batchctl infra release --roll replaces them, a quarter at a time',
    );
  }
  const { desired, min, max, mode } = size;
  return pass(`group ${group}: ${counts.inService} of ${desired} in service (${min} to ${max}, ${mode})`);
}
