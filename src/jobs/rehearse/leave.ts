import { hostname } from 'node:os';
import { hasCode, isKind } from '../../errors.ts';
import { isClosed } from '../../model/job.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { cancel } from '../cancel.ts';
import { readView } from '../journal.ts';
import { Onlooker } from '../onlooker.ts';
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
  const cleared: string[] = [];
  // By their marks: one that was killed early the ledger may not know.
  for (const job of await new Onlooker(platform, platform.leaseSeconds).openJobs()) {
    const view = await readableView(platform, job);
    const { rehearsal, host } = view?.record ?? {};
    if (view === null || !rehearsal || host !== hostname() || isAlive(rehearsal.pid)) continue;
    await leaveRehearsal(platform, view, { keep: false, tally });
    cleared.push(job);
  }
  return cleared;
}

/** Another job that is damaged, or of a newer format, is no reason to rehearse none. */
async function readableView({ store }: Platform, job: string): Promise<JobView | null> {
  try {
    return await readView(store, job);
  } catch (error) {
    if (isKind(error, 'corrupt', 'newer')) return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}
