import { isAlready } from '../model/legal.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append } from './journal.ts';
import { mustBeLegal } from './legal.ts';
import { recordView } from './remember.ts';

/** The answer of a command that changes a job's state. */
export interface Changed {
  readonly view: JobView;
  /** False if the job was already so. */
  readonly changed: boolean;
}

export interface PauseOptions {
  /** True returns running attempts at once; false lets them finish. */
  readonly now: boolean;
  readonly reason?: string;
}

/** Stops a job's tasks from being taken until `resume`. Throws `refused` for a job that is closed. */
export async function pause(platform: Platform, view: JobView, { now, reason }: PauseOptions): Promise<Changed> {
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (seen) => {
    if (isAlready(seen, 'pause', now)) return null;
    // A pause may become a pause at once; a job cancelled while paused may not.
    if (stateOf(seen) !== 'paused') mustBeLegal(seen, 'pause');
    return { what: 'pause', now, reason: reason ?? 'person' };
  });
  await recordView(platform, after);
  return { view: after, changed: appended };
}
