import { BatchctlError } from '../errors.ts';
import { formatInstant } from '../lib/instant.ts';
import { parseDuration } from '../lib/units.ts';
import type { FinishBy } from '../model/schedule.ts';
import { addDays, instantsOf, isWallTime, type WallTime, wallTime } from '../model/wall-time.ts';
import type { VerbContext } from './context.ts';

type Timed = Pick<VerbContext, 'zone' | 'clock'>;

/** The start time of a job as ISO-8601 UTC, from `now` or a future time. Throws `usage`. */
export async function startTimeOf(context: Timed, text: string): Promise<string> {
  return text.trim().toLowerCase() === 'now'
    ? new Date(context.clock.now()).toISOString()
    : parseFutureTime(context, '--at', text);
}

/** A deadline as ISO-8601 UTC. Throws `usage` for an invalid or past time. */
export function deadlineOf(context: Timed, text: string): Promise<string> {
  return parseFutureTime(context, '--finish-by', text);
}

export async function parseFutureTime(context: Timed, flag: string, text: string): Promise<string> {
  const [zone, now] = [await context.zone(), context.clock.now()];
  const instant = parseTime(text, { now, zone });
  if (instant <= now) {
    throw new BatchctlError(
      'usage',
      `${flag} ${text}: expected a future time, found ${formatInstant(instant, zone, now)}`,
      { hint: 'use "in 6h", "tomorrow 06:00", or a future date and time' },
    );
  }
  return new Date(instant).toISOString();
}

interface TimeContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** An IANA zone, for times without an offset. */
  readonly zone: string;
}

/** A bare time (`18:30`) that is further ahead than this must name its day. */
const BARE_LIMIT_MS = 18 * 3_600_000;
const FORMS = 'use 2026-11-30T18:30Z, 2026-11-30T18:30 (in --tz), 18:30, "in 6h" or "tomorrow 06:00"';

/**
 * Parses a time: ISO-8601 with or without an offset, `18:30` (the next one, at most 18 h ahead), `today 18:30`,
 * `tomorrow 06:00`, `in 6h`. Returns milliseconds since the epoch. A local time skipped by daylight saving time becomes
 * the first instant after the gap; one that occurs twice is the first (a bare one: the next). Throws `usage`.
 */
export function parseTime(text: string, { now, zone }: TimeContext): number {
  const trimmed = text.trim();
  const ahead = secondsAhead(trimmed);
  if (ahead !== null) return now + ahead * 1000;
  const named = /^(today|tomorrow)(?:\s+(?:at\s+)?|T)(\d{1,2}:\d{2}(?::\d{2})?)$/i.exec(trimmed);
  const today = wallTime(now, zone);
  if (named?.[2] !== undefined) {
    const days = named[1]?.toLowerCase() === 'tomorrow' ? 1 : 0;
    return instantsOf(addDays(today, days, clockTime(named[2], text)), zone)[0];
  }
  if (/^\d{1,2}:\d{2}(:\d{2})?$/.test(trimmed)) return nextBareTime(trimmed, today, { now, zone });
  return parseIso(trimmed, zone) ?? fail(text);
}

function nextBareTime(text: string, today: WallTime, { now, zone }: TimeContext): number {
  const time = clockTime(text, text);
  const next = [0, 1].flatMap((days) => instantsOf(addDays(today, days, time), zone)).find((instant) => instant > now);
  if (next === undefined || next - now > BARE_LIMIT_MS) {
    throw new BatchctlError(
      'usage',
      `expected a time at most 18 h ahead, found ${text}: its next occurrence is later`,
      { hint: `use "tomorrow ${text}", or a date and time` },
    );
  }
  return next;
}

function parseIso(text: string, zone: string): number | null {
  const match =
    /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction, offset] = match;
  const wall: WallTime = {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
  };
  if (!isWallTime(wall)) fail(text);
  const milliseconds = Math.floor(Number(`0${fraction ?? '.0'}`) * 1000);
  if (offset === undefined) return instantsOf(wall, zone)[0] + milliseconds;
  return instantsOf(wall, 'UTC')[0] + milliseconds - offsetMs(offset, text);
}

function offsetMs(offset: string, text: string): number {
  if (/^z$/i.test(offset)) return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(-2));
  if (hours > 18 || minutes > 59) fail(text);
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function clockTime(time: string, text: string): Pick<WallTime, 'hour' | 'minute' | 'second'> {
  const [hour = 0, minute = 0, second = 0] = time.split(':').map(Number);
  if (hour > 23 || minute > 59 || second > 59) fail(text);
  return { hour, minute, second };
}

/** The seconds of `in 6h`; null for another text. */
function secondsAhead(text: string): number | null {
  const ahead = /^in\s+(.+)$/i.exec(text)?.[1];
  if (ahead === undefined) return null;
  try {
    return parseDuration(ahead.replace(/\s+/g, ''));
  } catch (cause) {
    throw new BatchctlError('usage', `expected a duration after "in", found "${text}"`, {
      hint: 'use "in 90s", "in 10m", "in 6h" or "in 2d"',
      cause,
    });
  }
}

function fail(text: string): never {
  throw new BatchctlError('usage', `expected a time, found "${text}"`, { hint: FORMS });
}

/** Parses a deadline relative to each firing. Throws `usage` for a text with a fixed date. */
export function finishByOf(text: string): FinishBy {
  const seconds = secondsAhead(text.trim());
  if (seconds !== null) return { kind: 'after', seconds };
  const named = /^(?:(tomorrow)(?:\s+(?:at\s+)?|T))?(\d{1,2}:\d{2})$/i.exec(text.trim());
  if (named?.[2] === undefined) {
    throw new BatchctlError('usage', `--finish-by ${text}: expected a time relative to each firing`, {
      hint: 'use "in 6h", 06:00 (the next one after the due time) or "tomorrow 06:00"',
    });
  }
  return { kind: 'time', time: timeOfDay('--finish-by', named[2]), days: named[1] === undefined ? 0 : 1 };
}

/** `HH:MM`. Throws `usage`. */
export function timeOfDay(flag: string, text: string): string {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text.trim());
  const [hour, minute] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || hour > 23 || minute > 59) {
    throw new BatchctlError('usage', `${flag}: expected a time of day such as 18:00, found "${text}"`);
  }
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}
