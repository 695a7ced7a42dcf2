/** A local date and time, as on a wall clock. */
export interface WallTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The wall clock of a zone at an instant (milliseconds since the epoch). */
export function wallTime(instant: number, zone: string): WallTime {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  formats.set(zone, format);
  // `29/11/2026, 14:05:09`. Formatting into parts takes several times as long.
  const numbers = format.format(instant).match(/\d+/g)?.map(Number) ?? [];
  const [day = Number.NaN, month = Number.NaN, year = Number.NaN, hour = 0, minute = 0, second = 0] = numbers;
  return { year, month, day, hour, minute, second };
}

/**
 * The instants at which a zone's wall clock shows a time, ascending. Usually one; two in the hour that repeats when
 * summer time ends; for a time in the hour that is skipped when it begins, the first instant after the gap.
 */
export function instantsOf(wall: WallTime, zone: string): readonly [number, ...number[]] {
  const asUtc = utcOf(wall);
  // The offset a day before and a day after: no zone changes twice within two days.
  const offsets = [...new Set([offsetAt(asUtc - DAY, zone), offsetAt(asUtc + DAY, zone)])];
  const found = offsets
    .map((offset) => asUtc - offset)
    .filter((instant) => utcOf(wallTime(instant, zone)) === asUtc)
    .sort((a, b) => a - b);
  const [first, ...others] = found;
  if (first !== undefined) return [first, ...others];
  return [firstAfterGap(asUtc, zone)];
}

/** The wall time's date moved by whole days, at the given time of day. */
export function addDays(wall: WallTime, days: number, time: Pick<WallTime, 'hour' | 'minute' | 'second'>): WallTime {
  const date = new Date(Date.UTC(wall.year, wall.month - 1, wall.day + days));
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), ...time };
}

/** True for a date and time that exist in the calendar (no 31 April, no 25:00). */
export function isWallTime(wall: WallTime): boolean {
  const date = new Date(utcOf(wall));
  return (
    date.getUTCMonth() + 1 === wall.month &&
    date.getUTCDate() === wall.day &&
    date.getUTCHours() === wall.hour &&
    date.getUTCMinutes() === wall.minute &&
    date.getUTCSeconds() === wall.second
  );
}

/** Milliseconds. */
export const DAY = 86_400_000;

/** The instant at which a clock in UTC shows that time. */
export function utcOf(wall: WallTime): number {
  return Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
}

/** How far the zone's clock is ahead of UTC, milliseconds. */
export function offsetAt(instant: number, zone: string): number {
  return utcOf(wallTime(instant, zone)) - Math.floor(instant / 1000) * 1000;
}

/** Bisects the two days around the gap until the instant of the change is known to the second. */
function firstAfterGap(asUtc: number, zone: string): number {
  let low = asUtc - DAY;
  let high = asUtc + DAY;
  const before = offsetAt(low, zone);
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (offsetAt(middle, zone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** False for no text, or a month, day or time that doesn't exist (`2026-13`). Other texts are the caller's names. */
export function isPossiblePeriod(text: string): boolean {
  if (text.trim() === '') return false;
  const match = /^(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?)?)?$/.exec(text);
  if (match === null) return true;
  const numbers = match
    .slice(1)
    .map((digits: string | undefined) => (digits === undefined ? undefined : Number(digits)));
  const [year = 0, month = 0, day = 1, hour = 0, minute = 0, second = 0] = numbers;
  return isWallTime({ year, month, day, hour, minute, second });
}
