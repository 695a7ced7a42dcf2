import type { AutoScalingGroup, MixedInstancesPolicy } from '@aws-sdk/client-auto-scaling';
import { STAND_IN_TAG } from '../../lib/stack-names.ts';

/** What the profile says of a group of spot instances. */
export interface SpotShare {
  /** On demand whatever happens. */
  readonly usual: number;
  /** So many at most may stand in where spot can't be had. */
  readonly most: number;
}

/** How many of a group's instances are on demand before spot is used, and when that was last raised. */
export interface OnDemandBase {
  readonly base: number;
  /** Milliseconds since the epoch; null where it is as the profile says. */
  readonly raisedAt: number | null;
}

/** Null where the group buys no spot. */
export function baseOf({ MixedInstancesPolicy, Tags = [] }: AutoScalingGroup): OnDemandBase | null {
  const split = MixedInstancesPolicy?.InstancesDistribution;
  if (split === undefined || split.OnDemandPercentageAboveBaseCapacity !== 0) return null;
  const text = Tags.find(({ Key }) => Key === STAND_IN_TAG)?.Value ?? '';
  const [, , raisedAt] = /^(\d+) (\d+)$/.exec(text) ?? [];
  return { base: split.OnDemandBaseCapacity ?? 0, raisedAt: raisedAt === undefined ? null : Number(raisedAt) };
}

/** The tag's words: `none` once it is taken back, since who may tag may not be who may take tags away. */
export const standInText = (base: number | null, now: number): string => (base === null ? 'none' : `${base} ${now}`);

/**
 * The policy with another base. Of the rest of it nothing is said, so nothing changes (UpdateAutoScalingGroup); naming
 * the launch template again would take the right to start instances (EC2 Auto Scaling: launch template permissions).
 */
export function policyWith({ MixedInstancesPolicy }: AutoScalingGroup, base: number): MixedInstancesPolicy {
  return { InstancesDistribution: { ...MixedInstancesPolicy?.InstancesDistribution, OnDemandBaseCapacity: base } };
}
