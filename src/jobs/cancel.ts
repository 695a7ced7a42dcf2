import { isAlready } from '../model/legal.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append } from './journal.ts';
import { mustBeLegal } from './legal.ts';
import { lookAndTell } from './notify/look-and-tell.ts';
import type { Changed } from './pause.ts';
import { recordView } from './remember.ts';

/**
 * Ends a job permanently: drops waiting tasks, ends running attempts at their worker's next heartbeat, keeps outputs.
 * On a cancelled job it only completes a cancel that was interrupted before the close. Throws `refused` for a job that
 * ended in another way.
 */
export async function cancel(platform: Platform, view: JobView): Promise<Changed> {
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: cancelled, appended } = await append(platform.store, view, by, (seen) => {
    if (isAlready(seen, 'cancel')) return null;
    mustBeLegal(seen, 'cancel');
    return { what: 'cancel' };
  });
  await recordView(platform, cancelled);
  const { view: after } = await lookAndTell(platform, cancelled);
  return { view: after, changed: appended };
}
