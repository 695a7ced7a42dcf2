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
/** So long, seconds, spot may be waited for where what is bought then still makes it. */
const WAIT = 1_800;
/** A storm: so many instances taken back, and so large a part of those that are up. */
const STORM = { least: 3, part: 0.2 };

/**
 * How many instances a group should have on demand so that a deadline is met which spot would miss; the base as it is
 * where there is no such need. Spot stands for what is up: what is only asked for doesn't come. Little is bought on a
 * guess: where a task's duration is only assumed, one, and only where nothing is up. While few would do, and could half an
 * hour later, spot is waited for.
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
  if (need.decides === null) return base;
  // One tells how long a task takes, where nothing is up that will.
  if (need.assumed) return up === 0 ? base + 1 : base;
  const few = need.instances - up < Math.max(1, (most - base) * FEW);
  const later = instancesFor(
    after(loads, WAIT),
    { slots, current: up, min, max: Math.min(max, up + most - base) },
    pace,
  );
  if (need.instances <= up || (few && later.late === null)) return base;
  // The base comes first of what is up (Auto Scaling: instances distribution).
  return Math.min(most, Math.max(base, Math.min(base, up) + need.instances - up));
}

const after = (loads: readonly Load[], seconds: number): readonly Load[] =>
  loads.map((load) => (load.due === undefined ? load : { ...load, due: { ...load.due, in: load.due.in - seconds } }));
