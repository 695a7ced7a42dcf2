import { parseStored } from '../lib/json.ts';
import { TaskBits } from '../model/bits.ts';
import type { OpenedGather, StepFacts } from '../model/decide.ts';
import { sectionStart } from '../model/job.ts';
import { failedPrefix, openedKey, outPrefix, taskOfFailed, taskOfOut } from '../model/keys.ts';
import { type JobView, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** Lists what is published and failed, step by step: the listing that alone decides (law 11). */
export async function listFacts(store: ObjectStore, view: JobView): Promise<readonly StepFacts[]> {
  const { spec } = view.record;
  const totals = stepTotals(view);
  return Promise.all(
    spec.steps.map(async (step, index): Promise<StepFacts> => {
      const size = totals[index] ?? 0;
      const [published, opened] = await Promise.all([
        listPublished(store, view.record.job, step.name, size),
        step.gather ? readOpened(store, view.record.job, step.name) : null,
      ]);
      const failed = await listFailed(store, view, index, published);
      return { size, published, failed, opened };
    }),
  );
}

/** How many tasks each step can have, in step order. */
export function stepTotals(view: JobView): readonly number[] {
  const { spec, parts } = view.record;
  return spec.steps.map((_, index) => (sectionStart(spec.steps, index) === 0 ? parts : 1));
}

export async function readOpened(store: ObjectStore, job: string, step: string): Promise<OpenedGather | null> {
  const key = openedKey(job, step);
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<OpenedGather>(key, bytes);
}

export async function listPublished(store: ObjectStore, job: string, step: string, size: number): Promise<TaskBits> {
  const bits = new TaskBits(size);
  for await (const { key } of store.list(outPrefix(job, step))) {
    const task = taskOfOut(key);
    if (task !== null) bits.add(task);
  }
  return bits;
}

export async function listFailed(
  store: ObjectStore,
  view: JobView,
  step: number,
  published: TaskBits,
): Promise<TaskBits> {
  const bits = new TaskBits(published.size);
  const name = view.record.spec.steps[step]?.name ?? '';
  for await (const { key } of store.list(failedPrefix(view.record.job, name))) {
    const named = taskOfFailed(key);
    if (named === null || published.has(named.task)) continue;
    if (named.round === roundOf(view, step, named.task)) bits.add(named.task);
  }
  return bits;
}
