import { parseStored } from '../../lib/json.ts';
import { firingNewsMark, newsMark, noticesPrefix } from '../../model/keys.ts';
import { missedEvent, type NewsEvent, NO_START_MS, type Notification } from '../../model/notify.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { toldOf, toldOfFiring } from './receivers.ts';

/** A mark that speaks of a firing: all that is needed to tell of it, as its schedule may be gone by then. */
interface FiringNews {
  readonly format: 1;
  readonly event: NewsEvent;
  readonly schedule: string;
  readonly period: string;
  readonly notify: readonly Notification[];
}

/**
 * Marks, before the journal's entry `entry` closes the job, that people are to be told: a keeper finds by it what a
 * killed watcher left, and lists no finished jobs. Costs nothing where nobody is told.
 */
export async function putNewsMark(platform: Platform, view: JobView, entry: number): Promise<void> {
  if (toldOf(platform, view.record).length === 0) return;
  await platform.store.put(newsMark(view.record.job, entry), '{"format":1}');
}

/** Marks that a firing did not come, unless that was told, or is being told; or nobody is to know. */
async function putFiringNews(platform: Platform, news: Omit<FiringNews, 'format'>): Promise<void> {
  const { event, notify } = news;
  if (!toldOfFiring(platform, notify).some(({ on }) => on.has(event.kind))) return;
  for await (const _ of platform.store.keys(noticesPrefix(event.id))) return;
  await platform.store.put(firingNewsMark(event.id), JSON.stringify({ format: 1, ...news } satisfies FiringNews));
}

/** What a firing's mark says; null once it is gone. */
export async function readFiringNews({ store }: Pick<Platform, 'store'>, key: string): Promise<FiringNews | null> {
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<FiringNews>(key, bytes);
}

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
