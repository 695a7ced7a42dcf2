import { isClosed, type JobState } from '../job-state.ts';
import { addDecimals, type DecimalSums } from './decimals.ts';
import type { AttemptEvent, AttemptOutcome, LedgerJob, StepCounts, TaskState } from './records.ts';

/**
 * The effect of events on a task and on its step's counts, as pure functions. A task's standing is a function of the
 * set of its merged attempts, so events may come in any order, late or twice: the same set gives the same standing, and
 * a change of counts is the difference of two standings.
 */

/** States of a task that a ledger can derive from attempts. */
export type KnownTaskState = Exclude<TaskState, 'skipped'>;

/** An attempt's progress: a later stage replaces an earlier one, in whatever order they arrive. */
const RANK: Readonly<Record<AttemptOutcome, number>> = {
  running: 0,
  interrupted: 1,
  failedAttempt: 2,
  failed: 3,
  done: 4,
};

/** An attempt after one more event. Returns `before` itself if the event adds nothing. */
export function mergeAttempt(before: AttemptEvent | undefined, event: AttemptEvent): AttemptEvent {
  if (before === undefined) return event;
  const rise = RANK[event.outcome] - RANK[before.outcome];
  if (rise > 0) {
    return {
      ...event,
      waitSeconds: event.waitSeconds ?? before.waitSeconds,
      endedAt: event.endedAt ?? before.endedAt,
    };
  }
  return rise === 0 ? fillIn(before, event) : fillStart(before, event);
}

const FILLED = [
  ...(['endedAt', 'waitSeconds', 'exitCode', 'reason', 'error', 'cpuSeconds', 'peakMemory'] as const),
  ...(['bytesIn', 'bytesOut'] as const),
] as const;

/** The same fact from two sides (the worker, a rebuild from the store): each may know what the other doesn't. */
function fillIn(before: AttemptEvent, event: AttemptEvent): AttemptEvent {
  const knows = FILLED.some((field) => before[field] === null && event[field] !== null);
  if (!knows && (!isEmpty(before.counters) || isEmpty(event.counters))) return before;
  return {
    ...before,
    endedAt: before.endedAt ?? event.endedAt,
    waitSeconds: before.waitSeconds ?? event.waitSeconds,
    exitCode: before.exitCode ?? event.exitCode,
    reason: before.reason ?? event.reason,
    error: before.error ?? event.error,
    cpuSeconds: before.cpuSeconds ?? event.cpuSeconds,
    peakMemory: before.peakMemory ?? event.peakMemory,
    bytesIn: before.bytesIn ?? event.bytesIn,
    bytesOut: before.bytesOut ?? event.bytesOut,
    counters: isEmpty(before.counters) ? event.counters : before.counters,
  };
}

/** A late `running` still has the task's wait, and a weaker end has its end time. */
function fillStart(before: AttemptEvent, event: AttemptEvent): AttemptEvent {
  const waitSeconds = before.waitSeconds ?? event.waitSeconds;
  const endedAt = before.endedAt ?? event.endedAt;
  if (waitSeconds === before.waitSeconds && endedAt === before.endedAt) return before;
  return { ...before, waitSeconds, endedAt };
}

function isEmpty(counters: Readonly<Record<string, string>>): boolean {
  for (const _ in counters) return false;
  return true;
}

export interface TaskStanding {
  readonly state: KnownTaskState;
  readonly round: number;
  readonly attempts: number;
  /** The attempt that decides the state: the winner, the one that failed for good, or the latest of the round. */
  readonly by: AttemptEvent | undefined;
}

/** A task's standing, given all its attempts: done is final; otherwise the latest round decides. */
export function standingOf(attempts: Iterable<AttemptEvent>): TaskStanding {
  let count = 0;
  let round = 0;
  let winner: AttemptEvent | undefined;
  let failed: AttemptEvent | undefined;
  let latest: AttemptEvent | undefined;
  for (const attempt of attempts) {
    count += 1;
    if (attempt.outcome === 'done' && (winner === undefined || publishedBefore(attempt, winner))) winner = attempt;
    if (attempt.round > round) {
      round = attempt.round;
      failed = undefined;
      latest = undefined;
    }
    if (attempt.round < round) continue;
    if (latest === undefined || startedBefore(latest, attempt)) latest = attempt;
    if (attempt.outcome === 'failed' && (failed === undefined || startedBefore(failed, attempt))) failed = attempt;
  }
  if (winner !== undefined) return { state: 'done', round, attempts: count, by: winner };
  if (failed !== undefined) return { state: 'failed', round, attempts: count, by: failed };
  return { state: latest?.outcome === 'running' ? 'running' : 'waiting', round, attempts: count, by: latest };
}

/** The store lets only one attempt publish; if two claim it, the one that ended first counts. */
function publishedBefore(a: AttemptEvent, b: AttemptEvent): boolean {
  const [aEnd, bEnd] = [a.endedAt ?? Number.POSITIVE_INFINITY, b.endedAt ?? Number.POSITIVE_INFINITY];
  return aEnd === bEnd ? a.attempt < b.attempt : aEnd < bEnd;
}

/** By number first: it grows with recorded failures, while two workers' clocks may disagree. */
function startedBefore(a: AttemptEvent, b: AttemptEvent): boolean {
  if (a.number !== b.number) return a.number < b.number;
  return a.startedAt === b.startedAt ? a.attempt < b.attempt : a.startedAt < b.startedAt;
}

export interface Delta extends Omit<RoundSums, 'movedAt'> {
  /** True once anything was added, even a sum of zero: the step changed. */
  counted: boolean;
  round: number;
  running: number;
  done: number;
  failed: number;
}

export function emptyDelta(): Delta {
  return { counted: false, round: 0, running: 0, done: 0, failed: 0, ...emptySums() };
}

/**
 * Adds to `delta` the change of the step from one standing to the next. Adds nothing while the task's round is within
 * `exactRound`: the totals taken from the store then include it already (-1: none were taken).
 */
export function addTransition(delta: Delta, before: TaskStanding, after: TaskStanding, exactRound: number): void {
  if (after.round <= exactRound) return;
  delta.counted = true;
  delta.round = Math.max(delta.round, after.round);
  // Exact totals contain no running tasks, so one that ran when they were taken isn't counted as running.
  if (!(before.state === 'running' && before.round <= exactRound)) addState(delta, before.state, -1);
  addState(delta, after.state, 1);
  const [lost, won] = [winnerOf(before), winnerOf(after)];
  if (lost === won) return;
  if (lost !== undefined) addTotals(delta, lost, -1);
  if (won !== undefined) addTotals(delta, won, 1);
}

/** Adds the effect of an attempt's new outcome: each attempt counts once, by its final outcome. */
export function addOutcome(
  delta: Delta,
  before: AttemptEvent | undefined,
  after: AttemptEvent,
  exactRound: number,
): void {
  if (after.round <= exactRound) return;
  delta.counted = true;
  delta.round = Math.max(delta.round, after.round);
  if (before?.outcome === after.outcome) return;
  if (before?.outcome === 'failedAttempt') delta.retried -= 1;
  if (before?.outcome === 'interrupted') delta.interrupted -= 1;
  if (after.outcome === 'failedAttempt') delta.retried += 1;
  if (after.outcome === 'interrupted') delta.interrupted += 1;
}

function addState(delta: Delta, state: KnownTaskState, by: 1 | -1): void {
  if (state !== 'waiting') delta[state] += by;
}

function winnerOf(standing: TaskStanding): AttemptEvent | undefined {
  return standing.state === 'done' ? standing.by : undefined;
}

/** Adds (or with -1 subtracts) a winning attempt's values to its step's sums. */
function addTotals(
  delta: Pick<Delta, 'bytesIn' | 'bytesOut' | 'millis' | 'counters'>,
  winner: AttemptEvent,
  by: 1 | -1,
): void {
  delta.bytesIn += by * (winner.bytesIn ?? 0);
  delta.bytesOut += by * (winner.bytesOut ?? 0);
  // Whole milliseconds: their sums are exact, so that subtracting restores the earlier value.
  if (winner.endedAt !== null) delta.millis += by * Math.max(0, Math.round(winner.endedAt - winner.startedAt));
  addDecimals(delta.counters, winner.counters, by);
}

/**
 * The counts of a writer that sees only its own events, by round, as pure functions. The sums of several writers add up
 * to the step's if their tasks are disjoint; for a task that two of them know, subtract what each counted and add the
 * merged result.
 */
export interface RoundSums {
  retried: number;
  interrupted: number;
  bytesIn: number;
  bytesOut: number;
  millis: number;
  /** When the round last changed, milliseconds since the epoch; null if it never did. */
  movedAt: number | null;
  readonly counters: DecimalSums;
}

export type SumsByRound = Map<number, RoundSums>;

const emptySums = (): Omit<RoundSums, 'movedAt'> => ({
  retried: 0,
  interrupted: 0,
  bytesIn: 0,
  bytesOut: 0,
  millis: 0,
  counters: new Map(),
});

export function sumsOf(sums: SumsByRound, round: number): RoundSums {
  let found = sums.get(round);
  if (found === undefined) {
    found = { ...emptySums(), movedAt: null };
    sums.set(round, found);
  }
  return found;
}

/** Adds (or with -1 subtracts) all attempts of one task: outcomes to their rounds, totals to the winner's round. */
export function addTaskAttempts(sums: SumsByRound, attempts: readonly AttemptEvent[], by: 1 | -1): void {
  for (const { outcome, round } of attempts) {
    if (outcome === 'failedAttempt') sumsOf(sums, round).retried += by;
    if (outcome === 'interrupted') sumsOf(sums, round).interrupted += by;
  }
  const { state, by: winner } = standingOf(attempts);
  if (state === 'done' && winner !== undefined) addTotals(sumsOf(sums, winner.round), winner, by);
}

/** A task's standing in each round of its attempts. */
export function statesByRound(attempts: readonly AttemptEvent[]): ReadonlyMap<number, KnownTaskState> {
  const states = new Map<number, KnownTaskState>();
  for (const { round } of attempts) {
    if (states.has(round)) continue;
    states.set(round, standingOf(attempts.filter((each) => each.round === round)).state);
  }
  return states;
}

/** Attempts merged by id, in the order in which they first appeared. */
export function mergeAll(events: Iterable<AttemptEvent>): AttemptEvent[] {
  const merged = new Map<string, AttemptEvent>();
  for (const event of events) merged.set(event.attempt, mergeAttempt(merged.get(event.attempt), event));
  return [...merged.values()];
}

type EndedTasks = Pick<StepCounts, 'done' | 'failed'>;

/** The counts of a step at which nothing has happened yet. */
export function noCounts(step: string): StepCounts {
  return {
    step,
    running: 0,
    done: 0,
    failed: 0,
    retried: 0,
    interrupted: 0,
    bytesIn: 0,
    bytesOut: 0,
    counters: {},
    seconds: 0,
    movedAt: null,
    exact: false,
  };
}

/**
 * Compares two exact totals of the same round: negative if `a` was taken earlier, 0 if they are equal. A done task
 * stays done, while one that failed for good may be published late: so the done tasks decide first.
 */
export function compareExact(a: EndedTasks, b: EndedTasks): number {
  return a.done === b.done ? a.failed - b.failed : a.done - b.done;
}

/**
 * Whether a new statement about a job replaces the earlier one: one of a higher round does, one of a lower round
 * doesn't. Within a round a submitted job becomes running or paused, these two alternate freely, and closed states
 * stay, or change to one closed later.
 */
export function supersedes(
  before: Pick<LedgerJob, 'state' | 'round' | 'closedAt'>,
  now: Pick<LedgerJob, 'state' | 'round' | 'closedAt'>,
): boolean {
  if (now.round !== before.round) return now.round > before.round;
  if (isClosed(now.state) && isClosed(before.state)) return (now.closedAt ?? 0) >= (before.closedAt ?? 0);
  return stageOf(now.state) >= stageOf(before.state);
}

/** A state's progress: submitted, then open, then closed. */
export function stageOf(state: JobState): number {
  if (isClosed(state)) return 2;
  return state === 'submitted' ? 0 : 1;
}
