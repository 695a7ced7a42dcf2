/** A step's failing tasks, as far as they say something of the program that runs now: since its round began, or a person resumed. */
export interface FailingStep {
  /** Different tasks of which an attempt failed. */
  readonly tasks: number;
  /** Of the newest of those failures: how many different tasks failed on each worker. */
  readonly byWorker: ReadonlyMap<string, number>;
  /** Tasks of the step that were done meanwhile. */
  readonly succeeded: number;
  /** Attempts that run, of which it was told: those that have run for longer than a moment. */
  readonly running: number;
  /** Of them: those that have run for twice as long as the longest of the newest failures took. */
  readonly survivors: number;
  /** Seconds that the longest of the newest failures took. */
  readonly longest: number;
  /** Seconds from the failure with which there were enough of them to the newest. */
  readonly watched: number;
}

/** So many different tasks must have failed: more than the bad inputs that a month has, and too few to miss for long. */
export const MANY_TASKS = 20;
/** So many of them on others than the worker with the most: else it may be that worker's machine. */
const ELSEWHERE = 5;
/** One that succeeds a so large part of those that fail shows that the program works, and the inputs don't. */
const SUCCEEDS = 1 / 20;
/** So long, seconds, and for twice the time that failing takes, what began beside the failures has to show itself. */
const PATIENCE = { least: 2, most: 120 };
/** A person who has resumed as often in a round has seen it, and decided: it is not paused again. */
const PAUSES = 2;

/**
 * Whether a program, and neither inputs nor a machine, is to blame: many tasks fail on several workers, and next to
 * none succeeds. Where more are at it than have failed, those may yet succeed; so may those that live on where others
 * fail: bad inputs that come first fail at once, while good ones take their time.
 */
export function isBadDeployment(step: FailingStep): boolean {
  const { tasks, byWorker, succeeded, running, survivors, longest, watched } = step;
  if (tasks < MANY_TASKS || tasks < running || succeeded + survivors > tasks * SUCCEEDS) return false;
  if (watched < Math.min(PATIENCE.most, PATIENCE.least + 2 * longest)) return false;
  const counts = [...byWorker.values()].sort((a, b) => b - a);
  return counts.slice(1).reduce((sum, count) => sum + count, 0) >= ELSEWHERE;
}

/** How long an attempt that runs has run, seconds, to be a survivor. */
export const survives = (seconds: number, longest: number): boolean => seconds > 2 * longest;

/** Whether counters of a step in its first round leave it possible: else nothing is listed. */
export const mayBeBad = ({ done, failed, retried }: { done: number; failed: number; retried: number }): boolean =>
  failed + retried >= MANY_TASKS && done <= (failed + retried) * SUCCEEDS;

/** A pause by this guard, as the job's view keeps it. */
export interface Tripped {
  readonly step: string;
  readonly round: number;
  /** Tasks of the step that were done by then, of those that the round asked for. */
  readonly done: number;
}

/** Whether the guard still speaks of a step's round, and how many of its tasks were done when a person last resumed. */
export function guardOf(
  tripped: readonly Tripped[],
  step: string,
  round: number,
): { readonly speaks: boolean; readonly done: number } {
  const before = tripped.filter((trip) => trip.step === step && trip.round === round);
  return { speaks: before.length < PAUSES, done: before.at(-1)?.done ?? 0 };
}

/** After so many failures in a row it is time to look, then after half as many again each time. */
const FIRST_LOOK = 2;

/** Counts failures in a row, by step, and says when it is time to look at the step. Nothing of it is shared. */
export class Streaks {
  readonly #streaks = new Map<string, { count: number; next: number }>();
  #quietUntil = Number.NEGATIVE_INFINITY;

  /** An attempt failed. True: look now. `now`: milliseconds that only go forward. */
  failed(step: string, now: number): boolean {
    const streak = this.#streaks.get(step) ?? { count: 0, next: FIRST_LOOK };
    this.#streaks.set(step, streak);
    streak.count += 1;
    if (streak.count < streak.next || now < this.#quietUntil) return false;
    streak.next = Math.ceil(streak.count * 1.5);
    return true;
  }

  /** A look took that long. In a round of a million tasks it is a long listing: looks have a tenth of a worker's time. */
  looked(began: number, now: number): void {
    this.#quietUntil = now + 9 * (now - began);
  }

  succeeded(step: string): void {
    this.#streaks.delete(step);
  }
}
