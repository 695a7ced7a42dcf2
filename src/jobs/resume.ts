import { standingOf } from '../model/decide.ts';
import { isAlready } from '../model/legal.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append } from './journal.ts';
import { mustBeLegal } from './legal.ts';
import { listFacts } from './listing.ts';
import { look } from './look.ts';
import type { Changed } from './pause.ts';
import { recordView } from './remember.ts';
import { sendUndecided } from './send.ts';

export interface Resumed extends Changed {
  /** Messages sent. */
  readonly sent: number;
}

/**
 * Lets a paused job go on, or finishes the sending of one whose submitter died. It appends first, then computes, then
 * sends: a task dropped during the pause is undecided then, and one dropped later is not dropped. Resuming a running
 * job sends what is undecided once more: so a resume that died between its entry and its sending is made good.
 * Throws `refused` for a closed job.
 */
export async function resume(platform: Platform, view: JobView): Promise<Resumed> {
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (seen) => {
    if (isAlready(seen, 'resume')) return null;
    mustBeLegal(seen, 'resume');
    return { what: 'resume' };
  });
  await recordView(platform, after);
  const standing = standingOf(after, await listFacts(platform.store, after));
  // What `onFailure: stop` gave up is dropped unrun until a retry asks for it.
  const sent = after.stopped === null ? await sendUndecided(platform, after, standing) : 0;
  // Nothing may be left to send: then what waited for the resume (a gather to open, a close) is done here.
  const found = await look(platform, after);
  return { view: found.view, changed: appended, sent };
}
