import type { JobRecord } from './job.ts';
import { partShardKey, shardCount, shardOf } from './keys.ts';
import { PARTS_PER_SHARD } from './part.ts';

/** The fields of a job's record that decide where its parts are listed. */
export type PartedJob = Pick<JobRecord, 'job' | 'parts'>;

/** An object with the lines of consecutive parts. */
export interface PartShard {
  readonly key: string;
  /** The number of its first part. */
  readonly first: number;
  /** How many parts it has. */
  readonly count: number;
}

/** The objects that list a job's parts, in the order of the parts. */
export function* partShards({ job, parts }: PartedJob): Generator<PartShard> {
  for (let shard = 0; shard < shardCount(parts); shard += 1) {
    const first = shard * PARTS_PER_SHARD;
    yield { key: partShardKey(job, shard), first, count: Math.min(PARTS_PER_SHARD, parts - first) };
  }
}

/** Where the part of a task of the first step is listed: its object, and its line there, from 0. */
export function partPlace({ job }: PartedJob, task: number): { readonly key: string; readonly line: number } {
  return { key: partShardKey(job, shardOf(task)), line: task % PARTS_PER_SHARD };
}
