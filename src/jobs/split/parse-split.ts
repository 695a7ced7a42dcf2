import { BatchctlError, messageOf } from '../../errors.ts';
import { parseSize } from '../../lib/units.ts';
import type { PackLimits, SplitBy, SplitSpec } from '../../model/job.ts';
import { MOST_PACKED } from '../../model/part.ts';
import { CSV_DEFAULTS, csvDialect } from '../../model/split/csv-finder.ts';

const ALLOWED =
  'lines:100, lines:16MB, csv:32MB, csv:32MB,header,delimiter=;, jsonl:16MB, records:128:1000, file, file:500, file:256MB, list, table, table,delimiter=; or range:1-500';

/**
 * Parses a split from the command line: a bare number is records per part (`every`), a size with a unit is bytes
 * (`size`). CSV takes options after commas: `header`, `delimiter=X` (`tab` for a tab, `0x1f` for a byte), `quote=X`
 * (empty: no quoting); so does a table, without `header`. Spaces around words mean nothing. Throws `usage`, listing what is allowed.
 */
export function parseSplit(text: string): SplitSpec {
  const [head = '', ...options] = text.split(',');
  const [by = '', ...args] = head.split(':').map((word) => word.trim());
  if (by !== 'csv' && by !== 'table' && options.length > 0)
    throw wrong(text, 'only csv and table accept options after a comma');
  switch (by) {
    case 'lines':
    case 'jsonl':
      return { by, ...amount(text, args) };
    case 'csv':
      return { by, ...csvOptions(text, options), ...amount(text, args) };
    case 'records':
      return { by, length: positive(text, args[0]), ...amount(text, args.slice(1)) };
    case 'file':
      return args.length === 0 ? { by } : { by, pack: packLimits(text, args) };
    case 'list':
      if (args.length > 0) throw wrong(text, `${by} accepts no amount`);
      return { by };
    case 'table':
      if (args.length > 0) throw wrong(text, 'table accepts no amount');
      return tableOptions(text, options);
    case 'range':
      return range(text, args);
    case 'grid':
      throw wrong(text, 'a grid is given by --grid lr=0.1,0.01 --grid seed=1..20');
    default:
      throw wrong(text, 'unknown split');
  }
}

function amount(text: string, args: readonly string[]): SplitBy {
  const [value, ...more] = args;
  if (value === undefined || more.length > 0) throw wrong(text, 'expected a number of records, or a size');
  if (!/[a-z]/i.test(value)) return { every: positive(text, value) };
  const size = parseSize(value);
  if (size === 0) throw wrong(text, 'expected a size of at least one byte');
  return { size };
}

/** `500`, `256MB`, or both. */
function packLimits(text: string, args: readonly string[]): PackLimits {
  const limits = args.map((arg): PackLimits => {
    const { every, size } = amount(text, [arg]);
    if (every !== undefined && every > MOST_PACKED) throw wrong(text, `expected at most ${MOST_PACKED} files a task`);
    return every === undefined ? { bytes: size } : { files: every };
  });
  const [first = {}, second = {}, ...more] = limits;
  if (more.length > 0 || (limits.length === 2 && Object.keys({ ...first, ...second }).length < 2))
    throw wrong(text, 'expected a number of files, a size, or one of each');
  return { ...first, ...second };
}

function positive(text: string, value: string | undefined): number {
  const number = Number(value);
  if (/^\d+$/.test(value ?? '') && number > 0 && Number.isSafeInteger(number)) return number;
  throw wrong(text, `expected a whole number from 1, found "${value ?? ''}"`);
}

function range(text: string, args: readonly string[]): SplitSpec {
  const match = /^(\d+)-(\d+)$/.exec(args.length === 1 ? (args[0] ?? '') : '');
  const from = Number(match?.[1]);
  const to = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(to) || to < from) {
    throw wrong(text, 'expected a range FIRST-LAST, including the last, which is not before the first');
  }
  return { by: 'range', from, to };
}

interface CsvOptions {
  header: boolean;
  delimiter: string;
  quote: string;
  exact?: true;
}

function csvOptions(text: string, options: readonly string[]): CsvOptions {
  const csv: CsvOptions = { ...CSV_DEFAULTS };
  for (const option of options) {
    const [name = '', value] = nameAndValue(option);
    if (name === 'header' && (value === undefined || value === 'true' || value === 'false')) {
      csv.header = value !== 'false';
    } else if (name === 'delimiter' && value !== undefined) csv.delimiter = byteOf(value);
    else if (name === 'quote' && value !== undefined) csv.quote = byteOf(value);
    else if (name === 'exact' && value === undefined) csv.exact = true;
    else throw wrong(text, `unknown csv option "${option}", expected header, delimiter=X, quote=X or exact`);
  }
  try {
    csvDialect(csv.delimiter, csv.quote);
  } catch (cause) {
    throw wrong(text, messageOf(cause));
  }
  return csv;
}

/** Without a delimiter the header shows it. */
function tableOptions(text: string, options: readonly string[]): SplitSpec {
  const other = options.find((option) => !/^(delimiter|quote)$/.test(nameAndValue(option)[0]));
  if (other !== undefined) throw wrong(text, `unknown table option "${other}", expected delimiter=X or quote=X`);
  const { delimiter, quote } = csvOptions(text, options);
  const given = options.some((option) => nameAndValue(option)[0] === 'delimiter');
  return { by: 'table', quote, ...(given && { delimiter }) };
}

/** The value of `delimiter= ` is a space; otherwise spaces around it mean nothing. */
function nameAndValue(option: string): readonly [name: string, value?: string] {
  const at = option.indexOf('=');
  if (at === -1) return [option.trim()];
  const value = option.slice(at + 1);
  return [option.slice(0, at).trim(), value.trim() || value.slice(0, 1)];
}

/** A character that can't be typed is written as a name or a number: `tab`, `0x1f`. */
function byteOf(value: string): string {
  if (value === 'tab') return '\t';
  return /^0x[0-9a-f]{2}$/i.test(value) ? String.fromCharCode(Number(value)) : value;
}

function wrong(text: string, why: string): BatchctlError {
  return new BatchctlError('usage', `--split "${text}": ${why}`, { hint: `for example ${ALLOWED}` });
}
