import { GROUPS, groupOf, OPEN, openOf } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';
import { readJob } from '../journal.ts';

/** Groups that there are, by name: those with a size, those that open jobs name, and `default`. */
export async function knownGroups({ store }: Platform): Promise<readonly string[]> {
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
    for (const { group } of (await readJob(store, job))?.spec.steps ?? []) groups.add(group);
  }
  return [...groups].sort();
}
