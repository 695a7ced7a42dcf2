import { BatchctlError } from '../errors.ts';
import type { Month } from './period.ts';

/** Which business day of a month: the last, or the nth. */
export type BusinessDay = 'last' | number;

/** No month has fewer weekdays than February's 20; holidays may leave fewer still. */
const MOST = 20;

/** Reads `last-business-day` or `nth-business-day:3`. Throws `usage`. */
export function parseCalendar(text: string): BusinessDay {
  if (text === 'last-business-day') return 'last';
  const n = Number(/^nth-business-day:(\d{1,2})$/.exec(text)?.[1] ?? 0);
  if (n >= 1 && n <= MOST) return n;
  throw new BatchctlError(
    'usage',
    `expected last-business-day or nth-business-day:N with N from 1 to ${MOST}, found "${text}"`,
    {
      hint: '--calendar nth-business-day:3 is the third',
    },
  );
}

export function calendarText(day: BusinessDay): string {
  return day === 'last' ? 'last-business-day' : `nth-business-day:${day}`;
}

/**
 * The day of the month that is the business day asked for: neither Saturday nor Sunday nor one of the holidays
 * (`2026-12-25`). Null in a month that has none, or not so many.
 */
export function businessDayOf({ year, month }: Month, day: BusinessDay, holidays: ReadonlySet<string>): number | null {
  const days = businessDays(year, month, holidays);
  return (day === 'last' ? days.at(-1) : days[day - 1]) ?? null;
}

function businessDays(year: number, month: number, holidays: ReadonlySet<string>): readonly number[] {
  const length = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return Array.from({ length }, (_, index) => index + 1).filter((day) => {
    const date = new Date(Date.UTC(year, month - 1, day));
    const weekday = date.getUTCDay();
    return weekday !== 0 && weekday !== 6 && !holidays.has(date.toISOString().slice(0, 10));
  });
}

/**
 * The dates of a holidays file, sorted, each once: one a line (`2026-12-25`), what follows it is its name; `#` begins a
 * comment. Throws `usage` with the line that is no date.
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
        hint: 'one date a line; what follows it is its name, # begins a comment',
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
