import { BatchctlError } from '../../errors.ts';
import type { SplitBy, SplitSpec } from '../../model/job.ts';
import { CsvFinder, csvDialect, QuoteFault } from '../../model/split/csv-finder.ts';
import { FixedFinder, LineFinder, type RecordFinder } from '../../model/split/record-finder.ts';

export type RecordSplit = Extract<SplitSpec, { readonly by: 'lines' | 'csv' | 'jsonl' | 'records' }>;

/** No program wants a longer header with each task: a larger one means a missing line end or an open quote. */
const HEADER_LIMIT = 1024 * 1024;

/** The record finder of a split. Throws `jobFile` for a CSV dialect that can't be cut. */
export function finderOf(split: RecordSplit, name: string): RecordFinder {
  if (split.by === 'records') return new FixedFinder(split.length, name);
  if (split.by !== 'csv') return new LineFinder(split.by === 'jsonl');
  const { delimiter, quote } = csvDialect(split.delimiter, split.quote);
  return quote === null ? new LineFinder(false) : new CsvFinder({ delimiter, quote });
}

/** True when the first record is a header. */
export const hasHeader = (split: RecordSplit): boolean => split.by === 'csv' && split.header;

/** Parts are cut by size in bytes, or by number of records. */
function byOf(split: RecordSplit): SplitBy {
  return split.every === undefined ? { size: split.size } : { every: split.every };
}

/** Start of the first record: a byte order mark is not part of a field. */
export function firstRecordAt(head: Uint8Array): number {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
}

/** Throws `jobFile` if a header, complete or not, is too long. */
export function requireShortHeader(name: string, length: number): void {
  if (length <= HEADER_LIMIT) return;
  throw new BatchctlError('jobFile', `the header of ${name} does not end within ${HEADER_LIMIT} bytes`, {
    hint: 'use split.header: false if there is no header, and check the quote character and line ends (a lone CR does not end a line)',
  });
}

/** The error for unbalanced quotes; `line` counts from 1. */
export function quoteError(name: string, fault: QuoteFault, line: number): BatchctlError {
  const what = {
    bare: 'an unquoted field contains a quote',
    closed: 'text follows a closing quote',
    open: 'a quoted field is never closed',
  }[fault.fault];
  return new BatchctlError('jobFile', `${name}, line ${line}: ${what}, so it is unclear where records end`, {
    hint: 'double the quotes within a field ("6"" pipe"), or use split.quote: "" for data in which quotes have no meaning',
    cause: fault,
  });
}

interface WalkStep {
  readonly chunk: Buffer;
  /** Length of the header (0 without one), or null while it isn't known. */
  readonly header: number | null;
  readonly cuts: readonly Cut[];
  /** Bytes before this belong to these cuts or, for certain, to the next part. */
  readonly safe: number;
}

/** Cuts a stream as it arrives and examines each record: for pipes, compressed inputs, counts, and `every`. */
export async function* walkRecords(
  name: string,
  split: RecordSplit,
  chunks: AsyncIterable<Buffer>,
  counts: boolean,
): AsyncGenerator<WalkStep> {
  const finder = finderOf(split, name);
  let cuts: Cut[] = [];
  let cutter: Cutter | null = null;
  let header: number | null = null;
  let end = 0;
  let last = 0;

  const begin = (at: number): Cutter => {
    header = at;
    last = at;
    return new Cutter(byOf(split), at, counts, (cut) => cuts.push(cut));
  };
  try {
    for await (const chunk of withHead(chunks)) {
      if (end === 0) finder.restart(split.by === 'records' ? 0 : firstRecordAt(chunk));
      finder.load(chunk, end);
      end += chunk.length;
      if (cutter === null) {
        const at: number = hasHeader(split) ? finder.next() : 0;
        requireShortHeader(name, at === -1 ? end : at);
        if (at !== -1) cutter = begin(at);
      }
      if (cutter !== null) {
        last = feedCutter(finder, cutter, last);
        cutter.partial(end, finder.blank);
      }
      yield { chunk, header, cuts, safe: cutter?.safe ?? 0 };
      cuts = [];
    }
    finder.finish();
  } catch (error) {
    throw error instanceof QuoteFault ? quoteError(name, error, error.lines + 1) : error;
  }
  if (cutter === null) {
    header = hasHeader(split) ? end : 0;
  } else {
    if (end > last) cutter.record(end, finder.blank);
    cutter.finish();
  }
  yield { chunk: Buffer.alloc(0), header, cuts, safe: end };
}

function feedCutter(finder: RecordFinder, cutter: Cutter, last: number): number {
  let told = last;
  for (let at = finder.next(); at !== -1; at = finder.next()) {
    cutter.record(at, finder.blank);
    told = at;
  }
  return told;
}

/** Merges the first chunks until they can hold a whole byte order mark. */
async function* withHead(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (head.length < 3) continue;
    yield head;
    head = null;
  }
  if (head !== null && head.length > 0) yield head;
}

export interface Cut {
  readonly end: number;
  /** Number of records; null if not counted. */
  readonly records: number | null;
}

/**
 * Decides where parts end; receives record ends in order. A part holds as many records as fit in `size` bytes, or
 * `every` of them. A record larger than `size` is its own part. Blank lines in JSON Lines are not records: they belong
 * to the record before them.
 */
class Cutter {
  /** Bytes before this belong to finished cuts or, for certain, to the current part. */
  safe: number;
  readonly #size: number;
  readonly #every: number;
  readonly #counts: boolean;
  readonly #emit: (cut: Cut) => void;
  #start: number;
  #last: number;
  #count = 0;

  /** `counts`: also count records when cutting by size; `every` always counts them. */
  constructor(split: SplitBy, start: number, counts: boolean, emit: (cut: Cut) => void) {
    this.#size = split.size ?? Number.POSITIVE_INFINITY;
    this.#every = split.every ?? Number.POSITIVE_INFINITY;
    this.#counts = counts || split.every !== undefined;
    this.#emit = emit;
    this.#start = start;
    this.#last = start;
    this.safe = start;
  }

  /** Called when a record (or a blank line) ends at `end`. */
  record(end: number, blank: boolean): void {
    if (end - this.#start > this.#size || (this.#count === this.#every && !blank)) this.#cut(this.#last);
    if (!blank) this.#count += 1;
    this.#last = end;
    if (end - this.#start > this.#size) this.#cut(end);
    this.safe = end;
  }

  /** Data up to `now` was seen, inside a record; `blank`: it may still turn out to be a blank line. */
  partial(now: number, blank: boolean): void {
    if (now - this.#start > this.#size || (this.#count === this.#every && !blank)) this.#cut(this.#last);
    const oversize = now - this.#start > this.#size;
    if (oversize || (this.#size === Number.POSITIVE_INFINITY && !blank)) this.safe = now;
  }

  /** End of input; all records were reported before. */
  finish(): void {
    this.#cut(this.#last);
  }

  #cut(end: number): void {
    if (end <= this.#start) return;
    this.#emit({ end, records: this.#counts ? this.#count : null });
    this.#start = end;
    this.#count = 0;
  }
}
