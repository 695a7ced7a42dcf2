import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { STAND_IN_TAG } from '../lib/stack-names.ts';
import { tagsOfEc2 } from './ec2-tags.ts';

/** The base that holds, and what is said of it. */
export interface BaseInForce {
  readonly base: number;
  /** Said, and not changed; null where it is as configured. */
  readonly note: string | null;
}

/**
 * How many instances are on demand before spot is used: as configured, but while more stand in for spot, which the
 * group's tag says, those stay. They are taken back once nothing waits.
 */
export function baseInForce({ MixedInstancesPolicy, Tags }: AutoScalingGroup, configured: number): BaseInForce {
  const found = MixedInstancesPolicy?.InstancesDistribution?.OnDemandBaseCapacity ?? 0;
  const [, standIn = '0'] = /^(\d+) \d+$/.exec(tagsOfEc2(Tags)[STAND_IN_TAG] ?? '') ?? [];
  if (found <= configured || found > Number(standIn)) return { base: configured, note: null };
  return { base: found, note: `${found} on demand instead of spot, for a deadline (configuration: ${configured})` };
}
