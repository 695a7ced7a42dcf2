import { BatchctlError } from '../../errors.ts';

/** What a `csv` split means where the job file or the command line doesn't say. */
export const CSV_DEFAULTS = { header: false, delimiter: ',', quote: '"' } as const;

/** The bytes that matter for cutting CSV; the quote is null when quoting is off. */
export interface CsvDialect {
  readonly delimiter: number;
  readonly quote: number | null;
}

/**
 * The dialect of a `csv` split; an empty `quote` turns quoting off.
 * Throws `jobFile` unless delimiter and quote are different single ASCII characters and no line ends.
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
