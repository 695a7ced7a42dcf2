import { BatchctlError } from '../errors.ts';
import { parseObject } from '../lib/json.ts';
import type { StepFacts } from '../model/decide.ts';
import { shardCount, stepPartShardKey } from '../model/keys.ts';
import { lostOutputFix, lostOutputKey, lostOutputText, takenButGone } from '../model/lost-outputs.ts';
import { TaskBits } from '../model/task-set.ts';
import type { JobView, OpenedGather } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** An exploding step, and the step that takes its files, once that is open. */
interface TakenOutputs {
  readonly job: string;
  readonly step: string;
  readonly taker: string;
  readonly opened: OpenedGather;
  readonly published: TaskBits;
}

/**
 * The tasks whose outputs are lost although their files are tasks of the next step already, after an `explode`: another
 * attempt makes other files, but the tasks' parts name those of the lost one. An output without files is not among
 * them: it can be made again. While parts are missing no one can tell which outputs had files, so each counts. Reads
 * nothing unless an output is gone.
 */
export async function lostFiles(store: ObjectStore, taken: TakenOutputs): Promise<TaskBits> {
  const { job, step, taker, opened, published } = taken;
  const gone = takenButGone(opened, published);
  if (gone.count === 0) return gone;
  const lost = new TaskBits(published.size);
  for (let shard = 0; shard < shardCount(opened.count); shard += 1) {
    const bytes = await store.read(stepPartShardKey(job, taker, shard));
    if (bytes === null) return gone;
    for (const line of new TextDecoder().decode(bytes).split('\n')) {
      const from = parseObject(line)?.from;
      const task = typeof from === 'string' && from.startsWith(`${step}/`) ? Number(from.slice(step.length + 1)) : -1;
      if (gone.has(task)) lost.add(task);
    }
  }
  return lost;
}

/** Throws `refused` if an output is lost that can't be made again: see `lostFiles`. */
export function refuseLostFiles(view: JobView, facts: readonly StepFacts[]): void {
  const text = lostOutputText(view, facts);
  if (text !== null)
    throw new BatchctlError('refused', text, {
      hint: lostOutputFix(view.record.job, lostOutputKey(view, facts) ?? undefined),
    });
}
