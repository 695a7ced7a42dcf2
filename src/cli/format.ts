import { formatDuration } from '../lib/units.ts';

/** Amounts and instants as text (sizes and durations: `lib/units.ts`); `--json` has plain values. */

/** `1,234,567` */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with its noun: `1 task`, `1,234 tasks`. */
export function formatMany(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `0.4/s`, `12/s`, `1,840/s` */
export function formatRate(perSecond: number): string {
  if (perSecond >= 9.95) return `${formatCount(Math.round(perSecond))}/s`;
  // Slow work also has a visible rate: 0.0/s would suggest that nothing moves.
  if (perSecond >= 0.095 || perSecond === 0) return `${perSecond.toFixed(1)}/s`;
  return perSecond * 60 >= 0.95 ? `${(perSecond * 60).toFixed(1)}/min` : `${(perSecond * 3_600).toFixed(1)}/h`;
}

/** `4m left`; at least `1s left`, as it isn't done yet. Seconds. */
export function formatLeft(seconds: number): string {
  return `${formatDuration(Math.max(1, seconds))} left`;
}

/**
 * An instant with zone and distance: `2026-11-30 18:30 UTC (in 6h)`; without `now`, without the distance. Instants are
 * milliseconds since the epoch.
 */
export function formatInstant(instant: number, zone: string, now?: number): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
  }).formatToParts(instant);
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
  const text = `${of('year')}-${of('month')}-${of('day')} ${of('hour')}:${of('minute')} ${of('timeZoneName')}`;
  return now === undefined ? text : `${text} (${formatDistance(instant - now)})`;
}

/** A text with its ISO-8601 UTC instants replaced by those of `formatInstant`. */
export function withInstants(text: string, zone: string, now?: number): string {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (instant) =>
    formatInstant(Date.parse(instant), zone, now),
  );
}

/** `in 6h`, `3m ago`, `now` (within a second). */
export function formatDistance(milliseconds: number): string {
  if (Math.abs(milliseconds) < 1000) return 'now';
  const distance = formatDuration(Math.round(Math.abs(milliseconds) / 1000));
  return milliseconds > 0 ? `in ${distance}` : `${distance} ago`;
}
