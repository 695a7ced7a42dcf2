import { BatchctlError } from '../errors.ts';
import { same } from '../model/changes.ts';
import { standingOf } from '../model/decide.ts';
import { isAlready } from '../model/legal.ts';
import { type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { append, refreshView } from './journal.ts';
import { mustBeLegal } from './legal.ts';
import { listFacts } from './listing.ts';
import { look } from './look.ts';
import { type Mend, overridesOfMend, putMend } from './mend.ts';
import type { Changed } from './pause.ts';
import { recordView } from './remember.ts';
import { askAgain } from './retry.ts';
import { sendUndecided, undecidedSets } from './send.ts';

export interface Resumed extends Changed {
  /** Messages sent. */
  readonly sent: number;
}

/**
 * Lets a paused job go on, or finishes the sending of one whose submitter died. It appends first, then computes, then
 * sends: a task dropped during the pause is undecided then, and one dropped later is not dropped. Resuming a running
 * job sends what is undecided once more: so a resume that died between its entry and its sending is made good.
 * With a mended job file, what is undecided is asked for in a new round first, so that no worker runs it as it was.
 * Throws `refused` for a closed job, for a running one that is to be mended, and for a file that is another job's.
 */
export async function resume(platform: Platform, seen: JobView, mend: Mend | null = null): Promise<Resumed> {
  const view = mend === null ? seen : await askMended(platform, seen, mend);
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (now) => {
    if (isAlready(now, 'resume')) return null;
    mustBeLegal(now, 'resume');
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

/** Throws `refused` unless the job's undecided tasks can be asked for with a mended file: it runs, or is closed. */
export function mustBeMendable(view: JobView): void {
  if (stateOf(view) !== 'running') {
    mustBeLegal(view, 'resume');
    return;
  }
  const { job } = view.record;
  throw new BatchctlError('refused', `can't mend job ${job} while it is running: its tasks would run as both`, {
    hint: `batchctl pause ${job} --now, then resume it with the mended file`,
  });
}

async function askMended(platform: Platform, seen: JobView, mend: Mend): Promise<JobView> {
  let view = await refreshView(platform.store, seen);
  for (;;) {
    const overrides = overridesOfMend(view, mend);
    // The same command died after its resume, or is said twice: what it asked for runs so.
    if (stateOf(view) === 'running' && same(view.overrides, overrides)) return view;
    mustBeMendable(view);
    const tasks = undecidedSets(standingOf(view, await listFacts(platform.store, view)));
    await putMend(platform.store, mend);
    const { view: after, round } = await askAgain(platform, view, { tasks, canaries: null }, overrides);
    if (round !== null) return after;
    view = after;
  }
}
