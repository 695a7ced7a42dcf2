import { BatchctlError } from '../../errors.ts';
import { parseObject } from '../../lib/json.ts';
import { takesFiles } from '../../model/job.ts';
import { outKey, shardCount, stepPartShardKey } from '../../model/keys.ts';
import { takenButGone } from '../../model/lost-outputs.ts';
import { formatTaskSet, TaskBits } from '../../model/task-set.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { listPublished, readOpened, stepTotals } from '../listing.ts';

/**
 * Throws `refused` if an output is lost whose files are tasks already, after an `explode`: another attempt makes other
 * files, but the tasks' parts name those of the lost one. An output without files can be made again.
 */
export async function refuseLostFiles(store: ObjectStore, view: JobView): Promise<void> {
  const { job, spec } = view.record;
  for (const [index, { name: taker }] of spec.steps.entries()) {
    const step = spec.steps[index - 1]?.name;
    const opened = takesFiles(spec.steps, index) ? await readOpened(store, job, taker) : null;
    if (opened === null || step === undefined) continue;
    const size = stepTotals(view)[index - 1] ?? 0;
    const published = await listPublished(store, job, step, size);
    const gone = takenButGone(opened, published);
    if (gone.count === 0) continue;
    const lost = new TaskBits(size);
    for await (const task of makersOf(store, { job, step, taker, count: opened.count })) {
      if (gone.has(task)) lost.add(task);
    }
    const [first] = lost;
    if (first === undefined) continue;
    const what = `${step}/${formatTaskSet(lost)}`;
    throw new BatchctlError(
      'refused',
      `the output of ${what} is lost, and its files are tasks of ${taker} already: made again, it would have other files than these tasks name`,
      {
        hint: `restore ${outKey(job, step, first)} from a backup or an earlier version, then batchctl verify ${job}; or run the job again: batchctl run JOBFILE --again`,
      },
    );
  }
}

/** The tasks that made the files of an opened step, as its parts name them. */
async function* makersOf(
  store: ObjectStore,
  {
    job,
    step,
    taker,
    count,
  }: { readonly job: string; readonly step: string; readonly taker: string; readonly count: number },
): AsyncGenerator<number> {
  for (let shard = 0; shard < shardCount(count); shard += 1) {
    const bytes = await store.read(stepPartShardKey(job, taker, shard));
    for (const line of new TextDecoder().decode(bytes ?? new Uint8Array()).split('\n')) {
      const from = parseObject(line)?.from;
      if (typeof from === 'string' && from.startsWith(`${step}/`)) yield Number(from.slice(step.length + 1));
    }
  }
}
