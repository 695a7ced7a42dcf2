import { type JobRecord, type JobState, type StepSpec, sectionStart, stepIndex, type Tolerance } from './job.ts';
import type { JournalEntry, Overrides } from './journal.ts';
import { parseTaskSet } from './task-set.ts';

/** A job as its journal tells it: what `foldJournal` makes of the record and its entries. */
export interface JobView {
  readonly record: JobRecord;
  /** The number that the next entry gets. */
  readonly next: number;
  readonly sent: boolean;
  readonly paused: {
    readonly now: boolean;
    readonly reason: string;
    readonly who: string;
    readonly when: string;
  } | null;
  readonly cancelled: boolean;
  readonly stopped: string | null;
  readonly closed: {
    readonly state: 'succeeded' | 'failed' | 'cancelled';
    readonly reason: string | null;
    readonly round: number;
    readonly when: string;
  } | null;
  /** The last round that a retry began; 0 before any. */
  readonly round: number;
  readonly asked: readonly AskedRound[];
  readonly skipped: readonly StepRanges[];
  /** Tasks that a person failed, each in the round of that moment. */
  readonly killed: readonly { readonly round: number; readonly tasks: StepRanges }[];
  readonly tolerance: Tolerance;
  readonly maxRunning: number | null;
  readonly overrides: Overrides;
  /** How often onlookers have sent again since something moved last is theirs to know; this is how often in all. */
  readonly resends: number;
}

type Ranges = readonly (readonly [number, number])[];
/** Ranges of tasks by step index. */
export type StepRanges = ReadonlyMap<number, Ranges>;

export interface AskedRound {
  readonly round: number;
  readonly tasks: StepRanges;
  /** Null without canaries. */
  readonly canaries: StepRanges | null;
  /** False while canaries hold the rest back. */
  readonly released: boolean;
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

export function emptyView(record: JobRecord): JobView {
  return {
    record,
    next: 0,
    sent: false,
    paused: null,
    cancelled: false,
    stopped: null,
    closed: null,
    round: 0,
    asked: [],
    skipped: [],
    killed: [],
    tolerance: record.spec.tolerate,
    maxRunning: record.spec.maxRunning,
    overrides: {},
    resends: 0,
  };
}

/** Applies entries, in their order, to a view. */
export function foldJournal(view: JobView, entries: readonly JournalEntry[]): JobView {
  return entries.reduce(applyEntry, view);
}

function applyEntry(before: JobView, entry: JournalEntry): JobView {
  const view = { ...before, next: before.next + 1 };
  const ranges = (sets: Readonly<Record<string, string>>): StepRanges => toRanges(view.record, sets);
  switch (entry.what) {
    case 'sent':
      return { ...view, sent: true };
    case 'resend':
      return { ...view, sent: true, resends: view.resends + 1 };
    case 'pause':
      return { ...view, paused: { now: entry.now, reason: entry.reason, who: entry.who, when: entry.when } };
    case 'resume':
      return { ...view, sent: true, paused: null, overrides: { ...view.overrides, ...entry.overrides } };
    case 'cancel':
      return { ...view, cancelled: true };
    case 'stop':
      return { ...view, stopped: entry.cause };
    case 'adjust':
      return {
        ...view,
        tolerance: entry.tolerate === undefined ? view.tolerance : parseTolerance(entry.tolerate),
        maxRunning: entry.maxRunning === undefined ? view.maxRunning : entry.maxRunning,
      };
    case 'kill':
      return entry.mode === 'fail'
        ? { ...view, killed: [...view.killed, { round: view.round, tasks: ranges(entry.tasks) }] }
        : view;
    case 'skip':
      return { ...view, closed: null, skipped: [...view.skipped, ranges(entry.tasks)] };
    case 'unskip':
      return { ...view, closed: null, skipped: view.skipped.map((set) => subtract(set, ranges(entry.tasks))) };
    case 'retry':
      return {
        ...view,
        closed: null,
        stopped: null,
        round: entry.round,
        overrides: { ...view.overrides, ...entry.overrides },
        asked: [
          ...view.asked,
          {
            round: entry.round,
            tasks: ranges(entry.tasks),
            canaries: entry.canaries === null ? null : ranges(entry.canaries),
            released: entry.canaries === null,
          },
        ],
      };
    case 'retry-rest':
      return {
        ...view,
        asked: view.asked.map((asked) => (asked.round === entry.round ? { ...asked, released: true } : asked)),
      };
    case 'close':
      return { ...view, closed: { state: entry.state, reason: entry.reason, round: entry.round, when: entry.when } };
    default:
      return entry satisfies never;
  }
}

/**
 * The round that last asked for a task (0 without a retry): what its messages carry and its `failed/` must name.
 * A chain that was asked for at an earlier step of its section is asked for at the later ones too.
 */
export function roundOf(view: JobView, step: number, task: number): number {
  for (let i = view.asked.length - 1; i >= 0; i -= 1) {
    const asked = view.asked[i];
    if (asked === undefined) continue;
    const tasks = asked.released ? asked.tasks : asked.canaries;
    if (tasks !== null && sectionHas(view.record.spec.steps, tasks, step, task)) return asked.round;
  }
  return 0;
}

function sectionHas(steps: readonly StepSpec[], tasks: StepRanges, step: number, task: number): boolean {
  for (let at = sectionStart(steps, step); at <= step; at += 1) if (inRanges(tasks.get(at), task)) return true;
  return false;
}

/** True when a person decided to go without the task. */
export function isSkipped(view: JobView, step: number, task: number): boolean {
  return view.skipped.some((set) => inRanges(set.get(step), task));
}

/**
 * True when a person failed the task and no retry has asked for it since. A kill is noted in the job's round of that
 * moment, which is the task's own or a later one that asked for others.
 */
export function isKilled(view: JobView, step: number, task: number): boolean {
  if (view.killed.length === 0) return false;
  const round = roundOf(view, step, task);
  return view.killed.some((kill) => kill.round >= round && inRanges(kill.tasks.get(step), task));
}

export function inRanges(ranges: Ranges | undefined, n: number): boolean {
  if (ranges === undefined) return false;
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, to] = ranges[middle] ?? [0, -1];
    if (n < from) high = middle - 1;
    else if (n > to) low = middle + 1;
    else return true;
  }
  return false;
}

function toRanges(record: JobRecord, sets: Readonly<Record<string, string>>): StepRanges {
  const out = new Map<number, Ranges>();
  for (const [step, text] of Object.entries(sets)) out.set(stepIndex(record.spec, step), parseTaskSet(text));
  return out;
}

function subtract(from: StepRanges, what: StepRanges): StepRanges {
  const out = new Map<number, Ranges>();
  for (const [step, ranges] of from) {
    let left = ranges;
    for (const [a, b] of what.get(step) ?? []) {
      left = left.flatMap(([from, to]): Ranges => {
        if (to < a || from > b) return [[from, to]];
        const pieces: [number, number][] = [];
        if (from < a) pieces.push([from, a - 1]);
        if (to > b) pieces.push([b + 1, to]);
        return pieces;
      });
    }
    out.set(step, left);
  }
  return out;
}

/** `3`, `0.1%`. Throws a RangeError on anything else. */
export function parseTolerance(text: string): Tolerance {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (share?.[1] !== undefined) return { kind: 'share', share: Number(share[1]) / 100 };
  if (/^\d+$/.test(text)) return { kind: 'count', count: Number(text) };
  throw new RangeError(`expected a count or a percentage, found ${text}`);
}
