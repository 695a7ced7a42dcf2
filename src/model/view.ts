import type { DeliveryStatus, JournalGap } from './answers/status.ts';
import type { BreakerTrip } from './breaker.ts';
import { type JobRecord, type StepSpec, sectionStart, type Tolerance } from './job.ts';
import type { JobState } from './job-state.ts';
import type { Overrides } from './journal.ts';
import type { EventKind } from './notify.ts';
import { inRanges, type StepRanges } from './task-set.ts';

/** True once its tasks may begin, as far as its start (`notBefore`) is in the way. `now`: milliseconds since the epoch. */
export const hasStarted = ({ notBefore }: Pick<JobView, 'notBefore'>, now: number): boolean =>
  notBefore === null || Date.parse(notBefore) <= now;

/** A job as described by its journal: the result of `foldJournal` for the record and its entries. */
export interface JobView {
  /** The job with all that was added to it. */
  readonly record: JobRecord;
  /** job.json: the job as accepted. */
  readonly accepted: JobRecord;
  readonly next: number;
  /** A missing entry with later ones present, which are not in the view. Null for a complete journal. */
  readonly hole: JournalGap | null;
  readonly sent: boolean;
  readonly paused: {
    readonly now: boolean;
    readonly reason: string;
    /** The finding of the guard that paused it. */
    readonly detail: string | null;
    readonly who: string;
    readonly when: string;
  } | null;
  /** The number of the entry by which a person last resumed it; null if there is none. */
  readonly resumedAt: number | null;
  /** When that was, ISO-8601 UTC. */
  readonly resumedWhen: string | null;
  /** The pauses because its program seemed faulty, oldest first. */
  readonly tripped: readonly BreakerTrip[];
  readonly cancelled: boolean;
  readonly stopped: string | null;
  readonly closed: {
    readonly state: 'succeeded' | 'failed' | 'cancelled';
    readonly reason: string | null;
    readonly round: number;
    readonly when: string;
    /** The reason in words, with what the code doesn't say. */
    readonly detail?: string;
  } | null;
  /** The round of the last retry, or of the last skip that opened a closed job again; 0 if there is none. */
  readonly round: number;
  readonly asked: readonly AskedRound[];
  /** The tasks that a person skipped: empty, or one set. */
  readonly skipped: readonly StepRanges[];
  /** Those of them that had failed for good when they were skipped. */
  readonly skippedFailed: StepRanges;
  /** Tasks that a person failed, each with the round at that time. */
  readonly killed: readonly { readonly round: number; readonly tasks: StepRanges }[];
  /** Control totals that a person accepted, each with the sides that it had then. */
  readonly acceptedTotals: readonly AcceptedTotal[];
  readonly tolerance: Tolerance;
  readonly maxRunning: number | null;
  /** ISO-8601 UTC: no task begins before it; null: no restriction. */
  readonly notBefore: string | null;
  /** ISO-8601 UTC: the deadline; null without one. */
  readonly finishBy: string | null;
  /** USD; null without a limit. */
  readonly maxCost: number | null;
  readonly overrides: Overrides;
  /** The total number of resends. How many came since the last progress is known only to watchers. */
  readonly resends: number;
  /**
   * The number of tasks of each opened step behind an `explode`, by that step's index, from its opened.json, which is
   * written once. A missing step isn't open yet, and its tasks can't be known.
   */
  readonly exploded: ReadonlyMap<number, number>;
  /** The content of `open` entries, by step index: the opened.json may not exist yet. */
  readonly opened: ReadonlyMap<number, OpenedGather>;
  /** The delivery of the last close's outputs; null while the job is open. */
  readonly delivery: DeliveryFacts | null;
  /** Notifiable facts, oldest first. */
  readonly news: readonly NewsFact[];
  /** Who removed its parts, outputs and logs, and when (ISO-8601 UTC); null if they weren't removed. */
  readonly pruned: { readonly who: string; readonly when: string } | null;
}

/** opened.json: the exact input of a gather, or of a step behind an `explode`. */
export interface OpenedGather {
  readonly format: 1;
  readonly id: string;
  /** For a gather, the number of outputs it takes; behind an `explode`, the number of files, and so of tasks. */
  readonly count: number;
  readonly leftOut: string;
}

export interface DeliveryFacts {
  readonly after: number;
  readonly delivered: DeliveryStatus['delivered'];
  /** The last failed try; null if there is none, and once it is delivered. */
  readonly failed: DeliveryStatus['failed'];
}

/** A notifiable fact in the journal: an end, or a pause by a guard. */
export interface NewsFact {
  readonly entry: number;
  readonly kind: Extract<EventKind, 'succeeded' | 'failed' | 'paused' | 'budget'>;
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'paused';
  readonly when: string;
  readonly reason: string | null;
  readonly detail: string | null;
}

export interface AskedRound {
  readonly round: number;
  readonly tasks: StepRanges;
  /** Null without canaries. */
  readonly canaries: StepRanges | null;
  /** False while canaries hold the rest back. */
  readonly released: boolean;
  /** Steps behind a barrier, by index, that were already open: it asks only for tasks of them that it names. */
  readonly opened: readonly number[];
  /** The changes of this round and those before it. */
  readonly overrides: Overrides;
}

export interface AcceptedTotal {
  readonly equation: string;
  readonly left: string;
  readonly right: string;
  readonly reason: string;
  readonly who: string;
  /** ISO-8601 UTC. */
  readonly when: string;
}

/** Who accepted a control total with these very sides, and why; null: no one did. Other sides need a new decision. */
export function acceptanceOf(
  { acceptedTotals }: Pick<JobView, 'acceptedTotals'>,
  total: { readonly equation: string; readonly left: string | null; readonly right: string | null },
): AcceptedTotal | null {
  const { equation, left, right } = total;
  const found = acceptedTotals.findLast(
    (each) => each.equation === equation && each.left === left && each.right === right,
  );
  return found ?? null;
}

export function stateOf(view: JobView): JobState {
  if (view.cancelled) return 'cancelled';
  if (view.closed !== null) return view.closed.state;
  if (view.paused !== null) return 'paused';
  return view.sent ? 'running' : 'submitted';
}

export function reasonOf(view: JobView): string | null {
  if (view.closed !== null) return view.closed.reason;
  if (view.paused !== null) return view.paused.reason;
  return view.stopped === null ? null : 'stopped';
}

/**
 * The round that last asked for a task (0 without a retry): its messages carry it, and its `failed/` must name it. A
 * chain asked for at an earlier step of its section is also asked for at the later ones. A step that waits for all
 * chains (a gather) is asked for by the last round that asked for one of them, so that it begins with that round's
 * changes.
 */
export function roundOf(view: JobView, step: number, task: number): number {
  for (let i = view.asked.length - 1; i >= 0; i -= 1) {
    const asked = view.asked[i];
    if (asked === undefined) continue;
    const tasks = asked.released ? asked.tasks : asked.canaries;
    if (tasks === null) continue;
    const { steps } = view.record.spec;
    if (sectionHas(steps, tasks, step, task)) return asked.round;
    const start = sectionStart(steps, step);
    if (areAllBefore(tasks, start) && !asked.opened.includes(start)) return asked.round;
  }
  return 0;
}

/** The changes that apply to a task, by its last round and those before. (`model/overrides.ts` applies them.) */
export function overridesOf(view: JobView, step: number, task: number): Overrides {
  const round = roundOf(view, step, task);
  return round === 0 ? {} : (view.asked.find((asked) => asked.round === round)?.overrides ?? {});
}

/** True if all tasks asked for are before a barrier: what is behind it is opened after that. */
function areAllBefore(tasks: StepRanges, barrier: number): boolean {
  if (barrier === 0) return false;
  for (const step of tasks.keys()) if (step >= barrier) return false;
  return true;
}

function sectionHas(steps: readonly StepSpec[], tasks: StepRanges, step: number, task: number): boolean {
  for (let at = sectionStart(steps, step); at <= step; at += 1) if (inRanges(tasks.get(at), task)) return true;
  return false;
}

/**
 * True if a person skipped the task or an earlier one of its chain: nothing more is asked of that chain, even if an
 * attempt publishes the skipped task's output later.
 */
export function isSkipped(view: JobView, step: number, task: number): boolean {
  return skippedStep(view, step, task) !== null;
}

/** The first step of the task's chain, up to its own, at which a person skipped the chain; null for none. */
export function skippedStep(view: JobView, step: number, task: number): number | null {
  if (view.skipped.length === 0) return null;
  for (let at = sectionStart(view.record.spec.steps, step); at <= step; at += 1)
    if (isSkippedItself(view, at, task)) return at;
  return null;
}

/** True if a person skipped this task, not only an earlier one of its chain. */
export function isSkippedItself(view: JobView, step: number, task: number): boolean {
  return view.skipped.some((set) => inRanges(set.get(step), task));
}

/**
 * True if a person failed the task and no retry has asked for it since. A kill is recorded with the job's round at that
 * time, which is the task's own or a later one that asked for others.
 */
export function isKilled(view: JobView, step: number, task: number): boolean {
  if (view.killed.length === 0) return false;
  const round = roundOf(view, step, task);
  return view.killed.some((kill) => kill.round >= round && inRanges(kill.tasks.get(step), task));
}
