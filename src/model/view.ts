import { BatchctlError } from '../errors.ts';
import type { Tripped } from './breaker.ts';
import type { OpenedGather } from './decide.ts';
import { type DeliveryFacts, deliveryAfter } from './delivery.ts';
import {
  type JobRecord,
  type JobState,
  parseTolerance,
  type StepSpec,
  sectionStart,
  stepIndex,
  type Tolerance,
} from './job.ts';
import type { EntryKind, JournalEntry, JournalHole, Overrides } from './journal.ts';
import { type NewsFact, newsAfter } from './notify.ts';
import { foldOverrides } from './overrides.ts';
import { combineRanges, inRanges, type StepRanges, stepRanges, unionOf, without } from './task-set.ts';

/** A job after an `adjust` entry: what the entry does not name stays, null lifts. */
function adjusted(view: JobView, entry: Extract<EntryKind, { what: 'adjust' }>): JobView {
  return {
    ...view,
    tolerance: entry.tolerate === undefined ? view.tolerance : parseTolerance(entry.tolerate),
    maxRunning: entry.maxRunning === undefined ? view.maxRunning : entry.maxRunning,
    notBefore: entry.notBefore ?? view.notBefore,
    finishBy: entry.finishBy === undefined ? view.finishBy : entry.finishBy,
    maxCost: entry.maxCost === undefined ? view.maxCost : entry.maxCost,
  };
}

/** A job as its journal tells it: what `foldJournal` makes of the record and its entries. */
export interface JobView {
  readonly record: JobRecord;
  /** The number that the next entry gets. */
  readonly next: number;
  /** An entry that is missing before others that are there: those are not in the view. Null for a journal that is whole. */
  readonly hole: JournalHole | null;
  readonly sent: boolean;
  readonly paused: {
    readonly now: boolean;
    readonly reason: string;
    /** What a guard that paused it found, in words. */
    readonly detail: string | null;
    readonly who: string;
    readonly when: string;
  } | null;
  /** The number of the entry by which a person last resumed it; null before any. */
  readonly resumedAt: number | null;
  /** When that was, ISO-8601 UTC. */
  readonly resumedWhen: string | null;
  /** The pauses because its program seemed bad, oldest first. */
  readonly tripped: readonly Tripped[];
  readonly cancelled: boolean;
  readonly stopped: string | null;
  readonly closed: {
    readonly state: 'succeeded' | 'failed' | 'cancelled';
    readonly reason: string | null;
    readonly round: number;
    readonly when: string;
  } | null;
  /** The last round that a retry, or a skip that opened a closed job again, began; 0 before any. */
  readonly round: number;
  readonly asked: readonly AskedRound[];
  /** What a person decided to go without: empty, or one set. */
  readonly skipped: readonly StepRanges[];
  /** Those of them that had failed for good when they were skipped. */
  readonly skippedFailed: StepRanges;
  /** Tasks that a person failed, each in the round of that moment. */
  readonly killed: readonly { readonly round: number; readonly tasks: StepRanges }[];
  readonly tolerance: Tolerance;
  readonly maxRunning: number | null;
  /** ISO-8601 UTC: no task begins before it; null: as soon as it is submitted. */
  readonly notBefore: string | null;
  /** ISO-8601 UTC: when the job should have ended; null without a deadline. */
  readonly finishBy: string | null;
  /** USD; null without a limit. */
  readonly maxCost: number | null;
  /** What the rounds so far changed: what the next one builds on. */
  readonly overrides: Overrides;
  /** How often watchers have sent again since something moved last is theirs to know; this is how often in all. */
  readonly resends: number;
  /**
   * How many tasks each opened step behind an `explode` has, by that step's index: what its opened.json says, which is
   * written once. A step that isn't in it isn't open yet, and nobody can know its tasks.
   */
  readonly exploded: ReadonlyMap<number, number>;
  /** What `open` entries say of steps, by index: their opened.json may not be there yet. */
  readonly opened: ReadonlyMap<number, OpenedGather>;
  /** Of what the last close left; null while the job is open. */
  readonly delivery: DeliveryFacts | null;
  /** What people may be told of, oldest first. */
  readonly news: readonly NewsFact[];
  /** Who removed its parts, outputs and logs, and when (ISO-8601 UTC); null for a job that is whole. */
  readonly pruned: { readonly who: string; readonly when: string } | null;
}

export interface AskedRound {
  readonly round: number;
  readonly tasks: StepRanges;
  /** Null without canaries. */
  readonly canaries: StepRanges | null;
  /** False while canaries hold the rest back. */
  readonly released: boolean;
  /** Steps behind a barrier, by index, that it asks for only where it names their tasks: they were open already. */
  readonly opened: readonly number[];
  /** What this round and those before it changed. */
  readonly overrides: Overrides;
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
    hole: null,
    sent: false,
    paused: null,
    resumedAt: null,
    resumedWhen: null,
    tripped: [],
    cancelled: false,
    stopped: null,
    closed: null,
    round: 0,
    asked: [],
    skipped: [],
    skippedFailed: new Map(),
    killed: [],
    tolerance: record.spec.tolerate,
    maxRunning: record.spec.maxRunning,
    notBefore: record.notBefore,
    finishBy: record.finishBy ?? null,
    maxCost: record.maxCost ?? null,
    overrides: {},
    resends: 0,
    exploded: new Map(),
    opened: new Map(),
    delivery: null,
    news: [],
    pruned: null,
  };
}

/** Applies entries, in their order, to a view. Throws `newer` for an entry of a kind that this version doesn't know. */
export function foldJournal(view: JobView, entries: readonly JournalEntry[]): JobView {
  return entries.reduce(applyEntry, view);
}

function applyEntry(before: JobView, entry: JournalEntry): JobView {
  const view = {
    ...before,
    next: before.next + 1,
    delivery: deliveryAfter(before, entry),
    news: newsAfter(before, entry),
  };
  const ranges = (sets: Readonly<Record<string, string>>): StepRanges => stepRanges(view.record, sets);
  switch (entry.what) {
    case 'sent':
      return { ...view, sent: true };
    case 'resend':
      return { ...view, sent: true, resends: view.resends + 1 };
    case 'pause':
      return {
        ...view,
        paused: {
          ...{ now: entry.now, reason: entry.reason, detail: entry.detail ?? null },
          ...{ who: entry.who, when: entry.when },
        },
        tripped: entry.tripped === undefined ? view.tripped : [...view.tripped, entry.tripped],
      };
    case 'resume':
      return { ...view, sent: true, paused: null, resumedAt: before.next, resumedWhen: entry.when };
    case 'cancel':
      return { ...view, cancelled: true };
    case 'stop':
      return { ...view, stopped: entry.cause };
    case 'adjust':
      return adjusted(view, entry);
    case 'kill':
      return entry.mode === 'fail'
        ? { ...view, killed: [...view.killed, { round: view.round, tasks: ranges(entry.tasks) }] }
        : view;
    case 'skip':
      return {
        ...view,
        closed: null,
        stopped: entry.unstop === true ? null : view.stopped,
        round: entry.round ?? view.round,
        skipped: listOf(combineRanges(view.skipped[0], ranges(entry.tasks), unionOf)),
        skippedFailed: combineRanges(view.skippedFailed, ranges(entry.failed ?? {}), unionOf),
      };
    case 'unskip':
      return {
        ...view,
        closed: null,
        round: entry.round ?? view.round,
        skipped: listOf(combineRanges(view.skipped[0], ranges(entry.tasks), without)),
        skippedFailed: combineRanges(view.skippedFailed, ranges(entry.tasks), without),
        asked: unskippedRound(view, entry),
      };
    case 'retry': {
      const overrides = foldOverrides(view.overrides, entry.overrides);
      return {
        ...view,
        closed: null,
        stopped: null,
        round: entry.round,
        overrides,
        asked: [
          ...view.asked,
          {
            round: entry.round,
            tasks: ranges(entry.tasks),
            canaries: entry.canaries === null ? null : ranges(entry.canaries),
            released: entry.canaries === null,
            opened: (entry.opened ?? []).map((step) => stepIndex(view.record.spec, step)),
            overrides,
          },
        ],
      };
    }
    case 'retry-rest':
      return {
        ...view,
        closed: null,
        asked: view.asked.map((asked) => (asked.round === entry.round ? { ...asked, released: true } : asked)),
      };
    case 'open': {
      const { id, step, count, leftOut } = entry;
      const opened = { format: 1, id, count, leftOut } as const;
      return { ...view, opened: new Map([...view.opened, [stepIndex(view.record.spec, step), opened]]) };
    }
    case 'close':
      return { ...view, closed: { state: entry.state, reason: entry.reason, round: entry.round, when: entry.when } };
    case 'delivered':
    case 'undelivered':
      return view;
    case 'prune':
      return { ...view, pruned: { who: entry.who, when: entry.when } };
    default:
      return unknownEntry(entry satisfies never);
  }
}

/** What a skip held back is asked for in a round of its own: counters that were exact before are told of its ends. */
function unskippedRound(view: JobView, entry: JournalEntry & { readonly what: 'unskip' }): JobView['asked'] {
  const { round, asked } = entry;
  if (round === undefined || asked === undefined) return view.asked;
  const tasks = stepRanges(view.record, asked);
  const { overrides } = view;
  return [...view.asked, { round, tasks, canaries: null, released: true, opened: [], overrides }];
}

/** A later version's entry may say that the job is paused, or over: whoever passes over it decides wrongly. */
function unknownEntry({ what }: { readonly what: string }): never {
  throw new BatchctlError('newer', `the journal has an entry "${what}", which this version does not support`, {
    hint: 'install the version of batchctl that wrote it, or a newer one',
  });
}

/**
 * The round that last asked for a task (0 without a retry): what its messages carry and its `failed/` must name.
 * A chain that was asked for at an earlier step of its section is asked for at the later ones too; and what waits for
 * all chains (a gather) by the last round that asked for one of them: so that it begins by what that round changed.
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
    if (onlyBefore(tasks, start) && !asked.opened.includes(start)) return asked.round;
  }
  return 0;
}

/** What the round that last asked for a task, and those before it, changed for it (`model/overrides.ts` applies it). */
export function overridesOf(view: JobView, step: number, task: number): Overrides {
  const round = roundOf(view, step, task);
  return round === 0 ? {} : (view.asked.find((asked) => asked.round === round)?.overrides ?? {});
}

/** True when all that is asked for lies before a barrier: what is behind it is opened after that. */
function onlyBefore(tasks: StepRanges, barrier: number): boolean {
  if (barrier === 0) return false;
  for (const step of tasks.keys()) if (step >= barrier) return false;
  return true;
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

const listOf = (set: StepRanges): readonly StepRanges[] => (set.size === 0 ? [] : [set]);
