import { messageOf } from '../../errors.ts';
import { readStored } from '../../lib/json.ts';
import { stayingFix, stayingText } from '../../model/cost/staying.ts';
import { firingNewsMark, newsMark, noticesPrefix } from '../../model/keys.ts';
import { missedEvent, NO_START_MS, stayEvent } from '../../model/news.ts';
import type { NewsEvent, Notification } from '../../model/notify.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Firing } from '../../model/schedule-times.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { readStaying } from '../cost/staying.ts';
import { listWorkers } from '../grid/workers.ts';
import { firingReceivers, jobReceivers } from '../receivers.ts';

/** A mark about a firing. It has all that the notification needs, because the schedule may be gone by then. */
interface FiringNews {
  readonly format: 1;
  readonly event: NewsEvent;
  /** Null for an event of a group. */
  readonly schedule: string | null;
  readonly period: string | null;
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

/** The mark of a firing; null once it is gone. */
export function readFiringNews({ store }: Pick<Platform, 'store'>, key: string): Promise<FiringNews | null> {
  return readStored<FiringNews>(store, key);
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
  failed: Firing & { readonly schedule: string; readonly error: unknown },
): Promise<void> {
  if (platform.clock.now() - failed.at < NO_START_MS) return;
  await putNotFired(platform, schedules, { ...failed, why: messageOf(failed.error) });
}

/** Marks that a firing did not happen, unless that was reported or is being reported, or there are no receivers. */
async function putNotFired(
  platform: Platform,
  schedules: readonly Schedule[],
  { schedule, period, at, why }: Firing & { readonly schedule: string; readonly why: string },
): Promise<void> {
  const notify = schedules.find(({ name }) => name === schedule)?.job.spec.notify ?? [];
  await putNews(platform, { format: 1, event: missedEvent(schedule, period, at, why), schedule, period, notify });
}

async function putNews(platform: Platform, news: FiringNews): Promise<void> {
  const { event, notify } = news;
  if (!firingReceivers(platform, notify).some(({ on }) => on.has(event.kind))) return;
  for await (const _ of platform.store.keys(noticesPrefix(event.id))) return;
  await platform.store.put(firingNewsMark(event.id), JSON.stringify(news));
}

/**
 * Marks, once a day, each group whose idle workers may not end their machines. Reads the workers only if the profile
 * notifies someone of it.
 */
export async function putStayingFleets(platform: Platform): Promise<void> {
  if (!platform.workplace.sizesGroups || !firingReceivers(platform, []).some(({ on }) => on.has('stays'))) return;
  const workers = await listWorkers(platform, { group: undefined, left: false });
  for (const group of new Set(workers.flatMap((worker) => worker.group.split(',')))) {
    const serving = workers.filter((worker) => worker.group.split(',').includes(group));
    const staying = await readStaying(platform, group, serving);
    if (staying === null) continue;
    const event = stayEvent(group, platform.clock.now(), `${stayingText(staying)}; ${stayingFix(group)}`);
    await putNews(platform, { format: 1, event, schedule: null, period: null, notify: [] });
  }
}
