import { isKind } from '../../errors.ts';
import { groupsOf } from '../../model/job.ts';
import { OPEN, openOf } from '../../model/keys.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { isDenied } from '../denied-job.ts';
import { peekView } from '../journal.ts';

/** Running jobs besides those given whose tasks lie in the queues of the groups. One that can't be read is left out. */
export async function jobsSharing(
  { store, clock }: Platform,
  groups: ReadonlySet<string>,
  besides: ReadonlySet<string>,
): Promise<readonly JobView[]> {
  const jobs = new Set<string>();
  for await (const key of store.keys(OPEN)) {
    const mark = openOf(key);
    if (mark !== null && !besides.has(mark.job)) jobs.add(mark.job);
  }
  const now = clock.now();
  const views = await Promise.all(
    [...jobs].map((job) =>
      peekView(store, job).catch((error) => {
        if (isKind(error, 'newer', 'corrupt') || isDenied(error)) return null;
        throw error;
      }),
    ),
  );
  return views
    .filter((view) => view !== null)
    .filter((view) => stateOf(view) === 'running' && groupsOf(view.record.spec).some((group) => groups.has(group)))
    .filter(({ notBefore }) => notBefore === null || Date.parse(notBefore) <= now);
}
