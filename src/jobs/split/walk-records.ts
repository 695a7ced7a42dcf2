import { QuoteFault } from '../../model/split/csv-finder.ts';
import { type Cut, Cutter } from '../../model/split/cutter.ts';
import type { RecordFinder } from '../../model/split/record-finder.ts';
import {
  byOf,
  finderOf,
  firstRecordAt,
  hasHeader,
  quoteError,
  type RecordSplit,
  requireShortHeader,
} from './cut-rules.ts';

/** What a chunk of an input brought. */
export interface WalkStep {
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
