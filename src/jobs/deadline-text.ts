import { formatInstant } from '../lib/instant.ts';
import { formatDuration } from '../lib/units.ts';
import { wallTime } from '../model/wall-time.ts';

/** `projected 05:40 (05:31 to 05:52), deadline 06:00, 20m early`: a job against its deadline; null without one. */
export function deadlineText(
  status: Readonly<Record<'finishBy' | 'projected' | 'closedAt', string | null>> & Partial<Interval>,
  { zone, now }: { readonly zone: string; readonly now: number },
): string | null {
  if (status.finishBy === null) return null;
  const deadline = Date.parse(status.finishBy);
  const at = (instant: number): string => clockText(instant, zone, now);
  const end = status.closedAt ?? status.projected;
  if (end !== null) {
    const ends = Date.parse(end);
    const word = status.closedAt === null ? 'projected' : 'ended';
    const within = status.closedAt === null ? intervalText(status, at) : '';
    return `${word} ${at(ends)}${within}, deadline ${at(deadline)}, ${distanceText(deadline - ends)}`;
  }
  const left = Math.round((deadline - now) / 1_000);
  if (left < 0) return `deadline ${at(deadline)}, missed ${formatDuration(-left)} ago`;
  return `deadline ${at(deadline)}, in ${formatDuration(left)}`;
}

type Interval = Readonly<Record<'projectedEarliest' | 'projectedLatest', string | null>>;

/** ` (05:31 to 05:52)`; empty if unknown, or both read the same. */
function intervalText(
  { projectedEarliest = null, projectedLatest = null }: Partial<Interval>,
  at: (instant: number) => string,
): string {
  if (projectedEarliest === null || projectedLatest === null) return '';
  const [from, to] = [at(Date.parse(projectedEarliest)), at(Date.parse(projectedLatest))];
  return from === to ? '' : ` (${from} to ${to})`;
}

/** `20m early`, `5m late`, `just in time`: the distance from a deadline. */
export function distanceText(milliseconds: number): string {
  const seconds = Math.round(Math.abs(milliseconds) / 1_000);
  if (seconds === 0) return 'just in time';
  // To the minute if that is precise enough.
  const text = formatDuration(seconds >= 600 ? Math.round(seconds / 60) * 60 : seconds);
  return `${text} ${milliseconds > 0 ? 'early' : 'late'}`;
}

/** Only the time on the current day, otherwise with date and zone. */
function clockText(instant: number, zone: string, now: number): string {
  const [wall, today] = [wallTime(instant, zone), wallTime(now, zone)];
  const sameDay = wall.year === today.year && wall.month === today.month && wall.day === today.day;
  if (!sameDay) return formatInstant(instant, zone);
  return `${String(wall.hour).padStart(2, '0')}:${String(wall.minute).padStart(2, '0')}`;
}
