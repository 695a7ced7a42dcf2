import { Cron } from 'croner';
import { BatchctlError } from '../errors.ts';
import { type BusinessDay, businessDayOf } from './calendar.ts';
import { addMonths, type Month, monthPeriod, parseMonthPeriod, parseTimePeriod, timePeriod } from './period.ts';
import { instantsOf, type WallTime, wallTime } from './wall-time.ts';

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
      /** The period is the month before the one that it fires in. */
      readonly monthBefore: boolean;
    };

export interface When {
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
 * A cron pattern, checked: five fields, or a nickname such as @daily. Beyond crontab(5) it may have `L` (the last day),
 * `15W` (the weekday nearest the 15th), `MON#1`. Throws `usage` for anything else, and for one that never fires.
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
    throw wrong(`: ${cause instanceof Error ? cronWords(cause.message) : String(cause)}`, cause);
  }
  if (first === null) throw wrong(', which never fires');
  return trimmed;
}

/** What the library says of a pattern, in the pattern's own numbers (it counts days and months from 0), and what would do. */
function cronWords(message: string): string {
  const said = message
    .replace(/^CronPattern: /, '')
    .replace(/(value for (?:day|month): )(-?\d+)/, (_, what: string, n: string) => `${what}${Number(n) + 1}`);
  const [, from, to] = /From value is larger than to value: '(\w+)-(\w+)'/.exec(said) ?? [];
  return from === undefined
    ? said
    : `a range can't go over its end: say ${from}-LAST,FIRST-${to}, as 22-23,0-2 for hours`;
}

/** Firings after one instant up to another (inclusive), oldest first; at most `most`. */
export function firingsBetween(
  when: When,
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

/** The next `count` firings after an instant: fewer where a pattern ends. */
export function firingsAfter(when: When, after: number, count: number): readonly Firing[] {
  return firingsBetween(when, after, Number.POSITIVE_INFINITY, count);
}

/** The last `count` firings up to an instant (inclusive), latest first. */
export function firingsBefore(when: When, until: number, count: number): readonly Firing[] {
  const found: Firing[] = [];
  for (const firing of firingsBack(when, until)) {
    if (found.length >= count) break;
    if (firing.at <= until) found.push(firing);
  }
  return found;
}

/** The firing that a period names; null for one that the schedule has not. */
export function firingOf(when: When, period: string): Firing | null {
  // `Date.UTC` takes years below 100 for those of 1900: that firing is another one's.
  const named = (firing: Firing | null): Firing | null => (firing?.period === period && firing.at > 0 ? firing : null);
  if (when.cadence.kind === 'calendar') {
    const month = parseMonthPeriod(period);
    return month === null ? null : named(calendarFiring(when, addMonths(month, when.cadence.monthBefore ? 1 : 0)));
  }
  const wall = parseTimePeriod(period);
  if (wall === null) return null;
  const nominal = asUtc(wall);
  const next = cronOf(when.cadence.pattern).nextRun(new Date(nominal - 1));
  return next?.getTime() === nominal ? named(cronFirings(when.zone)(nominal)) : null;
}

/** From before an instant on, in order. The two days' room is for zones that skip a whole day. */
function* firingsFrom(when: When, after: number): Generator<Firing> {
  const { cadence, zone } = when;
  if (cadence.kind === 'calendar') {
    for (let month = monthBefore(wallTime(after, zone)); month.year < LAST_YEAR; month = addMonths(month, 1)) {
      const firing = calendarFiring(when, month);
      if (firing !== null) yield firing;
    }
    return;
  }
  const cron = cronOf(cadence.pattern);
  const firing = cronFirings(zone);
  let at = cron.nextRun(new Date(nominalOf(after, zone) - room(after, zone) - 1));
  for (; at !== null; at = cron.nextRun(at)) yield firing(at.getTime());
}

/** From after an instant back, latest first. */
function* firingsBack(when: When, until: number): Generator<Firing> {
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
  let at = new Date(nominalOf(until, zone) + room(until, zone) + 1);
  for (;;) {
    const [before] = cron.previousRuns(1, at);
    if (before === undefined) return;
    yield firing(before.getTime());
    at = before;
  }
}

/** A calendar whose months all lack the day ends somewhere. */
const [FIRST_YEAR, LAST_YEAR] = [1970, 2200];

/**
 * Patterns are matched against the clock's own time, as if it were UTC, so that no change of the clocks is in their way:
 * each time of a day is one firing, also one that a clock shows twice or never.
 */
function cronOf(pattern: string): Cron {
  return new Cron(pattern, { mode: pattern.startsWith('@') ? 'auto' : '5-part', utcOffset: 0 });
}

/** A time that comes twice is the first, one that is skipped the first instant after: `instantsOf`. */
function cronFirings(zone: string): (nominal: number) => Firing {
  let even: { readonly day: number; readonly offset: number | null } | null = null;
  return (nominal) => {
    const day = Math.floor(nominal / DAY);
    if (even?.day !== day) even = { day, offset: evenOffset(day * DAY, zone) };
    const at = even.offset === null ? instantsOf(wallTime(nominal, 'UTC'), zone)[0] : nominal - even.offset;
    return { period: timePeriod(nominal), at };
  };
}

/** How far a zone's clock is ahead all through a day of it; null where it changes then, or about then. */
function evenOffset(dayStart: number, zone: string): number | null {
  const offsets = [dayStart - DAY, dayStart + 2 * DAY].map((instant) => nominalOf(instant, zone) - instant);
  return offsets[0] === offsets[1] ? (offsets[0] ?? null) : null;
}

function calendarFiring({ cadence, zone }: When, month: Month): Firing | null {
  if (cadence.kind !== 'calendar') return null;
  const day = businessDayOf(month, cadence.day, new Set(cadence.holidays));
  if (day === null) return null;
  const [hour = 0, minute = 0] = cadence.time.split(':').map(Number);
  const { year, month: number } = month;
  const at = instantsOf({ year, month: number, day, hour, minute, second: 0 }, zone)[0];
  return { period: monthPeriod(addMonths(month, cadence.monthBefore ? -1 : 0)), at };
}

const DAY = 86_400_000;

/** What a zone's clock shows, as if that were UTC. */
const nominalOf = (instant: number, zone: string): number => asUtc(wallTime(instant, zone));

/** How far firings may lie from where the clock shows their time: nothing, while it goes evenly for a day around. */
function room(instant: number, zone: string): number {
  const offsets = [-DAY, 0, DAY].map((ms) => nominalOf(instant + ms, zone) - Math.floor((instant + ms) / 1000) * 1000);
  return new Set(offsets).size === 1 ? 0 : 2 * DAY;
}

const asUtc = ({ year, month, day, hour, minute, second }: WallTime): number =>
  Date.UTC(year, month - 1, day, hour, minute, second);

const monthBefore = (month: Month): Month => addMonths(month, -1);
