import { hasBarrier } from '../../model/job.ts';
import { outKey } from '../../model/keys.ts';
import { parseTaskSet } from '../../model/task-set.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { readOpened } from '../listing.ts';

/** So many are named. */
const NAMED = 100;
/** So many of the tasks that were left out are looked at: a person skipped or tolerated them. */
const LOOKED_AT = 10_000;
const AT_ONCE = 32;

/** Outputs published after what waits for them was opened without them: `step/n`, the first hundred. */
export async function lateOutputs(store: ObjectStore, view: JobView): Promise<readonly string[]> {
  const { job, spec } = view.record;
  const late: string[] = [];
  for (const [index, { name }] of spec.steps.entries()) {
    const before = spec.steps[index - 1];
    if (before === undefined || !hasBarrier(spec.steps, index)) continue;
    const opened = await readOpened(store, job, name);
    const leftOut = opened === null ? [] : firstOf(opened.leftOut);
    for (let at = 0; at < leftOut.length && late.length < NAMED; at += AT_ONCE) {
      const some = leftOut.slice(at, at + AT_ONCE);
      const heads = await Promise.all(some.map((task) => store.head(outKey(job, before.name, task))));
      late.push(...some.filter((_, n) => heads[n] !== null).map((task) => `${before.name}/${task}`));
    }
  }
  return late.slice(0, NAMED);
}

function firstOf(set: string): readonly number[] {
  const tasks: number[] = [];
  for (const [from, to] of parseTaskSet(set)) {
    for (let task = from; task <= to && tasks.length < LOOKED_AT; task += 1) tasks.push(task);
  }
  return tasks;
}
