import { missedEvent, NO_START_MS } from '../../model/notify.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import type { Platform } from '../../ports/platform.ts';
import { putFiringNews } from './news-mark.ts';

/** Marks that people are to be told of firings that nobody made in time. */
export async function putMissedFirings(
  platform: Platform,
  schedules: readonly Schedule[],
  missed: readonly { readonly schedule: string; readonly firing: Firing }[],
): Promise<void> {
  for (const { schedule, firing } of missed) {
    await put(platform, schedules, { schedule, ...firing, why: 'it did not fire in time' });
  }
}

/** Marks it of a firing that still fails a while after it was due: until then it may come right by itself. */
export async function putFailedFiring(
  platform: Platform,
  schedules: readonly Schedule[],
  failed: { readonly schedule: string; readonly period: string; readonly at: number; readonly error: unknown },
): Promise<void> {
  const { schedule, period, at, error } = failed;
  if (platform.clock.now() - at < NO_START_MS) return;
  const why = error instanceof Error ? error.message : String(error);
  await put(platform, schedules, { schedule, period, at, why });
}

async function put(
  platform: Platform,
  schedules: readonly Schedule[],
  what: { readonly schedule: string; readonly period: string; readonly at: number; readonly why: string },
): Promise<void> {
  const { schedule, period, at, why } = what;
  const notify = schedules.find(({ name }) => name === schedule)?.job.spec.notify ?? [];
  await putFiringNews(platform, { event: missedEvent(schedule, period, at, why), schedule, period, notify });
}
