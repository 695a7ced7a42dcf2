import { BatchctlError } from '../../errors.ts';
import type { SplitBy, SplitSpec } from '../../model/job.ts';
import { CsvFinder, csvDialect, QuoteFault } from '../../model/split/csv-finder.ts';
import { FixedFinder, LineFinder, type RecordFinder } from '../../model/split/record-finder.ts';

/** The splits that cut by records. */
export type RecordSplit = Extract<SplitSpec, { readonly by: 'lines' | 'csv' | 'jsonl' | 'records' }>;

/** No program wants a longer header with each of its tasks: there is no line end, or a quote is open. */
const HEADER_LIMIT = 1024 * 1024;

/** What finds the records of a split. Throws `jobFile` for a CSV dialect that can't be cut. */
export function finderOf(split: RecordSplit, name: string): RecordFinder {
  if (split.by === 'records') return new FixedFinder(split.length, name);
  if (split.by !== 'csv') return new LineFinder(split.by === 'jsonl');
  const { delimiter, quote } = csvDialect(split.delimiter, split.quote);
  return quote === null ? new LineFinder(false) : new CsvFinder({ delimiter, quote });
}

/** True when the first record is a header. */
export const hasHeader = (split: RecordSplit): boolean => split.by === 'csv' && split.header;

/** The same cuts without a fixed length's records being looked for one by one. */
function byOf(split: RecordSplit): SplitBy {
  return split.every === undefined ? { size: split.size } : { every: split.every };
}

/** Where the first record begins: a byte order mark belongs to no field. */
export function firstRecordAt(head: Uint8Array): number {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
}

/** Throws `jobFile` for a header, finished or not, that is too long. */
export function requireShortHeader(name: string, length: number): void {
  if (length <= HEADER_LIMIT) return;
  throw new BatchctlError('jobFile', `the header of ${name} does not end within ${HEADER_LIMIT} bytes`, {
    hint: 'use split.header: false if there is no header, and check the quote character and line ends (a lone CR does not end a line)',
  });
}

/** The error for what breaks the parity of quotes, in words; `line` counts from 1. */
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

/** What a chunk of an input brought. */
interface WalkStep {
  readonly chunk: Buffer;
  /** Length of the header (0 without one), or null while it isn't known. */
  readonly header: number | null;
  readonly cuts: readonly Cut[];
  /** Bytes before this belong to those cuts or surely to the next part. */
  readonly safe: number;
}

/** Cuts an input while its bytes pass by, each record looked at: for streams, counts, and `every`. */
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
        last = tell(finder, cutter, last);
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

function tell(finder: RecordFinder, cutter: Cutter, last: number): number {
  let told = last;
  for (let at = finder.next(); at !== -1; at = finder.next()) {
    cutter.record(at, finder.blank);
    told = at;
  }
  return told;
}

/** Joins the first chunks until a byte order mark would be whole. */
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

/** The end of a part; it begins where the one before ended. */
export interface Cut {
  readonly end: number;
  /** How many records it holds; null where they aren't counted. */
  readonly records: number | null;
}

/**
 * Decides where parts end, told in order where records do. A part holds as many records as fit `size`
 * bytes, or `every` of them; a record larger than the size is a part of its own. Blank lines of JSON
 * Lines are no records: they go with the record before them.
 */
class Cutter {
  /** Bytes before this belong to cuts already made or, surely, to the part that is being filled. */
  safe: number;
  readonly #size: number;
  readonly #every: number;
  readonly #counts: boolean;
  readonly #emit: (cut: Cut) => void;
  #start: number;
  #last: number;
  #count = 0;

  /** `counts` reports records by size too; by `every` they are always counted. */
  constructor(split: SplitBy, start: number, counts: boolean, emit: (cut: Cut) => void) {
    this.#size = split.size ?? Number.POSITIVE_INFINITY;
    this.#every = split.every ?? Number.POSITIVE_INFINITY;
    this.#counts = counts || split.every !== undefined;
    this.#emit = emit;
    this.#start = start;
    this.#last = start;
    this.safe = start;
  }

  /** A record (or a blank line) ends before `end`. */
  record(end: number, blank: boolean): void {
    if (end - this.#start > this.#size || (this.#count === this.#every && !blank)) this.#cut(this.#last);
    if (!blank) this.#count += 1;
    this.#last = end;
    if (end - this.#start > this.#size) this.#cut(end);
    this.safe = end;
  }

  /** Data was seen up to `now`, within a record; `blank` when that may still prove a blank line. */
  partial(now: number, blank: boolean): void {
    if (now - this.#start > this.#size || (this.#count === this.#every && !blank)) this.#cut(this.#last);
    const oversize = now - this.#start > this.#size;
    if (oversize || (this.#size === Number.POSITIVE_INFINITY && !blank)) this.safe = now;
  }

  /** The input ends; records before were all told. */
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
