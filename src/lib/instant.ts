import { formatDuration } from './units.ts';

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

/** `in 6h`, `3m ago`, `now` (within a second). */
export function formatDistance(milliseconds: number): string {
  if (Math.abs(milliseconds) < 1000) return 'now';
  const distance = formatDuration(Math.round(Math.abs(milliseconds) / 1000));
  return milliseconds > 0 ? `in ${distance}` : `${distance} ago`;
}

/** ISO-8601 UTC, as answers and objects spell an instant. */
export function isoOf(instant: number): string;
export function isoOf(instant: number | null): string | null;
export function isoOf(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString();
}

/** The canonical name of an IANA time zone; null if there is no such zone. */
export function canonicalZone(name: string): string | null {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}

export const isZone = (name: string): boolean => canonicalZone(name) !== null;
