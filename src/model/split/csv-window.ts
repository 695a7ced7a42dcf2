import type { QuotedDialect } from './csv-finder.ts';
import { NEWLINE, RETURN } from './record-finder.ts';

/** A position in CSV that is neither at a quote nor behind one in the same run, and whether it lies in quotes. */
export interface QuoteState {
  readonly at: number;
  readonly quoted: boolean;
}

/**
 * Finds out whether bytes from the middle of CSV begin within a quoted field; null if nothing in them tells.
 *
 * In CSV that `CsvFinder` accepts, a quote opens a field only after a delimiter or a line end, and closes it only before
 * one (or CR); within quotes, a quote is doubled. Both assumptions about the beginning are followed from one run of quotes
 * to the next, until one of them meets a run that can't be there. So for such CSV the answer is certain, not likely. It
 * is valid only for these bytes: callers must check the whole input (`CutCheck`).
 */
export function findQuoteState(bytes: Buffer, { delimiter, quote }: QuotedDialect): QuoteState | null {
  // Without the bytes before it, it is unknown how many quotes a run at the beginning has.
  const at = runEnd(bytes, 0, quote);
  /** Whether the position is in quotes, assuming that `at` isn't. The other assumption is always the opposite. */
  let inside = false;
  for (let run = bytes.indexOf(quote, at); run !== -1; run = bytes.indexOf(quote, run)) {
    const end = runEnd(bytes, run, quote);
    if (end === bytes.length) return null;
    const odd = (end - run) % 2 === 1;
    const after = bytes[end];
    const ends = after === delimiter || after === NEWLINE || after === RETURN;
    const before = bytes[run - 1];
    const opens = (before === delimiter || before === NEWLINE) && (odd || ends);
    const closes = !odd || ends;
    // Under one assumption the run is outside of quotes, under the other within.
    const [possible, opposite] = inside ? [closes, opens] : [opens, closes];
    if (possible !== opposite) return { at, quoted: opposite };
    if (!possible) return null;
    if (odd) inside = !inside;
    run = end;
  }
  return null;
}

function runEnd(bytes: Buffer, from: number, quote: number): number {
  let end = from;
  while (bytes[end] === quote) end += 1;
  return end;
}

/** The position after the last line end outside of quotes, which ends a record; -1 if there is none. */
export function lastRecordEnd(bytes: Buffer, { at, quoted }: QuoteState, quote: number): number {
  // A doubled quote leaves and enters again, with nothing between.
  let quotes = 0;
  for (let n = at; n < bytes.length; n += 1) quotes += bytes[n] === quote ? 1 : 0;
  /** Whether the byte is in quotes: from the end back, because the first line end outside is the last one. */
  let inside = (quotes % 2 === 1) !== quoted;
  for (let n = bytes.length - 1; n >= at; n -= 1) {
    const byte = bytes[n];
    if (byte === quote) inside = !inside;
    else if (byte === NEWLINE && !inside) return n + 1;
  }
  return -1;
}
