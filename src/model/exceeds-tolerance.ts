import { takesFiles, toleratedOf } from './job.ts';
import type { JobView } from './view.ts';

/**
 * Whether more tasks failed for good than may, by step: the chains of the first section and of each one behind an
 * `explode` are counted by themselves, with the gathers that follow them.
 */
export function exceedsTolerance(
  { record, tolerance }: JobView,
  sizes: readonly number[],
  failed: readonly number[],
): boolean {
  let [start, count] = [0, 0];
  return record.spec.steps.some((_, index) => {
    if (takesFiles(record.spec.steps, index)) [start, count] = [index, 0];
    count += failed[index] ?? 0;
    return count > toleratedOf(tolerance, sizes[start] ?? 0);
  });
}
