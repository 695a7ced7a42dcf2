import { isKind } from '../../errors.ts';
import type { JobState } from '../../model/job.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { isDenied } from '../denied-job.ts';
import { peekView } from '../journal.ts';
import { JobWatcher } from '../watch/job-watcher.ts';

/**
 * The jobs whose tasks run now or wait to run, or that are in one of the given states. Skips jobs that can't be read.
 */
export async function runningViews(
  platform: Platform,
  states: readonly JobState[] = ['running'],
): Promise<readonly JobView[]> {
  const jobs = await new JobWatcher(platform, platform.leaseSeconds).openJobs();
  const views = await Promise.all(jobs.map((job) => readable(platform, job)));
  return views.filter((view) => view !== null).filter((view) => states.includes(stateOf(view)));
}

async function readable({ store }: Platform, job: string): Promise<JobView | null> {
  try {
    return await peekView(store, job);
  } catch (error) {
    if (isKind(error, 'newer', 'corrupt') || isDenied(error)) return null;
    throw error;
  }
}
