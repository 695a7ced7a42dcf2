import { BatchctlError } from '../../errors.ts';
import { NEWLINE, RETURN, type RecordFinder } from './record-finder.ts';

/** A fault in the quoting. The caller, who knows the input's name and lines, turns it into an error for people. */
export class QuoteFault extends Error {
  readonly fault: 'bare' | 'closed' | 'open';
  readonly position: number;
  /** Counted newlines before it. */
  readonly lines: number;

  /** `bare`: within an unquoted field; `closed`: text follows it; `open`: it never closes. */
  constructor(fault: 'bare' | 'closed' | 'open', position: number, lines: number) {
    super(`${fault} quote at ${position}`);
    this.fault = fault;
    this.position = position;
    this.lines = lines;
  }
}

/** Bytes that are examined one by one before the native search, which costs a call, is worth it. */
const SCAN_BYTES = 32;

type State = 'out' | 'in' | 'maybeOut';

/**
 * CSV records: a newline within quotes is data. Jumps from quote to quote and newline to newline with the native byte
 * search, and checks the neighbors of every quote, so that no error in the quoting goes unnoticed.
 */
export class CsvFinder implements RecordFinder {
  readonly blank = false;
  readonly dialect: QuotedDialect;
  /** Newlines that `next` has passed since the beginning. */
  lines = 0;
  readonly #delimiter: number;
  readonly #quote: number;
  #chunk: Buffer = Buffer.alloc(0);
  #base = 0;
  #state: State = 'out';
  #position = 0;
  /** The byte before `#position`. */
  #previous = NEWLINE;
  /** The first quote of this chunk at or after `#quoteFrom`, and its first newline likewise: both are often needed. */
  #quoteFrom = Number.POSITIVE_INFINITY;
  #quoteAt = -1;
  #newlineFrom = Number.POSITIVE_INFINITY;
  #newlineAt = -1;
  #opened = 0;
  #openedLines = 0;

  constructor(dialect: QuotedDialect) {
    this.dialect = dialect;
    this.#delimiter = dialect.delimiter;
    this.#quote = dialect.quote;
  }

  get position(): number {
    return this.#position;
  }

  restart(position: number): void {
    this.#position = position;
    this.#previous = NEWLINE;
    this.#state = 'out';
  }

  load(chunk: Buffer, base: number): void {
    this.#chunk = chunk;
    this.#base = base;
    this.#quoteFrom = Number.POSITIVE_INFINITY;
    this.#newlineFrom = Number.POSITIVE_INFINITY;
  }

  next(limit = Number.POSITIVE_INFINITY): number {
    const end = Math.min(this.#base + this.#chunk.length, limit);
    while (this.#position < end) {
      const quote = this.#nextQuote();
      if (this.#state === 'out') {
        const newline = this.#nextNewline();
        if (newline < quote && newline < end) {
          this.lines += 1;
          this.#advance(newline + 1);
          return newline + 1;
        }
        if (quote >= end) break;
        // Up to the newline, so that none is skipped.
        this.#skimFields(Math.min(end, newline + 1));
        if (this.#position <= quote) this.#open(quote);
      } else {
        const stop = this.#state === 'in' ? Math.min(quote, end) : this.#position;
        for (let at = this.#nextNewline(); at < stop; at = this.#nextNewline(at + 1)) this.lines += 1;
        if (stop === end) break;
        this.#close(quote);
      }
    }
    this.#advance(end);
    return -1;
  }

  /** Skips everything up to `limit` or the chunk's end without looking for newlines; `lines` is invalid afterwards. */
  skim(limit: number): void {
    const end = Math.min(this.#base + this.#chunk.length, limit);
    while (this.#position < end) {
      if (this.#state === 'out') this.#skimFields(end);
      if (this.#position >= end) break;
      const quote = this.#state === 'maybeOut' ? this.#position : this.#nextQuote();
      if (quote >= end && this.#state !== 'maybeOut') break;
      if (this.#state === 'out') this.#open(quote);
      else this.#close(quote);
    }
    this.#advance(end);
  }

  /**
   * Skips short quoted fields, one after the other, without a call for each: in fully quoted data there is a quote
   * every few bytes. Stops before any other field, which the caller then examines.
   */
  #skimFields(end: number): void {
    const chunk = this.#chunk;
    const quote = this.#quote;
    const delimiter = this.#delimiter;
    const stop = end - this.#base;
    let at = this.#position - this.#base;
    let previous = this.#previous;
    let done = at;
    let doneAfter = previous;
    for (let patience = at + SCAN_BYTES; at < stop && at < patience; ) {
      const byte = chunk[at];
      if (byte !== quote) {
        previous = byte ?? NEWLINE;
        at += 1;
        continue;
      }
      if (previous !== delimiter && previous !== NEWLINE) break;
      let close = at + 1;
      const far = Math.min(at + SCAN_BYTES, stop);
      while (close < far && chunk[close] !== quote) close += 1;
      const next = close + 1 < far ? chunk[close + 1] : quote;
      if (next !== delimiter && next !== NEWLINE && next !== RETURN) break;
      at = close + 1;
      previous = quote;
      done = at;
      doneAfter = previous;
      patience = at + SCAN_BYTES;
    }
    this.#position = this.#base + done;
    this.#previous = doneAfter;
  }

  finish(): void {
    if (this.#state === 'in') throw new QuoteFault('open', this.#opened, this.#openedLines);
  }

  /** An opening quote must begin a field. */
  #open(quote: number): void {
    const before = quote === this.#position ? this.#previous : this.#byte(quote - 1);
    if (before !== this.#delimiter && before !== NEWLINE) throw new QuoteFault('bare', quote, this.lines);
    this.#opened = quote;
    this.#openedLines = this.lines;
    this.#state = 'in';
    this.#advance(quote + 1);
  }

  /** A quote within quotes: the next byte, perhaps in the next chunk, decides whether it closes or is data. */
  #close(quote: number): void {
    if (this.#state === 'in') {
      this.#state = 'maybeOut';
      this.#advance(quote + 1);
      if (this.#position >= this.#base + this.#chunk.length) return;
    }
    const next = this.#byte(this.#position);
    if (next === this.#quote) {
      this.#state = 'in';
      this.#advance(this.#position + 1);
    } else if (next === this.#delimiter || next === NEWLINE || next === RETURN) {
      this.#state = 'out';
    } else {
      throw new QuoteFault('closed', this.#position - 1, this.lines);
    }
  }

  #nextQuote(): number {
    if (this.#position < this.#quoteFrom || this.#position > this.#quoteAt) {
      this.#quoteFrom = this.#position;
      this.#quoteAt = this.#find(this.#quote, this.#position);
    }
    return this.#quoteAt;
  }

  #nextNewline(position = this.#position): number {
    if (position < this.#newlineFrom || position > this.#newlineAt) {
      this.#newlineFrom = position;
      this.#newlineAt = this.#find(NEWLINE, position);
    }
    return this.#newlineAt;
  }

  #find(byte: number, position: number): number {
    const found = this.#chunk.indexOf(byte, position - this.#base);
    return found === -1 ? Number.POSITIVE_INFINITY : this.#base + found;
  }

  #byte(position: number): number {
    return this.#chunk[position - this.#base] ?? NEWLINE;
  }

  #advance(position: number): void {
    if (position <= this.#position) return;
    this.#previous = this.#byte(position - 1);
    this.#position = position;
  }
}

export const CSV_DEFAULTS = { header: false, delimiter: ',', quote: '"' } as const;

/** The bytes that matter for cutting CSV; the quote is null if quoting is off. */
interface CsvDialect {
  readonly delimiter: number;
  readonly quote: number | null;
}

export interface QuotedDialect extends CsvDialect {
  readonly quote: number;
}

/**
 * The dialect of a `csv` split; an empty `quote` turns quoting off. Throws `jobFile` unless delimiter and quote are
 * different single ASCII characters and not line ends.
 */
export function csvDialect(delimiter: string, quote: string): CsvDialect {
  const dialect = {
    delimiter: asciiByte('delimiter', delimiter),
    quote: quote === '' ? null : asciiByte('quote', quote),
  };
  if (dialect.delimiter === dialect.quote) {
    throw new BatchctlError('jobFile', `split: delimiter and quote must differ, both are ${JSON.stringify(quote)}`, {
      hint: 'change one of them, or set quote: "" for data without quoting',
    });
  }
  return dialect;
}

function asciiByte(field: string, text: string): number {
  const code = text.length === 1 ? text.charCodeAt(0) : Number.NaN;
  if (code > 0 && code < 128 && code !== 10 && code !== 13) return code;
  throw new BatchctlError(
    'jobFile',
    `split: ${field} must be one ASCII character other than a line end, found ${JSON.stringify(text)}`,
    { hint: field === 'quote' ? 'set quote: "" for data without quoting' : 'for example delimiter: ";" or "\\t"' },
  );
}
