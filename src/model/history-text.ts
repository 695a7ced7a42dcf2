import { formatMany } from '../lib/units.ts';
import { unmetText } from './expect.ts';
import type { JobRecord } from './job.ts';
import { type EntryKind, HALT_REASON, type JournalEntry, PERSON_REASON, type TaskSets } from './journal.ts';
import { type Change, changesOf, foldOverrides } from './overrides.ts';
import { countIn, parseTaskSet, rangesText } from './task-set.ts';
import type { JobView } from './view.ts';

/** How many characters of a set of tasks, and how many changes, are shown; the entry has them all. */
const SET_SHOWN = 48;
const CHANGES_SHOWN = 4;

/** The text for the acceptance of a job: the line before its journal's first. */
export function acceptedText({ parts, runKey, runNumber, spec, version, notBefore }: JobRecord): string {
  const steps = spec.steps.map(({ name }) => name).join(', ');
  const key =
    runKey === null ? '' : `, run key ${runKey}${runNumber === 0 ? '' : ` (its run ${(runNumber ?? 0) + 1})`}`;
  const later = notBefore === null ? '' : `, not to start before ${notBefore}`;
  return `accepted: ${formatMany(parts, 'part')}, steps ${steps}${key}${later}, by batchctl ${version}`;
}

/** A journal entry as text. `before` is the job before the entry: needed to show a retry's old values. */
export function historyText(entry: JournalEntry, before: JobView): string {
  switch (entry.what) {
    case 'sent':
      return 'sent its first tasks';
    case 'resend':
      return `re-sent missing tasks: ${tasksText(entry.tasks)}`;
    case 'pause':
      return `paused${entry.now ? ' at once, returning running tasks' : ''}${pauseReason(entry)}`;
    case 'resume':
      return 'resumed';
    case 'cancel':
      return 'cancelled';
    case 'stop':
      return `stopped: undecided tasks are given up (${entry.cause})`;
    case 'adjust':
      return `adjusted: ${adjustments(entry) || 'nothing'}`;
    case 'kill':
      return entry.mode === 'fail'
        ? `failed for good by hand: ${tasksText(entry.tasks)}`
        : `ended the running attempt of ${tasksText(entry.tasks)}, to be retried`;
    case 'skip':
      return `skipped ${tasksText(entry.tasks)}: ${entry.reason}${reopened(entry.round)}${
        entry.unstop === true ? '; tasks that were given up continue' : ''
      }`;
    case 'unskip':
      return `undid the skip of ${tasksText(entry.tasks)}${
        before.closed === null && entry.round !== undefined ? `, round ${entry.round}` : reopened(entry.round)
      }`;
    case 'accept':
      return `accepted that ${unmetText(entry)}: ${entry.reason}${reopened(entry.round)}`;
    case 'retry':
      return retryText(entry, before);
    case 'extend':
      return `added ${tasksText({
        [before.record.spec.steps[0]?.name ?? '']: rangesText([[entry.first, entry.first + entry.count - 1]]),
      })}, round ${entry.round}`;
    case 'retry-rest':
      return `round ${entry.round}: the canaries succeeded, the rest is sent`;
    case 'open':
      return `opened ${entry.step} without ${entry.leftOut} of the step before it`;
    case 'close':
      return `closed: ${entry.state}${entry.reason === null ? '' : ` (${entry.reason})`}${
        entry.round === 0 ? '' : `, round ${entry.round}`
      }`;
    case 'delivered':
      return `delivered ${formatMany(entry.outputs, 'output')} to ${entry.to}`;
    case 'undelivered':
      return `not delivered to ${entry.to}: ${entry.message}`;
    case 'prune':
      return 'pruned: its parts, outputs and logs were removed';
    default:
      return entry satisfies never;
  }
}

function retryText(entry: Extract<EntryKind, { what: 'retry' }>, before: JobView): string {
  const first = entry.canaries === null ? '' : `, first ${tasksText(entry.canaries)}`;
  const after = foldOverrides(before.overrides, entry.overrides);
  const changes = changeTexts(changesOf(before.record, [before.overrides], after, 0), before.record);
  const more = changes.length > CHANGES_SHOWN ? [`${changes.length - CHANGES_SHOWN} more`] : [];
  const changed = changes.length === 0 ? '' : `, with ${[...changes.slice(0, CHANGES_SHOWN), ...more].join(', ')}`;
  return `retry, round ${entry.round}: ${tasksText(entry.tasks)}${first}${changed}`;
}

/** A change that several steps share is shown once. */
function changeTexts(changes: readonly Change[], { spec }: JobRecord): readonly string[] {
  const steps = new Map<string, string[]>();
  for (const { field, from, to } of changes) {
    const [, step = '', name = field] = /^steps\.([^.]+)\.(.+)$/.exec(field) ?? [];
    const text = `${name.replace(/^params\./, '')} ${valueText(name, from)} → ${valueText(name, to)}`;
    steps.set(text, [...(steps.get(text) ?? []), step]);
  }
  return [...steps].map(([text, [step = '', ...others]]) =>
    step === '' || others.length > 0 || spec.steps.length === 1 ? text : `${step}.${text}`,
  );
}

function valueText(name: string, value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (name === 'code') return String(value).slice(0, 8);
  if (typeof value === 'number' && (name === 'timeout' || name === 'stall')) return secondsText(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > SET_SHOWN ? `${text.slice(0, SET_SHOWN)}...` : text;
}

function secondsText(seconds: number): string {
  if (seconds % 3_600 === 0 && seconds > 0) return `${seconds / 3_600}h`;
  return seconds % 60 === 0 && seconds > 0 ? `${seconds / 60}m` : `${seconds}s`;
}

function adjustments(entry: Extract<EntryKind, { what: 'adjust' }>): string {
  const { tolerate, maxRunning, notBefore, finishBy, maxCost } = entry;
  const said: readonly (readonly [string, string | number | null | undefined])[] = [
    ['tolerate', tolerate],
    ['max running', maxRunning],
    ['not to start before', notBefore],
    ['finish by', finishBy],
    ['max cost', typeof maxCost === 'number' ? `${maxCost} USD` : maxCost],
  ];
  return said
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value ?? 'without limit'}`]))
    .join(', ');
}

function pauseReason({ reason, detail }: Extract<EntryKind, { what: 'pause' }>): string {
  if (reason === PERSON_REASON) return '';
  if (detail !== undefined) return `: ${detail}`;
  return reason === HALT_REASON ? ' by its halt limit: too many have failed for good' : `: ${reason}`;
}

const reopened = (round: number | undefined): string => (round === undefined ? '' : `; open again, round ${round}`);

/** `14 tasks (price/3,17-19)` */
function tasksText(sets: TaskSets): string {
  const named = Object.entries(sets).filter(([, set]) => set !== '');
  const count = named.reduce((sum, [, set]) => sum + countIn(parseTaskSet(set)), 0);
  const names = named.map(([step, set]) => `${step}/${shortened(set)}`).join(' ');
  if (count === 0) return 'no task';
  return count === 1 ? names : `${formatMany(count, 'task')} (${names})`;
}

function shortened(set: string): string {
  if (set.length <= SET_SHOWN) return set;
  return `${set.slice(0, set.lastIndexOf(',', SET_SHOWN))},...`;
}
