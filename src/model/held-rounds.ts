import { inRanges, type StepRanges } from './task-set.ts';
import { type AskedRound, type JobView, roundOf } from './view.ts';

/** A round that asked for its canaries and holds the rest back until each has an output of it. */
export interface HeldRound {
  readonly round: number;
  readonly canaries: StepRanges;
}

/**
 * The rounds that canaries hold back, oldest first. One whose canary a later round asked for again is none: what that
 * round changed was found wanting, so its rest is never asked for by it.
 */
export function heldRounds(view: JobView): readonly HeldRound[] {
  return view.asked.filter(holdsBack).filter(({ round, canaries }) => {
    for (const [step, task] of canaryTasks(canaries)) if (roundOf(view, step, task) !== round) return false;
    return true;
  });
}

function holdsBack(asked: AskedRound): asked is AskedRound & HeldRound {
  return !asked.released && asked.canaries !== null;
}

/**
 * True for a task that a retry asks for only once its canaries succeed, and that no later round asked for. Most failed
 * for good and say so themselves; one that `onFailure: stop` had given up stays given up until then.
 */
export function isHeldBack(view: JobView, step: number, task: number): boolean {
  const holder = view.asked.findLast((asked) => holdsBack(asked) && inRanges(asked.tasks.get(step), task));
  return holder !== undefined && roundOf(view, step, task) < holder.round;
}

/** Step index and number of each canary. */
export function* canaryTasks(canaries: StepRanges): Generator<readonly [step: number, task: number]> {
  for (const [step, ranges] of canaries) {
    for (const [from, to] of ranges) for (let task = from; task <= to; task += 1) yield [step, task];
  }
}
