import type { StepCounts } from './ledger/records.ts';

/** A step's failing tasks that concern the program that runs now: since its round began, or a person resumed. */
export interface FailingStep {
  /** Different tasks with a failed attempt. */
  readonly tasks: number;
  /** Among the newest of those failures: how many different tasks failed on each worker. */
  readonly byWorker: ReadonlyMap<string, number>;
  /** Tasks of the step that succeeded in the same time. */
  readonly succeeded: number;
  /** Running attempts in the ledger: those that have run for longer than a moment. */
  readonly running: number;
  /** Those of them that have run for twice as long as the longest of the newest failures took. */
  readonly survivors: number;
  /** Duration of the longest of the newest failures, seconds. */
  readonly longest: number;
  /** The cause that all of the newest failures share; null if they differ. */
  readonly alike: string | null;
  /** Live workers of the step's group on which none of its tasks failed: they may be the healthy ones. */
  readonly others: number;
  /** Seconds between the 20th failed task (`MANY_TASKS`) and the newest one. */
  readonly watched: number;
}

/** Different tasks that must have failed: more than a month's bad inputs, and few enough to be reached soon. */
export const MANY_TASKS = 20;
/** So many must have failed on workers other than the one with the most: otherwise its machine may be the cause. */
const MIN_FAILED_ELSEWHERE = 5;
/** Successes that reach this share of the failures show that the program works: the inputs are bad. */
const MAX_SUCCESS_SHARE = 1 / 20;
/** Seconds that attempts begun with the failures get to show a result, beside twice the time that failing takes. */
const WATCH_SECONDS = { least: 2, most: 120 };
/** After this many resumes in a round a person has seen it and decided: the job isn't paused again. */
const MAX_PAUSES = 2;

/**
 * Whether the program is to blame, and neither inputs nor a machine: many tasks fail on several workers, and almost
 * none succeeds. Or the first 20 all fail alike on all workers that there are, be it one, and nothing else has happened. If more are running than have failed, those may still succeed; so may those that keep running where
 * others fail: bad inputs that come first fail at once, while good ones take their time.
 */
export function isBadDeployment(step: FailingStep): boolean {
  const { tasks, byWorker, succeeded, running, survivors, longest, watched, alike, others } = step;
  if (tasks < MANY_TASKS || tasks < running || succeeded + survivors > tasks * MAX_SUCCESS_SHARE) return false;
  if (alike !== null && others === 0 && succeeded === 0 && survivors === 0) return true;
  if (watched < Math.min(WATCH_SECONDS.most, WATCH_SECONDS.least + 2 * longest)) return false;
  const counts = [...byWorker.values()].sort((a, b) => b - a);
  return counts.slice(1).reduce((sum, count) => sum + count, 0) >= MIN_FAILED_ELSEWHERE;
}

/** Whether an attempt has run long enough, in seconds, to be a survivor. */
export const isSurvivor = (seconds: number, longest: number): boolean => seconds > 2 * longest;

/** Whether the counters of a step in its first round allow a bad deployment: otherwise nothing is listed. */
export const mayBeBadDeployment = ({
  done,
  failed,
  retried,
}: Pick<StepCounts, 'done' | 'failed' | 'retried'>): boolean =>
  failed + retried >= MANY_TASKS && done <= (failed + retried) * MAX_SUCCESS_SHARE;

export interface BreakerTrip {
  readonly step: string;
  readonly round: number;
  /** Tasks of the step that were done by then, among those that the round asked for. */
  readonly done: number;
  /** The cause that all failures shared. After a person resumed the round, this cause doesn't pause it again. */
  readonly alike?: string;
}

/**
 * Whether the guard still applies to a step's round, if all its failures share this cause, and how many of its tasks were
 * done at the last resume.
 */
export function breakerStateOf(
  tripped: readonly BreakerTrip[],
  step: string,
  round: number,
  alike: string | null = null,
): { readonly applies: boolean; readonly done: number } {
  const before = tripped.filter((trip) => trip.step === step && trip.round === round);
  const known = alike !== null && before.some((trip) => trip.alike === alike);
  return { applies: before.length < MAX_PAUSES && !known, done: before.at(-1)?.done ?? 0 };
}

/** After this many consecutive failures it is time to look, then after half as many again each time. */
const FIRST_LOOK = 2;

/** Counts consecutive failures, by step, and says when to look at the step. Each worker counts for itself. */
export class FailureStreaks {
  readonly #streaks = new Map<string, { count: number; next: number }>();
  #quietUntil = Number.NEGATIVE_INFINITY;

  /** An attempt failed. True: look now. `now`: monotonic milliseconds. */
  recordFailure(step: string, now: number): boolean {
    const streak = this.#streaks.get(step) ?? { count: 0, next: FIRST_LOOK };
    this.#streaks.set(step, streak);
    streak.count += 1;
    if (streak.count < streak.next || now < this.#quietUntil) return false;
    streak.next = Math.ceil(streak.count * 1.5);
    return true;
  }

  /** Records how long a look took. It may be a long listing: looks get at most a tenth of a worker's time. */
  recordLook(began: number, now: number): void {
    this.#quietUntil = now + 9 * (now - began);
  }

  recordSuccess(step: string): void {
    this.#streaks.delete(step);
  }
}
