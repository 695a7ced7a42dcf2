const MIB = 1024 * 1024;

/** How files become chunks, in bytes. */
export interface ChunkRules {
  /** What is smaller goes in one put; S3 takes 5 GB so, but one put can't be resumed. */
  readonly from: number;
  /** S3 takes no chunk below 5 MiB but the last (userguide/qfacts). */
  readonly smallest: number;
  /** Chunks that are larger than this are streamed from the file and never held in memory. */
  readonly held: number;
}

export const CHUNK_RULES: ChunkRules = { from: 16 * MIB, smallest: 8 * MIB, held: 16 * MIB };

/** Of the 10,000 that S3 allows (userguide/qfacts): room for the mark, and for rounding. */
const MOST_CHUNKS = 9_000;
/** 48.8 TiB, what S3 takes at most (userguide/qfacts). */
const LARGEST = 10_000 * 5 * 1024 * MIB;
const LARGEST_CHUNK = 5 * 1024 * MIB;
/** The part's number that holds an upload's mark: no chunk has it. */
export const MARK_NUMBER = 10_000;

/** One slice of a file. Part numbers begin at 1. */
export interface Chunk {
  readonly number: number;
  readonly offset: number;
  readonly length: number;
}

/** Bytes of each chunk but the last: a function of the file's size alone, so that a later try cuts the same. */
export function chunkLength(size: number, { smallest }: ChunkRules = CHUNK_RULES): number {
  return Math.min(LARGEST_CHUNK, Math.max(smallest, Math.ceil(size / MOST_CHUNKS / MIB) * MIB));
}

/** True for what no multipart upload can hold. */
export const isTooLarge = (size: number): boolean => size > LARGEST;

/** The slices of a file, in order. */
export function* chunksOf(size: number, rules: ChunkRules): Generator<Chunk> {
  const length = chunkLength(size, rules);
  for (let offset = 0, number = 1; offset < size; offset += length, number += 1) {
    yield { number, offset, length: Math.min(length, size - offset) };
  }
}
