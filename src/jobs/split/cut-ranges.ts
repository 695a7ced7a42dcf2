import { readBuffer } from '../../lib/read-file.ts';
import { CsvFinder, QuoteFault } from '../../model/split/csv-finder.ts';
import { findQuoteState, lastRecordEnd, type QuoteState } from '../../model/split/csv-window.ts';
import { requireWholeRecords } from '../../model/split/record-finder.ts';
import {
  type Cut,
  finderOf,
  firstRecordAt,
  hasHeader,
  quoteError,
  type RecordSplit,
  requireShortHeader,
  walkRecords,
} from './cut-rules.ts';
import { type RandomAccess, readFully, type SplitSource } from './split-source.ts';

const NEWLINE = 10;
/** Bytes of the first read around a cut, enough for most lines. For a remote source a request is worth more bytes. */
const NEAR_LOCAL = 4096;
const NEAR_REMOTE = 32 * 1024;
/** How many of the next cuts are read ahead if each read is a request. */
const AHEAD = 16;
/** How many chunks are read at once if all of an input is read, and each read is a request. */
const AT_ONCE = 4;
/** Cuts passed on together. */
const LINES_BATCH = 512;

interface LineCutOptions {
  readonly name: string;
  readonly access: RandomAccess;
  readonly from: number;
  readonly end: number;
  readonly size: number;
  /** Bytes of the largest read. */
  readonly chunkSize: number;
}

/** Cuts lines by size, reading only around the cuts. */
async function* cutLinesBySize(options: LineCutOptions): AsyncGenerator<readonly Cut[]> {
  const { access, end, size, chunkSize } = options;
  const near = Math.min(chunkSize, access.remote ? NEAR_REMOTE : NEAR_LOCAL);
  let cuts: Cut[] = [];
  for (let start = options.from; start < end; ) {
    const target = start + size;
    if (access.remote) access.ahead?.(upcomingRanges(start, size, near, end));
    let cut = end;
    if (target < end) {
      cut = await lastLineEnd(options, near, start, target);
      if (cut === -1) cut = await firstLineEnd(options, near, target);
    }
    cuts.push({ end: cut, records: null });
    start = cut;
    if (cuts.length >= LINES_BATCH || access.remote) {
      yield cuts;
      cuts = [];
    }
  }
  yield cuts;
}

/** Position after the last newline that ends in (start, target], or -1. */
async function lastLineEnd(options: LineCutOptions, near: number, start: number, target: number): Promise<number> {
  let step = near;
  for (let high = target; high > start; step = Math.min(step * 2, options.chunkSize)) {
    const low = Math.max(start, high - step);
    const bytes = await readFully(options.name, options.access, low, Buffer.allocUnsafe(high - low));
    const found = bytes.lastIndexOf(NEWLINE);
    if (found !== -1) return low + found + 1;
    high = low;
  }
  return -1;
}

/** Position after the first newline at or after `from`; the end of the input if there is none. */
async function firstLineEnd(
  options: Omit<LineCutOptions, 'from' | 'size'>,
  near: number,
  from: number,
): Promise<number> {
  let step = near;
  for (let low = from; low < options.end; step = Math.min(step * 2, options.chunkSize)) {
    const length = Math.min(step, options.end - low);
    const bytes = await readFully(options.name, options.access, low, Buffer.allocUnsafe(length));
    const found = bytes.indexOf(NEWLINE);
    if (found !== -1) return low + found + 1;
    low += length;
  }
  return options.end;
}

/**
 * The ranges around the next cuts, assuming short lines: each cut is slightly before its size is reached, and shifts
 * the next ones. They lie on a grid, so that a cut's range stays the same while it shifts, and is read once. The grid
 * is shifted itself, as sizes are often multiples of `near`.
 */
function upcomingRanges(start: number, size: number, near: number, end: number): { offset: number; length: number }[] {
  const ranges = [];
  for (let i = 1; i <= AHEAD; i += 1) {
    const target = start + i * size;
    const offset = Math.floor(near * (Math.floor(target / near - 0.5) - 0.5));
    if (target < end && size > 2 * near) ranges.push({ offset, length: Math.min(2 * near, end - offset) });
  }
  return ranges;
}

/** The chunk at `base` and those read along with it: one stream from S3 reaches only part of a network's rate. */
function chunksFrom(base: number, chunkSize: number, end: number): { offset: number; length: number }[] {
  const chunks = Array.from({ length: AT_ONCE }, (_, n) => base + n * chunkSize);
  return chunks
    .filter((offset) => offset < end)
    .map((offset) => ({ offset, length: Math.min(chunkSize, end - offset) }));
}

/** How far before a cut the search for records begins; before that, only quotes are counted. */
const NEAR = 16 * 1024;
const CSV_BATCH = 512;

interface CsvCutOptions extends LineCutOptions {
  /** Start of the first record: after `from` if a byte order mark is there. */
  readonly firstRecord: number;
  /** Called with the current position, once per chunk. */
  readonly onChunk: (position: number) => Promise<void> | undefined;
}

/** Cuts CSV by size at memory speed: examines every quote, but newlines only near the cuts. */
async function* cutCsvBySize(finder: CsvFinder, options: CsvCutOptions): AsyncGenerator<readonly Cut[]> {
  const reader = new ChunkReader(finder, options);
  let cuts: Cut[] = [];
  try {
    for (let start = options.from; start < options.end; ) {
      const end = await reader.cut(start, start === options.from ? options.firstRecord : start);
      cuts.push({ end, records: null });
      start = end;
      if (cuts.length >= CSV_BATCH) {
        yield cuts;
        cuts = [];
      }
    }
  } catch (error) {
    if (!(error instanceof QuoteFault)) throw error;
    throw quoteError(options.name, error, await lineOf(options, error.position));
  }
  yield cuts;
}

/** Moves a finder through a file with a single buffer, forwards and slightly back. */
class ChunkReader {
  readonly #finder: CsvFinder;
  readonly #options: CsvCutOptions;
  readonly #buffer: Buffer;
  #base = 0;
  #filled = 0;

  constructor(finder: CsvFinder, options: CsvCutOptions) {
    this.#finder = finder;
    this.#options = options;
    // Many inputs are far smaller than a chunk.
    this.#buffer = readBuffer(Math.min(options.chunkSize, options.end));
  }

  /** Returns the end of the part that begins at `start`. */
  async cut(start: number, record: number): Promise<number> {
    const { end, size } = this.#options;
    const target = start + size;
    this.#finder.restart(record);
    if (target >= end) {
      await this.#skim(end);
      this.#finder.finish();
      return end;
    }
    const near = Math.max(record, target - Math.min(NEAR, this.#options.chunkSize));
    await this.#skim(near);
    let found = await this.#last(target);
    if (found === -1 && near > record) {
      this.#finder.restart(record);
      found = await this.#last(target);
    }
    return found === -1 ? this.#first() : found;
  }

  async #skim(limit: number): Promise<void> {
    while (this.#finder.position < limit) {
      await this.#ready();
      this.#finder.skim(limit);
    }
  }

  /** The last record end up to `limit`, where the finder then is; -1 if there is none. */
  async #last(limit: number): Promise<number> {
    let found = -1;
    while (this.#finder.position < limit) {
      await this.#ready();
      for (let at = this.#finder.next(limit); at !== -1; at = this.#finder.next(limit)) found = at;
    }
    return found;
  }

  async #first(): Promise<number> {
    while (this.#finder.position < this.#options.end) {
      await this.#ready();
      const at = this.#finder.next();
      if (at !== -1) return at;
    }
    this.#finder.finish();
    return this.#options.end;
  }

  /** Loads the chunk with the finder's position. Chunks begin at multiples of their size, where they are read ahead. */
  async #ready(): Promise<void> {
    const { position } = this.#finder;
    if (position >= this.#base && position < this.#base + this.#filled) return;
    const { name, access, end, chunkSize } = this.#options;
    const base = position - (position % chunkSize);
    const chunk = this.#buffer.subarray(0, Math.min(chunkSize, end - base));
    access.ahead?.(chunksFrom(base, chunkSize, end));
    await readFully(name, access, base, chunk);
    this.#base = base;
    this.#filled = chunk.length;
    this.#finder.load(chunk, base);
    await this.#options.onChunk(position);
  }
}

/** When and how CSV is cut by windows. All in bytes. */
export interface Windows {
  readonly from: number;
  /** The first window before a cut. */
  readonly first: number;
  readonly largest: number;
}

/**
 * Cuts CSV by size, reading only windows before the cuts. In CSV without faults, a quote in a window tells whether the
 * window begins within quotes (`findQuoteState`). Without a quote nearby, a line end counts as a record end, because
 * longer quoted fields are not expected. If the quotes are ambiguous, reads everything since the last cut. Faults
 * outside of the windows stay unseen, so all parts are `assumed`: their workers check them (`CutCheck`).
 */
async function* cutCsvByWindows(
  finder: CsvFinder,
  { first, largest }: Windows,
  head: Buffer,
  options: CsvCutOptions,
): AsyncGenerator<readonly Cut[]> {
  const { name, access, from, end, size } = options;
  const { dialect } = finder;
  const reader = new ChunkReader(finder, options);
  /** Whether the input has quotes, as far as is known. */
  let quotes = head.includes(dialect.quote);

  const nearCut = async (start: number, target: number): Promise<number | null> => {
    for (let length = first; ; length = Math.min(4 * length, largest)) {
      const low = Math.max(start, target - length);
      const bytes = await readFully(name, access, low, Buffer.allocUnsafe(target - low));
      const has = bytes.includes(dialect.quote);
      const last = length >= largest || low === start;
      let state: QuoteState | null = { at: 0, quoted: false };
      if (low !== start && has) state = findQuoteState(bytes, dialect);
      else if (low !== start && quotes && !last) state = null;
      quotes ||= has;
      const found = state === null ? -1 : lastRecordEnd(bytes, state, dialect.quote);
      if (found !== -1) return low + found;
      if (last) return null;
    }
  };
  try {
    for (let start = from; start < end; ) {
      const target = start + size;
      access.ahead?.(upcomingRanges(start, size, first, end));
      const record = start === from ? options.firstRecord : start;
      const cut = target >= end ? end : ((await nearCut(start, target)) ?? (await reader.cut(start, record)));
      yield [{ end: cut, records: null }];
      start = cut;
    }
  } catch (error) {
    if (!(error instanceof QuoteFault)) throw error;
    throw quoteError(name, error, await lineOf(options, error.position));
  }
}

/** The line number, from 1, of a position. */
async function lineOf(options: CsvCutOptions, position: number): Promise<number> {
  const buffer = readBuffer(Math.min(options.chunkSize, position));
  let line = 1;
  for (let base = 0; base < position; base += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, position - base));
    await readFully(options.name, options.access, base, chunk);
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) line += 1;
  }
  return line;
}

/** Cuts passed on together if they need no reads. */
const BATCH = 512;
const HEADER_CHUNK = 64 * 1024;

interface RangeInput {
  readonly source: SplitSource;
  readonly size: number;
  readonly random: RandomAccess;
}

/** Cuts of one input; the other facts are known after the last cut. */
interface RangeCuts {
  /** Size of the header that every task gets first. */
  readonly header: number;
  readonly cuts: AsyncIterable<readonly Cut[]>;
  /** The cuts were found by reading only around them. */
  readonly assumed?: true;
}

interface RangeOptions {
  /** Bytes of the largest read. */
  readonly chunkSize: number;
  /** Count records even if the cuts don't need it. */
  readonly counts: boolean;
  readonly windows: Windows;
  /** Called with the current position. The result is awaited, so that other work gets a turn. */
  readonly onChunk: (position: number) => Promise<void> | undefined;
}

/** Cuts an uncompressed input in place. Reads the first record at once, for the header. */
export async function cutRanges(input: RangeInput, split: RecordSplit, options: RangeOptions): Promise<RangeCuts> {
  const { size: end, random: access } = input;
  const { name } = input.source;
  if (split.by === 'records') {
    requireWholeRecords(name, end, split.length);
    return { header: 0, cuts: cutFixed(end, split.length, split.every ?? Math.floor(split.size / split.length)) };
  }
  const header = hasHeader(split) ? await headerLength(input, split, options) : 0;
  const finder = finderOf(split, name);
  if (split.size === undefined || options.counts) {
    return { header, cuts: cutByRecords(name, split, chunksOf(input, options.chunkSize, true), options) };
  }
  const shared = { name, access, from: header, end, size: split.size, chunkSize: options.chunkSize };
  if (!(finder instanceof CsvFinder)) return { header, cuts: cutLinesBySize(shared) };
  const { windows } = options;
  const byWindows = access.remote && end >= windows.from && split.by === 'csv' && split.exact !== true;
  const head = await readFully(name, access, 0, Buffer.alloc(Math.min(byWindows ? windows.first : 3, end)));
  const firstRecord = Math.max(header, firstRecordAt(head));
  const csv = { ...shared, firstRecord, onChunk: options.onChunk };
  return byWindows
    ? { header, cuts: cutCsvByWindows(finder, windows, head, csv), assumed: true }
    : { header, cuts: cutCsvBySize(finder, csv) };
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

async function* cutByRecords(
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
  for await (const { header } of walkRecords(input.source.name, split, chunksOf(input, chunkSize, false), false)) {
    if (header === null) continue;
    requireShortHeader(input.source.name, header);
    return header;
  }
  return 0;
}

/**
 * An input in chunks, which share one buffer: a chunk is invalid once the next is requested. `whole`: all will be
 * requested.
 */
async function* chunksOf(
  { source, random, size }: RangeInput,
  chunkSize: number,
  whole: boolean,
): AsyncGenerator<Buffer> {
  const buffer = readBuffer(Math.max(3, Math.min(chunkSize, size)));
  for (let base = 0; base < size; base += buffer.length) {
    if (whole) random.ahead?.(chunksFrom(base, buffer.length, size));
    yield await readFully(source.name, random, base, buffer.subarray(0, Math.min(buffer.length, size - base)));
  }
}
