import type { Schedule } from '../model/schedule.ts';
import type { Firing } from '../model/schedule-times.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';

/** `2026-11, 2026-11-30 18:00 GMT (in 4d)`, in the schedule's own zone. */
export function firingText({ period: name, at }: Firing, zone: string, now: number): string {
  return `${name}, ${formatInstant(at, zone, now)}`;
}

export const iso = (at: number): string => new Date(at).toISOString();

/** Holidays are dates of certain years; beyond them only weekends are skipped, so warn. */
export function tellHolidaysEnd(ctx: Context, { cadence }: Pick<Schedule, 'cadence'>, until: number): void {
  if (cadence.kind !== 'calendar') return;
  const last = cadence.holidays.at(-1);
  const year = new Date(until).getUTCFullYear();
  if (last === undefined || Number(last.slice(0, 4)) >= year) return;
  ctx.notice(
    `the holidays end with ${last}: in ${year} only weekends are skipped, until you add its dates with --holidays and --replace`,
  );
}
