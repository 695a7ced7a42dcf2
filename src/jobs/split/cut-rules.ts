import { BatchctlError } from '../../errors.ts';
import type { SplitBy, SplitSpec } from '../../model/job.ts';
import { csvDialect } from '../../model/split/csv-dialect.ts';
import { CsvFinder, type QuoteFault } from '../../model/split/csv-finder.ts';
import { FixedFinder, LineFinder, type RecordFinder } from '../../model/split/record-finder.ts';

/** The splits that cut by records. */
export type RecordSplit = Extract<SplitSpec, { readonly by: 'lines' | 'csv' | 'jsonl' | 'records' }>;

/** No program wants a longer header with each of its tasks: there is no line end, or a quote is open. */
export const HEADER_LIMIT = 1024 * 1024;

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
export function byOf(split: RecordSplit): SplitBy {
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
    hint: 'set split.header: false if there is none, and check the quote character and the line ends (a lone CR ends no line)',
  });
}

/** The error for what breaks the parity of quotes, in words; `line` counts from 1. */
export function quoteError(name: string, fault: QuoteFault, line: number): BatchctlError {
  const what = {
    bare: 'a quote stands within an unquoted field',
    closed: 'text follows a closing quote',
    open: 'a quote opens a field and never closes',
  }[fault.fault];
  return new BatchctlError('jobFile', `${name}, line ${line}: ${what}, so no one can say where records end`, {
    hint: 'double the quotes within a field ("6"" pipe"), or set split.quote: "" for data in which quotes mean nothing',
    cause: fault,
  });
}
