import { type Ranges, unionOf } from '../../model/ranges.ts';
import { parseTaskSet } from '../../model/task-set.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';

/**
 * The tasks of causes, by step; null when no cause is named. `all` gives those that a
 * person went without as well.
 * Throws as `matching` does: `notFound`, naming the causes there are, and `usage`.
 */
export async function tasksOfCauses(
  platform: Platform,
  view: JobView,
  ids: readonly string[],
  which: 'failed' | 'all',
): Promise<readonly Ranges[] | null> {
  if (ids.length === 0) return null;
  // Only who names a cause pays for reading what failed.
  const { causesOf, matching } = await import('./causes.ts');
  const causes = await causesOf(platform, view);
  const found = new Set(ids.flatMap((id) => matching(causes, id, view.record.job)));
  return view.record.spec.steps.map(({ name }) =>
    [...found]
      .filter(({ step }) => step === name)
      .flatMap(({ tasks, skipped }) => (which === 'failed' ? [tasks] : [tasks, skipped]))
      .map((tasks) => parseTaskSet(tasks.toString()))
      .reduce<Ranges>(unionOf, []),
  );
}
