import { isWallTime, type WallTime } from './wall-time.ts';

/** A month of a calendar. */
export interface Month {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
}

/** The month so many months on, or back. */
export function addMonths({ year, month }: Month, months: number): Month {
  const at = year * 12 + (month - 1) + months;
  return { year: Math.floor(at / 12), month: (at % 12) + 1 };
}

/** `2026-11`: what a firing by a calendar is named by. */
export function monthPeriod({ year, month }: Month): string {
  return `${pad(year, 4)}-${pad(month)}`;
}

/** The month of a period; null for a text that names none. */
export function parseMonthPeriod(text: string): Month | null {
  const match = /^(\d{4})-(\d{2})$/.exec(text);
  const [year, month] = [Number(match?.[1]), Number(match?.[2])];
  return match !== null && month >= 1 && month <= 12 ? { year, month } : null;
}

/** `2026-11-30T06:00`: what a firing by a cron pattern is named by: the clock's time, as if it were UTC. */
export function timePeriod(nominal: number): string {
  return new Date(nominal).toISOString().slice(0, 'yyyy-mm-ddThh:mm'.length);
}

/** The wall time of a period; null for a text that names none. */
export function parseTimePeriod(text: string): WallTime | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})$/.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = match.slice(1).map(Number);
  const wall = { year, month, day, hour, minute, second: 0 };
  return isWallTime(wall) ? wall : null;
}

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');
