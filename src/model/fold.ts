import { BatchctlError } from '../errors.ts';
import { deliveryAfter } from './delivery.ts';
import { type JobRecord, parseTolerance, stepIndex } from './job.ts';
import type { EntryKind, JournalEntry } from './journal.ts';
import { newsAfter } from './news.ts';
import { foldOverrides } from './overrides.ts';
import { combineRanges, type StepRanges, stepRanges, subtractRanges, unionOf } from './task-set.ts';
import type { JobView } from './view.ts';

/** Tasks have numbers of nine digits. */
const MOST_TASKS = 1e9;

export function emptyView(record: JobRecord): JobView {
  return {
    record,
    accepted: record,
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
    acceptedTotals: [],
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

/** Applies entries, in order, to a view. Throws `newer` for an entry of a kind that this version doesn't know. */
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
          now: entry.now,
          reason: entry.reason,
          detail: entry.detail ?? null,
          who: entry.who,
          when: entry.when,
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
    case 'accept': {
      const { equation, left, right, reason, who, when } = entry;
      const acceptedTotals = [...view.acceptedTotals, { equation, left, right, reason, who, when }];
      return { ...view, closed: null, round: entry.round, acceptedTotals };
    }
    case 'unskip':
      return {
        ...view,
        closed: null,
        round: entry.round ?? view.round,
        skipped: listOf(combineRanges(view.skipped[0], ranges(entry.tasks), subtractRanges)),
        skippedFailed: combineRanges(view.skippedFailed, ranges(entry.tasks), subtractRanges),
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
    case 'extend':
      return extended(view, entry);
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
    case 'close': {
      const { state, reason, round, when, detail } = entry;
      return { ...view, closed: { state, reason, round, when, ...(detail !== undefined && { detail }) } };
    }
    case 'delivered':
    case 'undelivered':
      return view;
    case 'prune':
      return { ...view, pruned: { who: entry.who, when: entry.when } };
    default:
      return unknownEntry(entry satisfies never);
  }
}

/** Only a job without gathers and explodes is extended, so that all steps have the added tasks. */
function extended(view: JobView, entry: JournalEntry & { readonly what: 'extend' }): JobView {
  const { record, overrides } = view;
  const { round, name, first, count, checksum, digest, inputs, input, maxTasks } = entry;
  if (first !== record.parts || !(count > 0 && first + count <= MOST_TASKS)) {
    const found = `an "extend" entry adds ${count} parts from ${first} on, but job ${record.job} has ${record.parts}`;
    throw new BatchctlError('corrupt', found, { hint: 'restore the journal from a backup of the store' });
  }
  const extent = { round, name, first, count, firstInput: record.inputs.length, checksum, digest };
  const tasks: StepRanges = new Map([[0, [[first, first + count - 1]]]]);
  return {
    ...view,
    closed: null,
    round,
    record: {
      ...record,
      spec: { ...record.spec, input, maxTasks },
      inputs: [...record.inputs, ...inputs],
      parts: first + count,
      records: record.records === null || entry.records === null ? null : record.records + entry.records,
      extents: [...(record.extents ?? []), extent],
    },
    asked: [...view.asked, { round, tasks, canaries: null, released: true, opened: [], overrides }],
  };
}

/** Undecided tasks of an undone skip get their own round, so that counters that were exact include their ends. */
function unskippedRound(view: JobView, entry: JournalEntry & { readonly what: 'unskip' }): JobView['asked'] {
  const { round, asked } = entry;
  if (round === undefined || asked === undefined) return view.asked;
  const tasks = stepRanges(view.record, asked);
  const { overrides } = view;
  return [...view.asked, { round, tasks, canaries: null, released: true, opened: [], overrides }];
}

/** A later version's entry may pause or end the job: ignoring it could lead to a wrong decision. */
function unknownEntry({ what }: { readonly what: string }): never {
  throw new BatchctlError('newer', `the journal has an entry "${what}", which this version does not support`, {
    hint: 'install the version of batchctl that wrote it, or a newer one',
  });
}

/** A job after an `adjust` entry: fields that the entry omits stay, null removes a value. */
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

const listOf = (set: StepRanges): readonly StepRanges[] => (set.size === 0 ? [] : [set]);
