import { deadlineText, distanceText } from '../../cli/deadline-text.ts';
import { formatDistance } from '../../cli/format.ts';
import type { Status } from '../answers.ts';
import type { Tone } from './tone.ts';

/** How a job stands to its deadline. */
export interface Margin {
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
