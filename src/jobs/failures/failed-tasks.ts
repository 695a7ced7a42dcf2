import { eachParallel } from '../../lib/each-parallel.ts';
import { TaskBits } from '../../model/bits.ts';
import { failedPrefix, outKey, taskOfFailed } from '../../model/keys.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { listPublished, stepTotals } from '../listing.ts';

/** Up to so many failures, or one of so many tasks, each is asked whether it is published; else all that is, is listed. */
const ASKED = 512;
const ASKED_OF = 200;
const IN_FLIGHT = 16;

/**
 * The tasks of a step that failed for good in the round that last asked for them, and are not published: what the
 * listing of the store says (law 1). Costs a listing of the failures; 125 KB at a million tasks.
 */
export async function failedTasks(store: ObjectStore, view: JobView, step: number): Promise<TaskBits> {
  const { job, spec } = view.record;
  const name = spec.steps[step]?.name ?? '';
  const size = stepTotals(view)[step] ?? 0;
  const candidates = new TaskBits(size);
  for await (const key of store.keys(failedPrefix(job, name))) {
    const named = taskOfFailed(key);
    if (named !== null && named.round === roundOf(view, step, named.task)) candidates.add(named.task);
  }
  if (candidates.count === 0) return candidates;
  const few = candidates.count <= Math.max(ASKED, size / ASKED_OF);
  const published = few ? new TaskBits(size) : await listPublished(store, job, name, size);
  if (few) {
    await eachParallel(candidates, IN_FLIGHT, async (task) => {
      if ((await store.head(outKey(job, name, task))) !== null) published.add(task);
    });
  }
  const failed = new TaskBits(size);
  for (const task of candidates) if (!published.has(task)) failed.add(task);
  return failed;
}
