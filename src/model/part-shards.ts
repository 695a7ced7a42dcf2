import type { Extent, JobRecord } from './job.ts';
import { extentPieceKey, extentShardKey, partShardKey, pieceKey, shardCount, shardOf } from './keys.ts';
import { PARTS_PER_SHARD, paramsOf, type TaskParams } from './part.ts';

/** The fields of a job's record that decide where its parts are listed. */
export type PartedJob = Pick<JobRecord, 'job' | 'parts' | 'extents'>;

/** An object with the lines of consecutive parts. */
export interface PartShard {
  readonly key: string;
  /** The number of its first part. */
  readonly first: number;
  /** How many parts it has. */
  readonly count: number;
}

/** How many parts the job was accepted with. */
export const acceptedParts = ({ parts, extents = [] }: Pick<PartedJob, 'parts' | 'extents'>): number =>
  extents[0]?.first ?? parts;

/** The extent that a part belongs to; null: the job was accepted with it. */
export function extentOf({ extents = [] }: Pick<PartedJob, 'extents'>, n: number): Extent | null {
  return extents.findLast(({ first }) => n >= first) ?? null;
}

/**
 * The parameters of a range's or grid's part, which follow from its number: not in a rehearsal, whose parts are numbered
 * anew, nor in an extended job. Null: its list of parts says them, or the split gives none.
 */
export function numberedParams(
  { spec, rehearsal, extents }: Pick<JobRecord, 'spec' | 'rehearsal' | 'extents'>,
  n: number,
): TaskParams | null {
  const split = spec.input?.split;
  if (rehearsal || extents !== undefined) return null;
  return split?.by === 'range' || split?.by === 'grid' ? paramsOf(split, n) : null;
}

/** The objects that list a job's parts, in the order of the parts. */
export function* partShards(record: PartedJob): Generator<PartShard> {
  const { job, extents = [] } = record;
  yield* shardsFrom(0, acceptedParts(record), (shard) => partShardKey(job, shard));
  for (const { name, first, count } of extents)
    yield* shardsFrom(first, count, (shard) => extentShardKey(job, name, shard));
}

function* shardsFrom(start: number, parts: number, keyOf: (shard: number) => string): Generator<PartShard> {
  for (let shard = 0; shard < shardCount(parts); shard += 1) {
    const before = shard * PARTS_PER_SHARD;
    yield { key: keyOf(shard), first: start + before, count: Math.min(PARTS_PER_SHARD, parts - before) };
  }
}

/** The key of the bytes of a part that is a piece. */
export function pieceKeyOf(record: PartedJob, n: number): string {
  const extent = extentOf(record, n);
  return extent === null ? pieceKey(record.job, n) : extentPieceKey(record.job, extent.name, n);
}

/** Where the part of a task of the first step is listed: its object, and its line there, from 0. */
export function partPlace(record: PartedJob, task: number): { readonly key: string; readonly line: number } {
  const extent = extentOf(record, task);
  const n = task - (extent?.first ?? 0);
  const shard = shardOf(n);
  const key = extent === null ? partShardKey(record.job, shard) : extentShardKey(record.job, extent.name, shard);
  return { key, line: n % PARTS_PER_SHARD };
}
