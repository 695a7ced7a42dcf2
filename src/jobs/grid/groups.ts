import { groupsOf } from '../../model/job.ts';
import { GROUPS, groupOf, OPEN, openOf } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';
import { readJob } from '../journal.ts';

/** Groups that there are, by name: the profile's; else those with a size, those that open jobs name, and `default`. */
export async function knownGroups({ store, groups: own }: Platform): Promise<readonly string[]> {
  if (own !== undefined) return own;
  const groups = new Set(['default']);
  for await (const { key } of store.list(GROUPS)) {
    const group = groupOf(key);
    if (group !== null) groups.add(group);
  }
  const jobs = new Set<string>();
  for await (const { key } of store.list(OPEN)) {
    const mark = openOf(key);
    if (mark !== null) jobs.add(mark.job);
  }
  for (const job of jobs) {
    for (const group of groupsOf((await readJob(store, job))?.spec ?? { steps: [] })) groups.add(group);
  }
  return [...groups].sort();
}
