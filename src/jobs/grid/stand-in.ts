import type { Pace } from '../../model/capacity.ts';
import type { Load } from '../../model/load.ts';
import { standInFor } from '../../model/stand-in.ts';
import type { GroupStatus, WorkerGroup } from '../../ports/worker-group.ts';

export interface StandInAsked {
  readonly slots: number;
  readonly pace: Pace;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How many more spot instances the limits on cost would pay for. */
  readonly paid: () => Promise<number>;
}

/** An instance on demand is paid for as so many of spot, about: that is at most 90 % off, and mostly two thirds (EC2: spot). */
export const AS_SPOT = 3;

/**
 * How many of a group's instances should be on demand from now on; null where they need not be more. The group's last
 * activities are asked for only where instances are lacking that some job with a deadline waits for.
 */
export async function onDemandNeeded(
  group: WorkerGroup,
  { onDemand, machines, min, max }: GroupStatus,
  loads: readonly Load[],
  { slots, pace, now, paid }: StandInAsked,
): Promise<number | null> {
  if (onDemand === undefined || machines === undefined || group.spotTroubles === undefined) return null;
  const { base, raisedAt } = onDemand;
  const up = machines.inService + machines.pending;
  const since = raisedAt === null ? null : (now - raisedAt) / 1_000;
  const wanted = (troubles: Awaited<ReturnType<NonNullable<WorkerGroup['spotTroubles']>>>): number =>
    standInFor(loads, { slots, min, max }, { up, base, most: onDemand.most, since, ...troubles }, pace);
  if (wanted({ refused: true, refusedToo: false, takenBack: 0 }) <= base) return null;
  const found = wanted(await group.spotTroubles());
  if (found <= base) return null;
  const afforded = Math.min(found, base + Math.floor((await paid()) / AS_SPOT));
  return afforded > base ? afforded : null;
}
