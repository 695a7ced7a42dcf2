import { hasBarrier, sectionStart, toleratedFrom } from './job.ts';
import { UNMET_REASON } from './journal.ts';
import { lostOutputKey, lostOutputText } from './lost-outputs.ts';
import { formatTaskSet, inRanges, type StepRanges, TaskBits } from './task-set.ts';
import { type AskedRound, isSkipped, type JobView, type OpenedGather, roundOf } from './view.ts';

export interface StepFacts {
  /** How many tasks the step can have. */
  readonly size: number;
  readonly published: TaskBits;
  /** Failed for good in the round that last asked for the task, and not published. */
  readonly failed: TaskBits;
  /** The input of an opened gather, or of an opened step behind an `explode`; null for other and unopened steps. */
  readonly opened: OpenedGather | null;
  /** While canaries hold back a retry's rest: those with an output of their round. Absent: every output counts. */
  readonly canaries?: TaskBits | null;
  /** Outputs that are gone and can't be made again, as their files are tasks of the next step. Absent: none. */
  readonly lost?: TaskBits;
}

/** A job's exact standing: a pure function of its journal and a listing. */
export interface JobStanding {
  readonly steps: readonly StepStanding[];
  /** No task that the journal asks for is undecided, in any open section. */
  readonly settled: boolean;
  readonly next: NextMove;
}

export interface StepStanding {
  readonly name: string;
  readonly total: number;
  readonly published: number;
  /** Failed for good, or given up and held back by canaries since; without those that a person skipped. */
  readonly failed: number;
  readonly skipped: number;
  /** Asked for, and not published, failed for good or skipped: running, waiting, or missing. */
  readonly undecided: TaskBits;
}

/** The reason of a job that failed because an output is lost that can't be made again. */
export const LOST_OUTPUT_REASON = 'lostOutput';

/** The reason of a job that failed because its exploding step made more files than the job may have tasks. */
export const TOO_MANY_FILES_REASON = 'maxTasks';

/** The reason of a job that failed because more tasks failed for good than it tolerates. */
export const FAILURES_REASON = 'failures';
/** The same, and `onFailure: stop` gave up the other tasks. */
export const STOPPED_REASON = 'stopped';

export type NextMove =
  | { readonly move: 'wait' }
  /** `count`: the number of outputs of the previous step to take. */
  | { readonly move: 'open'; readonly step: number; readonly count: number; readonly leftOut: string }
  | { readonly move: 'retry-rest'; readonly round: number }
  | {
      readonly move: 'close';
      readonly state: 'succeeded' | 'failed' | 'cancelled';
      readonly reason: string | null;
      readonly detail?: string;
    };

/** Decides what a job needs next. The facts are in step order. */
export function standingOf(view: JobView, facts: readonly StepFacts[]): JobStanding {
  const { steps } = view.record.spec;
  const standings = steps.map((step, index) => stepStanding(view, facts, index, step.name));
  const settled = standings.every((step) => step.undecided.count === 0);
  return { steps: standings, settled, next: nextMove(view, facts, standings) };
}

/**
 * True if the job was closed because too many tasks had failed for good, and no longer would be: late attempts have
 * published outputs of failed tasks since. No watcher reopens it; a retry does, which also ends a `stop`.
 */
export function noLongerFails(view: JobView, facts: readonly StepFacts[]): boolean {
  const { closed } = view;
  if (closed?.reason !== FAILURES_REASON && closed?.reason !== STOPPED_REASON) return false;
  // As if an earlier round had closed it: repeating the journal's last close isn't a move.
  const { next } = standingOf({ ...view, stopped: null, closed: { ...closed, round: -1 } }, facts);
  return !(next.move === 'close' && next.state === 'failed');
}

function stepStanding(view: JobView, facts: readonly StepFacts[], index: number, name: string): StepStanding {
  const fact = factOf(facts, index);
  const undecided = new TaskBits(fact.size);
  // A skipped task never fails the job.
  const skippedFailed = view.skipped.length === 0 ? 0 : countWhere(fact.failed, (n) => isSkipped(view, index, n));
  let skipped = skippedFailed;
  let heldBack = 0;
  for (const n of runnableTasks(view, facts, index)) {
    if (fact.published.has(n) || fact.failed.has(n) || fact.lost?.has(n)) continue;
    if (isSkipped(view, index, n)) skipped += 1;
    else if (isHeldBack(view, index, n)) heldBack += 1;
    else undecided.add(n);
  }
  const failed = fact.failed.count - skippedFailed + heldBack;
  return { name, total: fact.size, published: fact.published.count, failed, skipped, undecided };
}

function countWhere(tasks: Iterable<number>, which: (n: number) => boolean): number {
  let count = 0;
  for (const n of tasks) if (which(n)) count += 1;
  return count;
}

/** The tasks of the step that can run now: its part is there, or its predecessor is published, or it was opened. */
function runnableTasks(view: JobView, facts: readonly StepFacts[], index: number): Iterable<number> {
  const fact = factOf(facts, index);
  const { steps } = view.record.spec;
  if (hasBarrier(steps, index)) return fact.opened === null ? [] : range(fact.size);
  if (index === 0) return range(fact.size);
  return factOf(facts, index - 1).published;
}

function nextMove(view: JobView, facts: readonly StepFacts[], standings: readonly StepStanding[]): NextMove {
  if (view.cancelled) return close(view, 'cancelled', null);
  const lost = lostOutputText(view, facts);
  if (lost !== null) {
    // A result that is closed stands: `verify` says what it lacks.
    if (view.closed !== null || view.paused !== null) return { move: 'wait' };
    return {
      move: 'close',
      state: 'failed',
      reason: LOST_OUTPUT_REASON,
      detail: `${lost} (${lostOutputKey(view, facts)})`,
    };
  }
  const canary = canaryMove(view, facts);
  if (canary !== null) return canary;
  const { steps } = view.record.spec;
  const givenUp = view.stopped !== null;
  // Also waits for tasks behind a section that fails now because its tolerance was lowered after its gather was opened:
  // a close leaves none undecided.
  if (!givenUp && standings.some((step) => step.undecided.count > 0)) return { move: 'wait' };
  for (let start = 0; start < steps.length; ) {
    const end = sectionEnd(view, start);
    const section = standings.slice(start, end + 1);
    const undecided = section.reduce((sum, step) => sum + step.undecided.count, 0);
    const failed = section.reduce((sum, step) => sum + step.failed, 0) + undecided;
    const last = end === steps.length - 1;
    if (failed > toleratedFrom(view, start, factOf(facts, start).size)) {
      return view.paused === null
        ? close(view, 'failed', givenUp ? STOPPED_REASON : FAILURES_REASON)
        : { move: 'wait' };
    }
    if (view.paused !== null) return { move: 'wait' };
    if (last) return close(view, 'succeeded', null);
    const barrier = end + 1;
    if (factOf(facts, barrier).opened === null) {
      return closedForTooManyFiles(view) ? { move: 'wait' } : openMove(facts, end, barrier);
    }
    start = barrier;
  }
  return { move: 'wait' };
}

/** True if the job was closed because the explode made more than `maxTasks` files: counting again gives the same. */
function closedForTooManyFiles({ closed, round }: JobView): boolean {
  return closed?.reason === TOO_MANY_FILES_REASON && closed.round === round;
}

function openMove(facts: readonly StepFacts[], end: number, step: number): NextMove {
  const { published, size } = factOf(facts, end);
  const leftOut = formatTaskSet(missingFrom(published, size));
  return { move: 'open', step, count: published.count, leftOut };
}

/**
 * Once every canary has an output made by its round, the rest is asked for. A failed canary holds it back, and the job
 * closes. One published after the close doesn't open the job again: the watcher that closed it may be deleting the
 * round's open mark at that moment, and a job without a mark has no watchers. A person's retry puts a mark of its own.
 */
function canaryMove(view: JobView, facts: readonly StepFacts[]): NextMove | null {
  if (view.closed !== null) return null;
  const passed = heldRounds(view).find(({ canaries }) => {
    for (const [step, task] of canaryTasks(canaries)) {
      const fact = factOf(facts, step);
      if (!(fact.canaries ?? fact.published).has(task)) return false;
    }
    return true;
  });
  return passed === undefined ? null : { move: 'retry-rest', round: passed.round };
}

/** A close that repeats the journal's last one isn't a move. */
function close(view: JobView, state: 'succeeded' | 'failed' | 'cancelled', reason: string | null): NextMove {
  const closed = view.closed;
  if (closed !== null && closed.round === view.round) {
    const unmet = closed.reason === UNMET_REASON && state === 'succeeded';
    if (closed.state === state || unmet) return { move: 'wait' };
  }
  return { move: 'close', state, reason };
}

function sectionEnd(view: JobView, start: number): number {
  const { steps } = view.record.spec;
  let end = start;
  while (end + 1 < steps.length && sectionStart(steps, end + 1) === start) end += 1;
  return end;
}

export function factOf(facts: readonly StepFacts[], index: number): StepFacts {
  const fact = facts[index];
  if (fact === undefined) throw new RangeError(`no facts of step ${index}`);
  return fact;
}

function* missingFrom(bits: TaskBits, size: number): Generator<number> {
  for (let n = 0; n < size; n += 1) if (!bits.has(n)) yield n;
}

/** The numbers from 0 to below `size`. */
export function* range(size: number, first = 0): Generator<number> {
  for (let n = first; n < first + size; n += 1) yield n;
}

/** A round that asked for its canaries and holds back the rest until each has an output made by it. */
interface HeldRound {
  readonly round: number;
  readonly canaries: StepRanges;
}

/**
 * The rounds that canaries hold back, oldest first. If a later round asked for a canary again, its earlier round no
 * longer counts: its change was not good enough, so its rest is never asked for by it.
 */
export function heldRounds(view: JobView): readonly HeldRound[] {
  return view.asked.filter(isHeldRound).filter(({ round, canaries }) => {
    for (const [step, task] of canaryTasks(canaries)) if (roundOf(view, step, task) !== round) return false;
    return true;
  });
}

function isHeldRound(asked: AskedRound): asked is AskedRound & HeldRound {
  return !asked.released && asked.canaries !== null;
}

/**
 * True for a task that a retry asks for only once its canaries succeed, unless a later round asked for it. Most of
 * these failed for good and have an entry of their own; one that `onFailure: stop` gave up stays given up until then.
 */
export function isHeldBack(view: JobView, step: number, task: number): boolean {
  const holder = view.asked.findLast((asked) => isHeldRound(asked) && inRanges(asked.tasks.get(step), task));
  return holder !== undefined && roundOf(view, step, task) < holder.round;
}

export function* canaryTasks(canaries: StepRanges): Generator<readonly [step: number, task: number]> {
  for (const [step, ranges] of canaries) {
    for (const [from, to] of ranges) for (let task = from; task <= to; task += 1) yield [step, task];
  }
}
