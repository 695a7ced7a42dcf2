import { Cron } from 'croner';
import { BatchctlError } from '../errors.ts';
import { DAY, instantsOf, isWallTime, offsetAt, utcOf, type WallTime, wallTime } from './wall-time.ts';

interface Month {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
}

function addMonths({ year, month }: Month, months: number): Month {
  const at = year * 12 + (month - 1) + months;
  return { year: Math.floor(at / 12), month: (at % 12) + 1 };
}

/** `2026-11`: the name of a calendar's firing. */
function monthPeriod({ year, month }: Month): string {
  return `${pad(year, 4)}-${pad(month)}`;
}

/** The month of a period; null for any other text. */
function parseMonthPeriod(text: string): Month | null {
  const match = /^(\d{4})-(\d{2})$/.exec(text);
  const [year, month] = [Number(match?.[1]), Number(match?.[2])];
  return match !== null && month >= 1 && month <= 12 ? { year, month } : null;
}

/** `2026-11-30T06:00`: the name of a cron pattern's firing, the wall clock's time as if it were UTC. */
function timePeriod(nominal: number): string {
  return new Date(nominal).toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length);
}

/** The wall time of a period; null for any other text. */
function parseTimePeriod(text: string): WallTime | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})$/.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = match.slice(1).map(Number);
  const wall = { year, month, day, hour, minute, second: 0 };
  return isWallTime(wall) ? wall : null;
}

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

/** Which business day of a month: the last, or the nth. */
type BusinessDay = 'last' | number;

/** Every month has at least February's 20 weekdays; holidays may leave fewer. */
const MAX_BUSINESS_DAY = 20;

/** Parses `last-business-day` or `nth-business-day:3`. Throws `usage`. */
export function parseCalendar(text: string): BusinessDay {
  if (text === 'last-business-day') return 'last';
  const n = Number(/^nth-business-day:(\d{1,2})$/.exec(text)?.[1] ?? 0);
  if (n >= 1 && n <= MAX_BUSINESS_DAY) return n;
  throw new BatchctlError(
    'usage',
    `expected last-business-day or nth-business-day:N with N from 1 to ${MAX_BUSINESS_DAY}, found "${text}"`,
    { hint: '--calendar nth-business-day:3 is the third' },
  );
}

export function calendarText(day: BusinessDay): string {
  return day === 'last' ? 'last-business-day' : `nth-business-day:${day}`;
}

/**
 * The day of the month that is the requested business day: not a Saturday, a Sunday or one of the holidays
 * (`2026-12-25`). Null in a month with too few.
 */
function businessDayOf({ year, month }: Month, day: BusinessDay, holidays: ReadonlySet<string>): number | null {
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const days = Array.from({ length }, (_, index) => index + 1).filter((each) => {
    const date = new Date(Date.UTC(year, month - 1, each));
    return date.getUTCDay() % 6 !== 0 && !holidays.has(date.toISOString().slice(0, 10));
  });
  return (day === 'last' ? days.at(-1) : days[day - 1]) ?? null;
}

/**
 * The dates of a holidays file, sorted, without duplicates: one per line (`2026-12-25`), followed by an optional name;
 * `#` begins a comment. Throws `usage` with the line that isn't a date.
 */
export function parseHolidays(text: string, file: string): readonly string[] {
  const dates = new Set<string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [date = ''] = line
      .replace(/^\uFEFF/, '')
      .replace(/#.*/, '')
      .trim()
      .split(/\s/);
    if (date === '') continue;
    if (!isDate(date)) {
      throw new BatchctlError('usage', `${file}:${index + 1}: expected a date such as 2026-12-25, found "${date}"`, {
        hint: 'one date per line, optionally followed by its name; # begins a comment',
      });
    }
    dates.add(date);
  }
  return [...dates].sort();
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** When a schedule fires, by the wall clock of its zone. */
export type Cadence =
  | { readonly kind: 'cron'; readonly pattern: string }
  | {
      readonly kind: 'calendar';
      readonly day: BusinessDay;
      /** Time of day, `18:00`. */
      readonly time: string;
      /** Dates, `2026-12-25`, sorted. */
      readonly holidays: readonly string[];
      /** The period is the month before the one in which it fires. */
      readonly monthBefore: boolean;
    };

export interface ZonedCadence {
  readonly cadence: Cadence;
  /** An IANA zone. */
  readonly zone: string;
}

/** One firing: its period, which names it, and its instant (milliseconds since the epoch). */
export interface Firing {
  readonly period: string;
  readonly at: number;
}

/**
 * Checks a cron pattern: five fields, or a nickname such as @daily. Beyond crontab(5) it may contain `L` (the last
 * day), `15W` (the weekday nearest the 15th), `MON#1`. Throws `usage` for anything else, and for one that never fires.
 */
export function checkCron(pattern: string): string {
  const trimmed = pattern.trim().replace(/\s+/g, ' ');
  const wrong = (why: string, cause?: unknown): BatchctlError =>
    new BatchctlError('usage', `expected a cron pattern of five fields, found "${pattern}"${why}`, {
      hint: 'minute hour day-of-month month day-of-week: "30 18 L * *" is 18:30 on the last day of each month',
      cause,
    });
  if (!/^@[a-z]+$/i.test(trimmed) && trimmed.split(' ').length !== 5) throw wrong('');
  let first: Date | null;
  try {
    first = cronOf(trimmed).nextRun(new Date(0));
  } catch (cause) {
    throw wrong(`: ${cause instanceof Error ? cronErrorText(cause.message) : String(cause)}`, cause);
  }
  if (first === null) throw wrong(', which never fires');
  return trimmed;
}

/** The library's message, with the pattern's own numbers (it counts days and months from 0), and how to fix it. */
function cronErrorText(message: string): string {
  const said = message
    .replace(/^CronPattern: /, '')
    .replace(/(value for (?:day|month): )(-?\d+)/, (_, what: string, n: string) => `${what}${Number(n) + 1}`);
  const [, from, to] = /From value is larger than to value: '(\w+)-(\w+)'/.exec(said) ?? [];
  return from === undefined
    ? said
    : `a range can't wrap around: use ${from}-LAST,FIRST-${to}, such as 22-23,0-2 for hours`;
}

/** Firings after one instant up to another (inclusive), oldest first; at most `most`. */
export function firingsBetween(
  when: ZonedCadence,
  after: number,
  until: number,
  most = Number.POSITIVE_INFINITY,
): readonly Firing[] {
  const found: Firing[] = [];
  for (const firing of firingsFrom(when, after)) {
    if (firing.at > until || found.length >= most) break;
    if (firing.at > after) found.push(firing);
  }
  return found;
}

/** The next `count` firings after an instant: fewer if a pattern ends. */
export function firingsAfter(when: ZonedCadence, after: number, count: number): readonly Firing[] {
  return firingsBetween(when, after, Number.POSITIVE_INFINITY, count);
}

/** The last `count` firings up to an instant (inclusive), latest first. */
export function firingsBefore(when: ZonedCadence, until: number, count: number): readonly Firing[] {
  const found: Firing[] = [];
  for (const firing of firingsBack(when, until)) {
    if (found.length >= count) break;
    if (firing.at <= until) found.push(firing);
  }
  return found;
}

/** The firing of a period; null if the schedule has no such firing. */
export function firingOf(when: ZonedCadence, period: string): Firing | null {
  // `Date.UTC` maps years below 100 to the 1900s: that would be another firing.
  const named = (firing: Firing | null): Firing | null => (firing?.period === period && firing.at > 0 ? firing : null);
  if (when.cadence.kind === 'calendar') {
    const month = parseMonthPeriod(period);
    return month === null ? null : named(calendarFiring(when, addMonths(month, when.cadence.monthBefore ? 1 : 0)));
  }
  const wall = parseTimePeriod(period);
  if (wall === null) return null;
  const nominal = utcOf(wall);
  const next = cronOf(when.cadence.pattern).nextRun(new Date(nominal - 1));
  return next?.getTime() === nominal ? named(cronFirings(when.zone)(nominal)) : null;
}

/** From before an instant on, in order. The margin of two days is for zones that skip a whole day. */
function* firingsFrom(when: ZonedCadence, after: number): Generator<Firing> {
  const { cadence, zone } = when;
  if (cadence.kind === 'calendar') {
    for (let month = addMonths(wallTime(after, zone), -1); month.year < LAST_YEAR; month = addMonths(month, 1)) {
      const firing = calendarFiring(when, month);
      if (firing !== null) yield firing;
    }
    return;
  }
  const cron = cronOf(cadence.pattern);
  const firing = cronFirings(zone);
  let at = cron.nextRun(new Date(nominalOf(after, zone) - searchMargin(after, zone) - 1));
  for (; at !== null; at = cron.nextRun(at)) yield firing(at.getTime());
}

/** From after an instant back, latest first. */
function* firingsBack(when: ZonedCadence, until: number): Generator<Firing> {
  const { cadence, zone } = when;
  if (cadence.kind === 'calendar') {
    const first = addMonths(wallTime(until, zone), 1);
    for (let month = first; month.year > FIRST_YEAR; month = addMonths(month, -1)) {
      const firing = calendarFiring(when, month);
      if (firing !== null) yield firing;
    }
    return;
  }
  const cron = cronOf(cadence.pattern);
  const firing = cronFirings(zone);
  let at = new Date(nominalOf(until, zone) + searchMargin(until, zone) + 1);
  for (;;) {
    const [before] = cron.previousRuns(1, at);
    if (before === undefined) return;
    yield firing(before.getTime());
    at = before;
  }
}

/** Years in which to search: ends the search of a calendar whose months all lack the day. */
const [FIRST_YEAR, LAST_YEAR] = [1970, 2200];

/**
 * Patterns are matched against the wall clock's time, as if it were UTC, so that clock changes don't matter: each time
 * of a day is one firing, even one that the clock shows twice or never.
 */
function cronOf(pattern: string): Cron {
  return new Cron(pattern, { mode: pattern.startsWith('@') ? 'auto' : '5-part', utcOffset: 0 });
}

/** A time that comes twice fires at the first; a skipped one at the first instant after the gap: `instantsOf`. */
function cronFirings(zone: string): (nominal: number) => Firing {
  let even: { readonly day: number; readonly offset: number | null } | null = null;
  return (nominal) => {
    const day = Math.floor(nominal / DAY);
    if (even?.day !== day) even = { day, offset: evenOffset(day * DAY, zone) };
    const at = even.offset === null ? instantsOf(wallTime(nominal, 'UTC'), zone)[0] : nominal - even.offset;
    return { period: timePeriod(nominal), at };
  };
}

/** The zone's offset throughout one of its days; null if it changes then, or shortly before or after. */
function evenOffset(dayStart: number, zone: string): number | null {
  const [before, after] = [offsetAt(dayStart - DAY, zone), offsetAt(dayStart + 2 * DAY, zone)];
  return before === after ? before : null;
}

function calendarFiring({ cadence, zone }: ZonedCadence, month: Month): Firing | null {
  if (cadence.kind !== 'calendar') return null;
  const day = businessDayOf(month, cadence.day, new Set(cadence.holidays));
  if (day === null) return null;
  const [hour = 0, minute = 0] = cadence.time.split(':').map(Number);
  const { year, month: number } = month;
  const at = instantsOf({ year, month: number, day, hour, minute, second: 0 }, zone)[0];
  return { period: monthPeriod(addMonths(month, cadence.monthBefore ? -1 : 0)), at };
}

/** The zone's wall clock time, as if it were UTC. */
const nominalOf = (instant: number, zone: string): number => utcOf(wallTime(instant, zone));

/** How far firings may be from where the clock shows their time: zero while the offset is constant for a day around. */
function searchMargin(instant: number, zone: string): number {
  const offsets = [-DAY, 0, DAY].map((ms) => offsetAt(instant + ms, zone));
  return new Set(offsets).size === 1 ? 0 : 2 * DAY;
}
