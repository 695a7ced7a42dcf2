import { BatchctlError } from '../../errors.ts';
import type { OpenedGather } from '../../model/decide.ts';
import { shardOf, stepPartShard, stepPartsPrefix } from '../../model/keys.ts';
import { PARTS_PER_SHARD } from '../../model/part.ts';
import { type Explosion, fileParts } from './file-parts.ts';

/** A step behind an `explode`, once it is open. */
export interface OpenedStep extends Omit<Explosion, 'leftOut'> {
  /** The step that takes the files. */
  readonly taker: string;
  readonly opened: OpenedGather;
}

/** How many shards hold so many parts. */
export function shardCount(parts: number): number {
  return parts === 0 ? 0 : shardOf(parts - 1) + 1;
}

/** Whether every shard is there: one listing of a key for each 10,000 parts. */
export async function hasAllShards({ store, job, taker, opened }: OpenedStep): Promise<boolean> {
  const count = shardCount(opened.count);
  let found = 0;
  // In order, and without what else may lie there.
  for await (const key of store.keys(stepPartsPrefix(job, taker))) {
    if (found < count && key === stepPartShard(job, taker, found)) found += 1;
  }
  return found === count;
}

/**
 * Writes the shards that are missing, create-if-absent: anyone may, at any time, and all write the same bytes, so a
 * writer that dies is followed by another. Memory is that of one shard. Throws `corrupt` if the outputs hold another
 * number of files than the step was opened with, `proof` for an output that is gone or altered.
 */
export async function writeShards(step: OpenedStep): Promise<void> {
  const { store, job, taker, opened } = step;
  let lines: string[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    const key = stepPartShard(job, taker, shardOf(count - 1));
    await store.put(key, `${lines.join('\n')}\n`, { ifAbsent: true });
    lines = [];
  };
  for await (const part of fileParts({ ...step, leftOut: opened.leftOut })) {
    count += 1;
    if (count > opened.count) break;
    lines.push(JSON.stringify(part));
    // The last shard waits for the count: it is written only if that is what the step was opened with.
    if (count % PARTS_PER_SHARD === 0 && count < opened.count) await flush();
  }
  if (count !== opened.count) {
    throw new BatchctlError(
      'corrupt',
      `step ${taker} was opened with ${opened.count} files of ${step.step}; its outputs now hold ${count > opened.count ? 'more' : count}`,
      { hint: `batchctl verify ${job} names the outputs that were changed` },
    );
  }
  if (lines.length > 0) await flush();
}
