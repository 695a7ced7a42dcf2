import { BatchctlError } from '../../../src/errors.ts';
import { putNewsMark } from '../../../src/jobs/notify/news-mark.ts';
import { NoticeSender } from '../../../src/jobs/notify/notice-sender.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import type { EntryKind } from '../../../src/model/journal.ts';
import type { Notification } from '../../../src/model/notify.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Notice, Notifier, Receiver } from '../../../src/ports/notifier.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { addEntry } from '../../support/claims-job.ts';
import { putJob } from '../published-job.ts';

/** Accepts notices, except for the receivers that are unreachable. */
export class FakeReceivers implements Notifier {
  readonly received: (Notice & { readonly to: string })[] = [];
  readonly unreachable = new Set<string>();

  async send({ to }: Receiver, notice: Notice): Promise<void> {
    if (this.unreachable.has(to)) throw new BatchctlError('unavailable', `${to} is away`);
    this.received.push({ ...notice, to });
  }
}

/** The platform at another time, with a profile that notifies. */
export const notifyingPlatform = (
  platform: Platform,
  clock: Clock,
  notifier: Notifier,
  profile: readonly Notification[],
): Platform => ({ ...platform, clock, notices: { notifier, profile } });

export const FAILED: EntryKind = { what: 'close', state: 'failed', reason: 'failures', round: 0 };

/** A job that failed. Its close has a mark, as if a process had been about to notify people. */
export async function failedJob(platform: Platform, job?: string): Promise<JobView> {
  const view = await putJob(platform, [{ name: 'a' }], job === undefined ? {} : { job });
  await putNewsMark(platform, view, view.next);
  return addEntry(platform, view, FAILED);
}

/** A sender, and the messages about receivers that it could not notify. */
export function openSender(
  platform: Platform,
  options: Partial<ConstructorParameters<typeof NoticeSender>[1]> = {},
): { readonly sender: NoticeSender; readonly troubles: readonly string[] } {
  const troubles: string[] = [];
  const onTrouble = ({ message }: BatchctlError) => void troubles.push(message);
  return { sender: new NoticeSender(platform, { checksCounters: false, onTrouble, ...options }), troubles };
}

/** Shows a job to a sender, and waits until people are notified. */
export async function observe(sender: NoticeSender, view: JobView): Promise<void> {
  sender.observe(view);
  await sender.idle();
}
