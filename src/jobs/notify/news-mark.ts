import { messageOf } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { firingNewsMark, newsMark, noticesPrefix } from '../../model/keys.ts';
import { missedEvent, type NewsEvent, NO_START_MS, type Notification } from '../../model/notify.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { firingReceivers, jobReceivers } from './receivers.ts';

/** A mark about a firing. It has all that the notification needs, because the schedule may be gone by then. */
interface FiringNews {
  readonly format: 1;
  readonly event: NewsEvent;
  readonly schedule: string;
  readonly period: string;
  readonly notify: readonly Notification[];
}

/**
 * Marks, before the journal entry `entry` closes the job, that people must be notified: a manager or tick finds what a
 * killed watcher left without listing finished jobs. Does nothing without receivers.
 */
export async function putNewsMark(platform: Platform, view: JobView, entry: number): Promise<void> {
  if (jobReceivers(platform, view.record).length === 0) return;
  await platform.store.put(newsMark(view.record.job, entry), '{"format":1}');
}

/** Marks that a firing did not happen, unless that was reported or is being reported, or there are no receivers. */
async function putFiringNews(platform: Platform, news: Omit<FiringNews, 'format'>): Promise<void> {
  const { event, notify } = news;
  if (!firingReceivers(platform, notify).some(({ on }) => on.has(event.kind))) return;
  for await (const _ of platform.store.keys(noticesPrefix(event.id))) return;
  await platform.store.put(firingNewsMark(event.id), JSON.stringify({ format: 1, ...news } satisfies FiringNews));
}

/** The mark of a firing; null once it is gone. */
export async function readFiringNews({ store }: Pick<Platform, 'store'>, key: string): Promise<FiringNews | null> {
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<FiringNews>(key, bytes);
}

/** Marks that people must be notified of firings that no process made in time. */
export async function putMissedFirings(
  platform: Platform,
  schedules: readonly Schedule[],
  missed: readonly { readonly schedule: string; readonly firing: Firing }[],
): Promise<void> {
  for (const { schedule, firing } of missed) {
    await putNotFired(platform, schedules, { schedule, ...firing, why: 'it did not fire in time' });
  }
}

/** Marks a firing that still fails some time after it was due: until then the problem may pass. */
export async function putFailedFiring(
  platform: Platform,
  schedules: readonly Schedule[],
  failed: { readonly schedule: string; readonly period: string; readonly at: number; readonly error: unknown },
): Promise<void> {
  const { schedule, period, at, error } = failed;
  if (platform.clock.now() - at < NO_START_MS) return;
  const why = messageOf(error);
  await putNotFired(platform, schedules, { schedule, period, at, why });
}

async function putNotFired(
  platform: Platform,
  schedules: readonly Schedule[],
  what: { readonly schedule: string; readonly period: string; readonly at: number; readonly why: string },
): Promise<void> {
  const { schedule, period, at, why } = what;
  const notify = schedules.find(({ name }) => name === schedule)?.job.spec.notify ?? [];
  await putFiringNews(platform, { event: missedEvent(schedule, period, at, why), schedule, period, notify });
}
