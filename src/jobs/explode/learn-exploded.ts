import { takesFiles } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { readOpened } from '../listing.ts';

/**
 * Adds to a view what has opened behind an `explode` since it was read: one small read a step that isn't open yet, none
 * for other jobs. Steps open in their order, so nothing is read behind one that isn't.
 */
export async function learnExploded(store: ObjectStore, view: JobView): Promise<JobView> {
  const { job, spec } = view.record;
  let exploded: Map<number, number> | null = null;
  for (const [index, { name }] of spec.steps.entries()) {
    if (!takesFiles(spec.steps, index) || view.exploded.has(index)) continue;
    const opened = await readOpened(store, job, name);
    if (opened === null) break;
    exploded ??= new Map(view.exploded);
    exploded.set(index, opened.count);
  }
  return exploded === null ? view : { ...view, exploded };
}
