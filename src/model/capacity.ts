import type { SpotTroubles } from './group-status.ts';
import { type Load, secondsPerTask, slotsPerTask, sum, totalWidthOf, totalWorkOf } from './load.ts';
import {
  claimsOf,
  datedLoadsByJob,
  type GroupCapacity,
  type LateJob,
  latestLateJob,
  MIN_BILLED_SECONDS,
  secondsForClaim,
  workDoneAlongside,
} from './projection.ts';

/** Seconds from an instance's launch to its worker's first heartbeat, while none was measured. */
export const USUAL_BOOT = 90;

/** The number of latest boots that count. */
export const BOOTS_KEPT = 20;

/** Bounds of the boot time for planning, seconds: a clock may be wrong, or an instance stopped in between. */
const MIN_BOOT_SECONDS = 15;

const MAX_BOOT_SECONDS = 900;

/**
 * Seconds that a boot takes: the upper quartile of the latest measurements, so that three in four are as fast and a
 * single slow one changes nothing. Within bounds; 90 before any is known.
 */
export function bootSecondsOf(measured: readonly number[]): number {
  const latest = measured.slice(-BOOTS_KEPT).sort((a, b) => a - b);
  const quartile = latest[Math.ceil(0.75 * latest.length) - 1];
  return quartile === undefined ? USUAL_BOOT : Math.min(MAX_BOOT_SECONDS, Math.max(MIN_BOOT_SECONDS, quartile));
}

export interface Fleet {
  readonly slots: number;
  /** Instances that are wanted now: they need no time to boot. */
  readonly current: number;
  readonly min: number;
  readonly max: number;
}

export interface SizingTimes {
  /** Seconds in which all waiting work should be done. */
  readonly target: number;
  /** Seconds from asking for an instance to its first task. */
  readonly boot: number;
}

export interface InstanceNeed {
  readonly instances: number;
  /** The number for the work alone, without a maximum. */
  readonly unbounded: number;
  /** The job whose deadline decides; null if the target does. */
  readonly decides: string | null;
  /** The job that still ends the latest after its deadline; null if none does. */
  readonly late: LateJob | null;
  /** True if a task's duration is `ASSUMED_SECONDS`, because none is known. */
  readonly assumed: boolean;
}

/** Half an hour: short enough for a month-end run, long beside the minute that an instance is billed for at least. */
export const DEFAULT_SIZING_TIMES: SizingTimes = { target: 1_800, boot: USUAL_BOOT };

/**
 * How many instances a group needs so that its work ends in time: jobs with a deadline by that, the others within the
 * pace's target.
 *
 *     work   = sum of tasks x seconds x slots per task             (slot-seconds)
 *     there  = current x slots x time                              (what running instances do in time)
 *     needed = work <= there ?  work / (slots x time)
 *                            :  current + (work - there) / (slots x (time - boot))
 *
 * rounded up, the most that a job or the target asks for. At most one instance for each task that may run at once
 * (`width / slots`), at least 1 when something waits, and within the bounds. It grows with the work and as a deadline
 * approaches, and never jumps back. A late job gets as many as would still shorten it. If nothing waits: `min`.
 */
export function instancesFor(
  loads: readonly Load[],
  fleet: Fleet,
  pace: SizingTimes = DEFAULT_SIZING_TIMES,
): InstanceNeed {
  const { current, min, max } = fleet;
  const slots = Math.max(1, fleet.slots);
  const capacity = { slots, current, boot: pace.boot };
  const waiting = loads.filter(({ tasks, due }) => tasks > 0 || due !== undefined);
  const claims = claimsOf(waiting, slots);
  const [undated, dated] = [
    waiting.filter(({ due }) => due === undefined),
    waiting.filter(({ due }) => due !== undefined),
  ];
  const other = totalWorkOf(undated, slots);
  const asked = [
    {
      job: null,
      work:
        other === 0
          ? 0
          : other + sum(datedLoadsByJob(dated).map((theirs) => workDoneAlongside(theirs, undated, slots))),
      time: pace.target,
    },
    ...claims.map((claim) => ({ job: claim.job, work: claim.shared, time: secondsForClaim(claim, pace.boot) })),
  ].map(({ job, work, time }) => ({ job, needed: instancesNeeded(work, time, capacity) }));
  const most = asked.reduce((a, b) => (b.needed > a.needed ? b : a));
  const width = totalWidthOf(waiting, slots);
  const unbounded = width === 0 ? 0 : Math.max(1, Math.min(roundUp(most.needed), roundUp(width / slots)));
  const instances = Math.min(Math.max(unbounded, min), max);
  return {
    instances,
    unbounded,
    decides: most.needed > 0 ? most.job : null,
    late: latestLateJob(claims, Math.max(instances, current), capacity),
    assumed: waiting.some(({ tasks, seconds }) => tasks > 0 && seconds === null),
  };
}

function instancesNeeded(work: number, time: number, { slots, current, boot }: GroupCapacity): number {
  const there = current * slots * time;
  // An instance whose boot takes all of the time still does something in the end.
  const useful = slots * Math.max(time - boot, MIN_BILLED_SECONDS);
  return work <= there ? work / (slots * time) : current + (work - there) / useful;
}

/** Seconds until that many instances have done a group's work; null without an instance, or an unknown duration. */
export function secondsToDrain(loads: readonly Load[], up: number, slots: number): number | null {
  const waiting = loads.filter(({ tasks }) => tasks > 0);
  if (up <= 0 || waiting.some(({ seconds }) => seconds === null)) return null;
  const work = waiting.map((load) => load.tasks * secondsPerTask(load) * slotsPerTask(load, slots));
  return Math.ceil(sum(work) / (up * Math.max(1, slots)));
}

/** Rounds up, ignoring the error of adding fractions. */
const roundUp = (number: number): number => Math.ceil(number - 1e-9);

export interface SpotState extends SpotTroubles {
  readonly up: number;
  /** How many of its instances are on demand before spot is used. */
  readonly base: number;
  /** The maximum of the base: the profile's bound, or what a cost limit leaves. */
  readonly most: number;
  /** Seconds since it was last raised; null if it wasn't. */
  readonly since: number | null;
}

/** Seconds to wait after it was raised: new instances take a while. */
const RAISE_COOLDOWN = 180;

/** This share of the possible replacements counts as few. */
const FEW_SHARE = 1 / 4;

/** Seconds to wait for spot, if instances bought after that still meet the deadline. */
const SPOT_WAIT = 1_800;

/** A storm: this many instances interrupted, and this share of the running ones. */
const STORM = { least: 3, part: 0.2 };

/**
 * How many instances a group should have on demand to meet a deadline that spot would miss; the unchanged base if there
 * is no such need. For spot only running instances count: those merely requested may not come. While a task's duration
 * is only assumed, buys one instance, and only if none is up. While few would be enough, and still would be half an hour
 * later, it waits for spot.
 */
export function onDemandBaseFor(
  loads: readonly Load[],
  { slots, min, max }: Omit<Fleet, 'current'>,
  spot: SpotState,
  pace: SizingTimes,
): number {
  const { up, base, most, since, refused, refusedToo, takenBack } = spot;
  const storm = takenBack >= STORM.least && takenBack >= STORM.part * up;
  if ((!refused && !storm) || refusedToo || base >= most || (since !== null && since < RAISE_COOLDOWN)) return base;
  const need = instancesFor(loads, { slots, current: up, min, max }, pace);
  if (need.decides === null) return base;
  // One instance measures how long a task takes, if none is up that will.
  if (need.assumed) return up === 0 ? base + 1 : base;
  const few = need.instances - up < Math.max(1, (most - base) * FEW_SHARE);
  const later = instancesFor(
    loadsAfter(loads, SPOT_WAIT),
    { slots, current: up, min, max: Math.min(max, up + most - base) },
    pace,
  );
  if (need.instances <= up || (few && later.late === null)) return base;
  // The base is filled first (Auto Scaling: instances distribution).
  return Math.min(most, Math.max(base, Math.min(base, up) + need.instances - up));
}

const loadsAfter = (loads: readonly Load[], seconds: number): readonly Load[] =>
  loads.map((load) => (load.due === undefined ? load : { ...load, due: { ...load.due, in: load.due.in - seconds } }));

/**
 * Seconds without work after which a group's worker leaves, approximately, and its machine with it: waiting for as long
 * as another boot costs at most doubles the cost of knowing the future (docs/adr/0024).
 */
export const IDLE_EXIT = 120;
