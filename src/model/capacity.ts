import { heldBy, type Load, secondsEach, sum, widthIn, workOf } from './load.ts';
import {
  byJob,
  type Claim,
  claimsOf,
  doneBeside,
  endsIn,
  type Ground,
  type Late,
  LEAST_SECONDS,
  latestOf,
  secondsFor,
} from './projection.ts';

/** Seconds from an instance's launch to its worker's first sign of life, of which nothing is known yet. */
export const USUAL_BOOT = 90;

/** So many of the latest boots count. */
export const BOOTS_KEPT = 20;

/** No figure beyond these is planned by, seconds: a clock may be wrong, and an instance may have been stopped meanwhile. */
const LEAST = 15;

const MOST = 900;

/**
 * Seconds that a boot takes, by the latest that were measured: their upper quartile, so that three in four are as fast,
 * and a single slow one moves nothing. Within bounds; 90 before any is known.
 */
export function bootSecondsOf(measured: readonly number[]): number {
  const latest = measured.slice(-BOOTS_KEPT).sort((a, b) => a - b);
  const quartile = latest[Math.ceil(0.75 * latest.length) - 1];
  return quartile === undefined ? USUAL_BOOT : Math.min(MOST, Math.max(LEAST, quartile));
}

export interface Fleet {
  /** Tasks at once on an instance. */
  readonly slots: number;
  /** Instances that are asked for now: they need no time to boot. */
  readonly current: number;
  readonly min: number;
  readonly max: number;
}

export interface Pace {
  /** Seconds in which all that waits should be done. */
  readonly target: number;
  /** Seconds from asking for an instance to its first task. */
  readonly boot: number;
}

export interface Need {
  readonly instances: number;
  /** What the work alone would take, were there no maximum. */
  readonly unbounded: number;
  /** The job whose deadline decides; null where the target does. */
  readonly decides: string | null;
  /** The job that ends the latest after its deadline even so; null where none does. */
  readonly late: Late | null;
  /** True when some task's duration is `UNKNOWN_SECONDS`, for want of a better one. */
  readonly assumed: boolean;
}

/** Half an hour: what a month end can wait for, and long beside the minute that an instance is paid for at least. */
export const PACE: Pace = { target: 1_800, boot: USUAL_BOOT };

/**
 * How many instances a group needs for its work, so that it ends in time: jobs with a deadline by that, the others within
 * the pace's target.
 *
 *     work   = sum of tasks x seconds x slots a task               (slot-seconds)
 *     there  = current x slots x time                              (what is up does in time)
 *     needed = work <= there ?  work / (slots x time)
 *                            :  current + (work - there) / (slots x (time - boot))
 *
 * rounded up, the most that a job or the target asks for; never more than can have a task each (`width / slots`, where
 * the width is what may run at once), at least 1 when something waits, and within the bounds. It grows with the work and
 * as a deadline comes nearer, and never jumps back. What is late gets as many as still help. Nothing waits: `min`.
 */
export function instancesFor(loads: readonly Load[], fleet: Fleet, pace: Pace = PACE): Need {
  const { current, min, max } = fleet;
  const slots = Math.max(1, fleet.slots);
  const waiting = loads.filter(({ tasks, due }) => tasks > 0 || due !== undefined);
  const claims = claimsOf(waiting, slots);
  const [mine, dated] = [
    waiting.filter(({ due }) => due === undefined),
    waiting.filter(({ due }) => due !== undefined),
  ];
  const other = sum(mine.map((load) => workOf(load, slots)));
  const asked = [
    {
      job: null,
      work: other === 0 ? 0 : other + sum(byJob(dated).map((theirs) => doneBeside(theirs, mine, slots))),
      time: pace.target,
    },
    ...claims.map((claim) => ({ job: claim.job, work: claim.shared, time: secondsFor(claim, pace.boot) })),
  ].map(({ job, work, time }) => ({ job, needed: neededBy(work, time, { slots, current, boot: pace.boot }) }));
  const most = asked.reduce((a, b) => (b.needed > a.needed ? b : a));
  const width = widthIn(waiting, slots);
  const unbounded = width === 0 ? 0 : Math.max(1, Math.min(up(most.needed), up(width / slots)));
  const instances = Math.min(Math.max(unbounded, min), max);
  return {
    ...{ instances, unbounded, decides: most.needed > 0 ? most.job : null },
    late: lateWith(claims, Math.max(instances, current), { slots, current, boot: pace.boot }),
    assumed: waiting.some(({ tasks, seconds }) => tasks > 0 && seconds === null),
  };
}

function neededBy(work: number, time: number, { slots, current, boot }: Ground): number {
  const there = current * slots * time;
  // An instance that takes as long to boot as there is time still does something in the end.
  const useful = slots * Math.max(time - boot, LEAST_SECONDS);
  return work <= there ? work / (slots * time) : current + (work - there) / useful;
}

const lateWith = (claims: readonly Claim[], instances: number, ground: Ground): Late | null =>
  latestOf(claims, (claim) => endsIn(claim, instances, ground));

/** Seconds until a group's work is done by so many instances; null where none is there, or a duration isn't known. */
export function secondsToDrain(loads: readonly Load[], up: number, slots: number): number | null {
  const waiting = loads.filter(({ tasks }) => tasks > 0);
  if (up <= 0 || waiting.some(({ seconds }) => seconds === null)) return null;
  const work = waiting.map((load) => load.tasks * secondsEach(load) * heldBy(load, slots));
  return Math.ceil(sum(work) / (up * Math.max(1, slots)));
}

/** Up to a whole number, but for what adding fractions leaves. */
const up = (number: number): number => Math.ceil(number - 1e-9);

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

/**
 * Seconds without work after which a group's worker leaves, about, and its machine with it: waiting as long as booting
 * again costs is at most twice as dear as knowing what comes (docs/adr/0024).
 */
export const IDLE_EXIT = 120;
