import { hostname } from 'node:os';
import { hasCode } from '../../errors.ts';
import { isClosed } from '../../model/job.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { cancel } from '../cancel.ts';
import { readView } from '../journal.ts';
import { pruneJob } from '../prune-job.ts';
import { clearGroup } from './outcome.ts';

/**
 * Ends a rehearsal, whatever became of it: afterwards it is closed, its group's queue is empty and, unless it is kept, what
 * it wrote is gone. Its job.json, journal and proof stay, as of any pruned job. Safe to do twice.
 */
export async function leaveRehearsal(
  platform: Platform,
  view: JobView,
  { keep, tally }: { readonly keep: boolean; readonly tally: (group: string) => string },
): Promise<void> {
  const closed = isClosed(stateOf(view)) ? view : (await cancel(platform, view)).view;
  const group = view.record.spec.steps[0]?.group;
  if (group !== undefined) await clearGroup(platform, group, tally(group));
  if (!keep) await pruneJob(platform, closed, {});
}

/** Clears away what rehearsals left that were killed on this machine; answers their ids. */
export async function clearAbandoned(platform: Platform, tally: (group: string) => string): Promise<readonly string[]> {
  const ledger = await platform.ledger();
  const cleared: string[] = [];
  for (const { job, steps } of await ledger.jobs({ states: ['submitted', 'running', 'paused'] })) {
    if (!isRehearsal(steps)) continue;
    const view = await readView(platform.store, job);
    const { rehearsal, host } = view?.record ?? {};
    if (view === null || !rehearsal || host !== hostname() || isAlive(rehearsal.pid)) continue;
    await leaveRehearsal(platform, view, { keep: false, tally });
    cleared.push(job);
  }
  return cleared;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}
