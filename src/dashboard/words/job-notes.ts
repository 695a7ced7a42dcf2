import { deadlineText, distanceText } from '../../cli/deadline-text.ts';
import { formatDistance, formatInstant } from '../../cli/format.ts';
import { rehearsalText } from '../../model/rehearsal.ts';
import type { Status } from '../answers.ts';
import type { Tone } from './job-state.ts';

/** `$0.0042`, `$12.30`, `$1,204`: as many digits as say something. */
function formatUsd(usd: number): string {
  if (usd > 0 && usd < 0.1) return `$${usd.toFixed(4)}`;
  if (usd < 1_000) return `$${usd.toFixed(2)}`;
  return `$${Math.round(usd).toLocaleString('en-US')}`;
}

interface CostText {
  readonly main: string;
  readonly note: string | null;
  readonly tone: Tone | null;
}

/** What a job has cost, against what it may; null where nothing is known of it. */
export function costText({ cost, costProjected, maxCost, costUnknown }: Status): CostText | null {
  const unknown = costUnknown.length > 0 ? `no price for ${costUnknown.join(', ')}` : null;
  if (cost === null) {
    if (maxCost === null && unknown === null) return null;
    return { main: 'not known', note: unknown ?? `may cost ${formatUsd(maxCost ?? 0)}`, tone: null };
  }
  const notes = [
    ...(maxCost === null ? [] : [`of ${formatUsd(maxCost)}`]),
    ...(costProjected === null ? [] : [`${formatUsd(costProjected)} by its end`]),
    ...(unknown === null ? [] : [unknown]),
  ];
  return { main: formatUsd(cost), note: notes.join(', ') || null, tone: toneOf(cost, costProjected, maxCost) };
}

function toneOf(cost: number, projected: number | null, limit: number | null): Tone | null {
  if (limit === null) return null;
  if (cost >= limit) return 'bad';
  return projected !== null && projected > limit ? 'doubtful' : null;
}

/** How a job stands to its deadline. */
interface Margin {
  /** `20m early`, `5m late`, `in 2h10m`. */
  readonly margin: string;
  /** `projected 05:40, deadline 06:00`. */
  readonly detail: string;
  readonly tone: Tone;
}

/** `19 of 20 such jobs end between 05:30 and 05:55`; null where that isn't known. */
export function rangeText({ projectedEarliest, projectedLatest }: Status, zone: string): string | null {
  if (projectedEarliest === null || projectedLatest === null) return null;
  const [from, to] = [projectedEarliest, projectedLatest].map((instant) =>
    new Date(instant).toLocaleTimeString('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }),
  );
  return from === to ? null : `between ${from} and ${to} in 19 of 20 cases`;
}

type Ending = Pick<Status, 'finishBy' | 'projected' | 'closedAt' | 'state'>;

/** Of the time until the deadline, so much is to be left: less than that is tight. */
const TIGHT = 0.1;

/** Null of a job without a deadline. `at`: milliseconds since the epoch. */
export function marginOf(status: Ending, zone: string, at: number): Margin | null {
  if (status.finishBy === null || status.state === 'cancelled') return null;
  const deadline = Date.parse(status.finishBy);
  const text = deadlineText(status, { zone, now: at }) ?? '';
  const end = status.closedAt ?? status.projected;
  if (end === null) {
    const [detail = ''] = text.split(', ');
    return { margin: formatDistance(deadline - at), detail, tone: deadline < at ? 'bad' : 'open' };
  }
  const spare = deadline - Date.parse(end);
  const margin = distanceText(spare);
  const detail = text.endsWith(`, ${margin}`) ? text.slice(0, -margin.length - 2) : text;
  const tight = status.closedAt === null && spare < (deadline - at) * TIGHT;
  return { margin, detail, tone: spare < 0 ? 'bad' : tight ? 'doubtful' : 'good' };
}

/** Something about a job that its counts don't show. */
interface JobNote {
  readonly tone: Tone | null;
  readonly text: string;
  /** What mends it. */
  readonly command: string | null;
}

/** Where its outputs went, who could not be told of it, that it is a rehearsal, that it was pruned. */
export function notesOf(status: Status, zone: string): readonly JobNote[] {
  const { job, rehearsal, prunedAt, untold, journalHole } = status;
  const note = (text: string): JobNote => ({ text, tone: null, command: null });
  return [
    ...(journalHole ? [holeNote(job, journalHole)] : []),
    ...(rehearsal === null ? [] : [note(`Not a real run, but ${rehearsalText(rehearsal.parts, rehearsal.of)}.`)]),
    ...deliveryNotes(status, zone),
    ...untold.map(({ event, to, message, next }): JobNote => {
      const again = next === null ? 'Nobody tries again.' : 'It is tried again.';
      const why = message ?? 'whoever tried has died';
      return { tone: 'bad', text: `${to} could not be told of ${event}: ${why}. ${again}`, command: null };
    }),
    ...(prunedAt === null
      ? []
      : [note(`Its outputs, parts and logs were removed: ${formatInstant(Date.parse(prunedAt), zone)}.`)]),
  ];
}

function holeNote(job: string, { missing, last }: NonNullable<Status['journalHole']>): JobNote {
  const text = `Entry ${missing} of its journal is missing, and entries up to ${last} are there: they are not told here, and nothing is decided about the job until it is restored.`;
  return { tone: 'bad', text, command: `batchctl history ${job}` };
}

function deliveryNotes({ job, delivery }: Status, zone: string): readonly JobNote[] {
  if (delivery === null) return [];
  const { to, host, state, delivered, failed } = delivery;
  const where = host === null ? to : `${to} on ${host}`;
  switch (state) {
    case 'waiting':
      return [{ tone: null, text: `Its outputs are to be delivered to ${where}.`, command: null }];
    case 'none':
      return [{ tone: null, text: `Nothing was delivered to ${where}: only what succeeds is.`, command: null }];
    case 'due':
      return [{ tone: 'open', text: `Not delivered yet to ${where}.`, command: null }];
    case 'failing':
    case 'givenUp': {
      const again = state === 'failing' ? ' It is tried again after a while.' : '';
      const text = `NOT delivered to ${where}: ${failed?.message ?? 'nobody knows why'}.${again}`;
      return [{ tone: 'bad', text, command: `batchctl watch ${job}` }];
    }
    case 'delivered': {
      const at = delivered === null ? '' : `, ${formatInstant(Date.parse(delivered.when), zone)}`;
      return [{ tone: 'good', text: `Delivered to ${where}${at}.`, command: null }];
    }
    default:
      return state satisfies never;
  }
}

/** A counter of a step, summed over its tasks. */
export interface Counter {
  readonly step: string;
  readonly name: string;
  /** An exact decimal, its digits in threes. */
  readonly value: string;
}

/** What the answer holds, in its order. */
export function countersOf(counters: Readonly<Record<string, Readonly<Record<string, string>>>>): readonly Counter[] {
  return Object.entries(counters).flatMap(([step, of]) =>
    Object.entries(of).map(([name, value]) => ({ step, name, value: inThrees(value) })),
  );
}

/** `-1234567.891` as `-1,234,567.891`. No digit is lost: it may be money. */
function inThrees(decimal: string): string {
  const [whole = '', ...rest] = decimal.split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...rest].join('.');
}
