import type { JobInput, SplitSpec } from '../../model/job.ts';
import type { RangePart } from '../../model/part.ts';
import { CsvFinder, csvDialect, type QuotedDialect, QuoteFault } from '../../model/split/csv-finder.ts';
import { firstRecordAt } from './cut-rules.ts';

const NEWLINE = 10;

/** A part that was cut within a record, or whose quotes are unbalanced: its input can't be cut by windows. */
export class CutError extends Error {}

/**
 * Checks that a part of a CSV that was cut by windows begins and ends between records, as its bytes pass. If every part of
 * an input passes, all its cuts are between records: the first part begins where the input does, and each other part
 * begins where one ended that had passed.
 */
export class CutCheck {
  readonly #name: string;
  readonly #finder: CsvFinder;
  readonly #isLast: boolean;
  readonly #start: number;
  /** Bytes of the header that are still to come. */
  #header: number;
  #position: number;
  #last = NEWLINE;

  constructor(
    part: Pick<RangePart, 'offset' | 'length' | 'header'>,
    input: Pick<JobInput, 'name' | 'size'>,
    dialect: QuotedDialect,
  ) {
    this.#name = input.name;
    this.#finder = new CsvFinder(dialect);
    this.#finder.restart(part.offset);
    this.#header = part.header?.length ?? 0;
    this.#start = part.offset;
    this.#position = part.offset;
    this.#isLast = part.offset + part.length === input.size;
  }

  /** The part's next bytes, its header first. Throws `CutError`. */
  add(bytes: Uint8Array): void {
    const own = bytes.subarray(Math.min(this.#header, bytes.length));
    this.#header -= bytes.length - own.length;
    if (own.length === 0) return;
    const chunk = Buffer.from(own.buffer, own.byteOffset, own.length);
    if (this.#position === 0) this.#finder.restart(firstRecordAt(chunk));
    this.#checked(() => {
      this.#finder.load(chunk, this.#position);
      this.#finder.skim(Number.POSITIVE_INFINITY);
    });
    this.#position += chunk.length;
    this.#last = chunk[chunk.length - 1] ?? NEWLINE;
  }

  /** Called after the last byte. Throws `CutError`. */
  finish(): void {
    this.#checked(() => this.#finder.finish());
    if (!this.#isLast && this.#last !== NEWLINE) throw this.#refused('a record goes on after the end of the part');
  }

  #checked(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof QuoteFault)) throw error;
      const what = {
        bare: 'an unquoted field contains a quote',
        closed: 'text follows a closing quote',
        open: 'a quoted field is not closed in the part',
      }[error.fault];
      throw this.#refused(`${what}, at byte ${error.position}`);
    }
  }

  #refused(what: string): CutError {
    return new CutError(
      `${this.#name}, part from byte ${this.#start}: ${what}, so it is unclear where records end; ` +
        'submit the job again with exact: true in the split, which finds the records or names the faulty line',
    );
  }
}

/** The check of a part that was cut by windows; null for other parts, whose cuts are certain. */
export function cutCheckOf(part: RangePart, input: JobInput, split: SplitSpec | undefined): CutCheck | null {
  if (part.assumed !== true || split?.by !== 'csv') return null;
  const { delimiter, quote } = csvDialect(split.delimiter, split.quote);
  return quote === null ? null : new CutCheck(part, input, { delimiter, quote });
}
