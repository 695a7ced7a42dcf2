import { type Fleet, instancesFor, type Pace } from './capacity.ts';
import type { Load } from './load.ts';

/** What a group of spot instances has, and what became of what it asked for. */
export interface SpotSight {
  /** Instances in service, and those that are starting. */
  readonly up: number;
  /** So many of its instances are on demand before spot is used. */
  readonly base: number;
  /** The most that it may be: the profile's bound, or what a cost limit leaves. */
  readonly most: number;
  /** Seconds since it was raised last; null where it wasn't. */
  readonly since: number | null;
  /** Launches of spot instances fail: there is no capacity, or no price. */
  readonly refused: boolean;
  /** Launches on demand fail too. */
  readonly refusedToo: boolean;
  /** Instances that EC2 took back within the last half hour. */
  readonly takenBack: number;
}

/** After it was raised one waits so long, seconds: what was asked for is not there at once. */
const PATIENCE = 180;
/** This part of what may stand in is few. */
const FEW = 1 / 4;
/** A storm: so many instances taken back, and so large a part of those that are up. */
const STORM = { least: 3, part: 0.2 };

/**
 * How many instances a group should have on demand so that a deadline is met which spot would miss; the base as it is
 * where there is no such need. Spot stands for what is up: what is only asked for doesn't come. Nothing is bought on a
 * guess: where a task's duration is only assumed, spot is waited for; and while few would do.
 */
export function standInFor(
  loads: readonly Load[],
  { slots, min, max }: Omit<Fleet, 'current'>,
  spot: SpotSight,
  pace: Pace,
): number {
  const { up, base, most, since, refused, refusedToo, takenBack } = spot;
  const storm = takenBack >= STORM.least && takenBack >= STORM.part * up;
  if ((!refused && !storm) || refusedToo || base >= most || (since !== null && since < PATIENCE)) return base;
  const need = instancesFor(loads, { slots, current: up, min, max }, pace);
  if (need.decides === null || need.assumed) return base;
  // While few would do there is time, and spot may come.
  if (need.instances - up < Math.max(1, (most - base) * FEW)) return base;
  // The base comes first of what is up (Auto Scaling: instances distribution).
  return Math.min(most, Math.max(base, Math.min(base, up) + need.instances - up));
}
