import { BatchctlError } from '../errors.ts';
import { parseDuration } from '../lib/units.ts';
import { NAME } from '../model/keys.ts';
import type { FinishBy } from '../model/schedule.ts';
import { type Cadence, checkCron, parseCalendar, parseHolidays } from '../model/schedule-times.ts';
import { parsed } from './command.ts';
import type { Context } from './context.ts';
import { openText } from './open-job-file.ts';

/** Flags that say when a schedule fires. */
export const CADENCE_FLAGS = {
  '--cron <pattern>': 'five fields: "30 18 L * *" is 18:30 on the last day of each month',
  '--calendar <day>': 'a business day of each month: last-business-day or nth-business-day:3',
  '--time <time>': 'with --calendar: the time of day (default: 18:00)',
  '--holidays <file>': 'with --calendar: a file of dates that are not business days, one per line',
  '--month-before': 'with --calendar: {period} is the month before the one in which the schedule fires',
  '--catch-up <duration>': parsed('how late a missed firing may still run (default: 24h)', parseDuration),
} as const;

export interface CadenceInput {
  readonly cron: string | undefined;
  readonly calendar: string | undefined;
  readonly time: string | undefined;
  readonly holidays: string | undefined;
  readonly monthBefore: boolean;
}

/** Seconds. */
export const DEFAULT_CATCH_UP = 24 * 3_600;
const DEFAULT_TIME = '18:00';

/**
 * The cadence that the flags describe. Reads the holidays file. Throws `usage`, and `notFound` if that file doesn't
 * exist.
 */
export async function cadenceOf(ctx: Context, input: CadenceInput): Promise<Cadence> {
  const { cron, calendar, time, holidays, monthBefore } = input;
  if ((cron === undefined) === (calendar === undefined)) {
    throw new BatchctlError(
      'usage',
      `expected either --cron or --calendar, found ${cron === undefined ? 'none' : 'both'}`,
      {
        hint: '--cron "30 18 L * *", or --calendar last-business-day',
      },
    );
  }
  if (cron !== undefined) {
    const flags = { '--time': time, '--holidays': holidays, '--month-before': monthBefore || undefined };
    const [other] = Object.entries(flags).filter(([, value]) => value !== undefined);
    if (other !== undefined)
      throw new BatchctlError('usage', `${other[0]} can be used with --calendar, not with --cron`);
    return { kind: 'cron', pattern: checkCron(cron) };
  }
  return {
    kind: 'calendar',
    day: parseCalendar(calendar ?? ''),
    time: timeOfDay('--time', time ?? DEFAULT_TIME),
    holidays: holidays === undefined ? [] : parseHolidays(await openText(ctx, '--holidays', holidays), holidays),
    monthBefore,
  };
}

/** A deadline relative to each firing. Throws `usage` for a text that names a certain day. */
export function finishByOf(text: string): FinishBy {
  const ahead = /^in\s+(.+)$/i.exec(text.trim())?.[1];
  if (ahead !== undefined) return { kind: 'after', seconds: parseDuration(ahead.replace(/\s+/g, '')) };
  const named = /^(?:(tomorrow)(?:\s+(?:at\s+)?|T))?(\d{1,2}:\d{2})$/i.exec(text.trim());
  if (named?.[2] === undefined) {
    throw new BatchctlError('usage', `--finish-by ${text}: expected a time relative to each firing`, {
      hint: 'use "in 6h", 06:00 (the next one after the due time) or "tomorrow 06:00"',
    });
  }
  return { kind: 'time', time: timeOfDay('--finish-by', named[2]), days: named[1] === undefined ? 0 : 1 };
}

function timeOfDay(flag: string, text: string): string {
  const match = /^(\d{1,2}):(\d{2})$/.exec(text.trim());
  const [hour, minute] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || hour > 23 || minute > 59) {
    throw new BatchctlError('usage', `${flag}: expected a time of day such as 18:00, found "${text}"`);
  }
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}

/** Checks the name of a schedule. Throws `usage`. */
export function scheduleName(text: string): string {
  if (NAME.test(text) && text !== 'last') return text;
  throw new BatchctlError(
    'usage',
    `expected a name of at most 40 lower-case letters, digits and hyphens, found "${text}"`,
    {
      hint: 'batchctl schedule add month-end job.yaml --calendar last-business-day',
    },
  );
}
