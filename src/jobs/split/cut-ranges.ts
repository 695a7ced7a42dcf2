import { CsvFinder } from '../../model/split/csv-finder.ts';
import type { Cut } from '../../model/split/cutter.ts';
import { requireWholeRecords } from '../../model/split/record-finder.ts';
import { cutCsvBySize } from './cut-csv.ts';
import { cutLinesBySize } from './cut-lines.ts';
import { finderOf, firstRecordAt, hasHeader, type RecordSplit, requireShortHeader } from './cut-rules.ts';
import { decompressed } from './decompress.ts';
import { type RandomAccess, readFully, type SplitSource } from './split-source.ts';
import { walkRecords } from './walk-records.ts';

/** Cuts handed on together where they need no reading. */
const BATCH = 512;
const HEADER_CHUNK = 64 * 1024;

/** An input of known size that can be read anywhere. */
export interface RangeInput {
  readonly source: SplitSource;
  readonly size: number;
  readonly random: RandomAccess;
}

/** Cuts of one input, and what is known once they were all made. */
export interface RangeCuts {
  /** Bytes that every task gets first. */
  readonly header: number;
  readonly cuts: AsyncIterable<readonly Cut[]>;
}

export interface RangeOptions {
  /** The largest read. */
  readonly chunkSize: number;
  /** Count records where the cuts alone don't need it. */
  readonly counts: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the position reached; what it returns is awaited, so that others get their turn. */
  readonly onChunk: (position: number) => Promise<void> | undefined;
}

/** Cuts an uncompressed input in place. The first record is read at once, for the header. */
export async function cutRanges(input: RangeInput, split: RecordSplit, options: RangeOptions): Promise<RangeCuts> {
  const { size: end, random: access } = input;
  const { name } = input.source;
  if (split.by === 'records') {
    requireWholeRecords(name, end, split.length);
    return { header: 0, cuts: cutFixed(end, split.length, split.every ?? Math.floor(split.size / split.length)) };
  }
  const header = hasHeader(split) ? await headerLength(input, split, options) : 0;
  const finder = finderOf(split, name);
  const quoted = finder instanceof CsvFinder;
  if (split.size === undefined || options.counts || (quoted && access.remote)) {
    const chunks = access.remote ? decompressed(input.source, options.signal) : chunksOf(input, options.chunkSize);
    return { header, cuts: walked(name, split, chunks, options) };
  }
  const shared = { name, access, from: header, end, size: split.size, chunkSize: options.chunkSize };
  if (!quoted) return { header, cuts: cutLinesBySize(shared) };
  const head = await readFully(name, access, 0, Buffer.alloc(Math.min(3, end)));
  const firstRecord = Math.max(header, firstRecordAt(head));
  return { header, cuts: cutCsvBySize(finder, { ...shared, firstRecord, onChunk: options.onChunk }) };
}

/** Records of a fixed length: no byte is read. */
async function* cutFixed(end: number, length: number, every: number): AsyncGenerator<readonly Cut[]> {
  const stride = Math.max(1, every) * length;
  for (let start = 0; start < end; start += stride * BATCH) {
    const cuts: Cut[] = [];
    for (let at = start; at < end && cuts.length < BATCH; at += stride) {
      const bytes = Math.min(stride, end - at);
      cuts.push({ end: at + bytes, records: bytes / length });
    }
    yield cuts;
  }
}

async function* walked(
  name: string,
  split: RecordSplit,
  chunks: AsyncIterable<Buffer>,
  options: RangeOptions,
): AsyncGenerator<readonly Cut[]> {
  let position = 0;
  for await (const step of walkRecords(name, split, chunks, options.counts)) {
    position += step.chunk.length;
    yield step.cuts;
    await options.onChunk(position);
  }
}

async function headerLength(input: RangeInput, split: RecordSplit, options: RangeOptions): Promise<number> {
  const chunkSize = Math.min(HEADER_CHUNK, options.chunkSize);
  for await (const { header } of walkRecords(input.source.name, split, chunksOf(input, chunkSize), false)) {
    if (header === null) continue;
    requireShortHeader(input.source.name, header);
    return header;
  }
  return 0;
}

/** An input a chunk at a time, in one buffer: a chunk is void once the next one is asked for. */
async function* chunksOf({ source, random, size }: RangeInput, chunkSize: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(3, chunkSize));
  for (let base = 0; base < size; base += buffer.length) {
    yield await readFully(source.name, random, base, buffer.subarray(0, Math.min(buffer.length, size - base)));
  }
}
