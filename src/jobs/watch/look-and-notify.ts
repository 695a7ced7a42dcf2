import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { NoticeSender } from '../notify/notice-sender.ts';
import { type Look, look } from './look.ts';

/** A look by a short-lived process: people are notified, or marked to be notified, before it returns. */
export async function lookAndNotify(platform: Platform, view: JobView): Promise<Look> {
  const found = await look(platform, view);
  // `status` shows receivers that can't be notified, and other processes retry.
  const sender = new NoticeSender(platform, { checksCounters: false, onTrouble: () => undefined });
  sender.observe(found.view);
  await sender.idle();
  return found;
}
