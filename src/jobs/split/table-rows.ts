import { BatchctlError, messageOf } from '../../errors.ts';
import { isRecord } from '../../lib/json.ts';
import type { SplitSpec } from '../../model/job.ts';
import { csvFields, SEPARATORS } from '../../model/split/csv-fields.ts';
import { CsvFinder, csvDialect, QuoteFault } from '../../model/split/csv-finder.ts';
import { LineFinder, type RecordFinder } from '../../model/split/record-finder.ts';
import { PARAM_NAME } from '../../model/substitute.ts';
import { firstRecordAt, quoteError } from './cut-rules.ts';

export type TableSplit = Extract<SplitSpec, { readonly by: 'table' }>;

/** A row of a table: a task's parameters, by the names of the columns. */
export interface TableRow {
  /** The line of its input in which it begins, from 1. */
  readonly at: number;
  readonly params: Readonly<Record<string, string>>;
}

/** Called with the columns of an input before its first row. Throws if the job can't use them. */
export type ColumnsCheck = (columns: readonly string[], input: string) => void;

/** Bytes of a row, which has to fit into a command's arguments and its environment. */
const ROW_LIMIT = 64 * 1024;

const NEWLINE = 10;
const BRACE = 123;
/** Decides for a header of one column, in which no separator shows. */
const TSV = /\.tsv(\.(gz|zst))?$/i;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The rows of a table, one batch a chunk: CSV whose first record names the columns, or JSON Lines, which begin with a
 * brace, as no name of a column does. Blank lines are no rows. Throws `jobFile`, with the line, for a row that has other
 * columns than the first, and for a value that can't be a parameter.
 */
export async function* tableRows(
  name: string,
  split: TableSplit,
  chunks: AsyncIterable<Buffer>,
  onColumns: ColumnsCheck,
): AsyncGenerator<readonly TableRow[]> {
  const reader = new TableReader(name, split, onColumns);
  for await (const chunk of chunks) yield reader.add(chunk);
  yield reader.finish();
}

/** Reads the records of a table: null for the header, and for a blank line. */
interface Format {
  readonly finder: RecordFinder;
  /** Called with each record, without its line end. */
  read(text: string, line: number): Readonly<Record<string, string>> | null;
}

class TableReader {
  readonly #name: string;
  readonly #split: TableSplit;
  readonly #onColumns: ColumnsCheck;
  /** Bytes of the record that is not complete; before the format is known, all bytes. */
  #held: Buffer[] = [];
  #heldLength = 0;
  #format: Format | null = null;
  /** Bytes that were given to the finder. */
  #end = 0;
  /** The line in which the current record begins. */
  #line = 1;

  constructor(name: string, split: TableSplit, onColumns: ColumnsCheck) {
    this.#name = name;
    this.#split = split;
    this.#onColumns = onColumns;
  }

  add(chunk: Buffer): readonly TableRow[] {
    if (this.#format !== null) return this.#scan(this.#format, chunk);
    this.#hold(chunk);
    const start = Buffer.concat(this.#held, this.#heldLength);
    const first = firstLine(start);
    if (first !== null) return this.#begin(start, first);
    this.#requireShort(this.#heldLength);
    return [];
  }

  finish(): readonly TableRow[] {
    const rows: TableRow[] = [];
    if (this.#format === null) {
      const start = Buffer.concat(this.#held, this.#heldLength);
      rows.push(...this.#begin(start, start));
    }
    const format = this.#format;
    if (format === null) return rows;
    this.#checkQuotes(() => format.finder.finish());
    const last = Buffer.concat(this.#held, this.#heldLength);
    if (last.length > 0) this.#record(format, last, rows);
    return rows;
  }

  #begin(start: Buffer, first: Buffer): readonly TableRow[] {
    const mark = firstRecordAt(start);
    this.#held = [];
    this.#heldLength = 0;
    this.#format = this.#formatOf(first.subarray(firstRecordAt(first)));
    return this.#scan(this.#format, start.subarray(mark));
  }

  #formatOf(first: Buffer): Format {
    const text = first.toString('latin1').trim();
    const columns = new Columns(this.#name, this.#onColumns);
    if (text.charCodeAt(0) === BRACE) return new JsonFormat(this.#name, columns);
    const usual = TSV.test(this.#name) ? '\t' : ',';
    const delimiter = this.#split.delimiter ?? SEPARATORS.find((each) => text.includes(each)) ?? usual;
    return new CsvFormat(columns, delimiter, this.#split.quote);
  }

  #scan(format: Format, chunk: Buffer): readonly TableRow[] {
    const rows: TableRow[] = [];
    const { finder } = format;
    const base = this.#end;
    finder.load(chunk, base);
    this.#end += chunk.length;
    let from = 0;
    this.#checkQuotes(() => {
      for (let at = finder.next(); at !== -1; at = finder.next()) {
        const piece = chunk.subarray(from, at - base);
        from = at - base;
        this.#record(format, this.#taken(piece), rows);
      }
    });
    this.#hold(chunk.subarray(from));
    this.#requireShort(this.#heldLength);
    return rows;
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    // The caller may use the buffer again.
    this.#held.push(Buffer.from(bytes));
    this.#heldLength += bytes.length;
  }

  #taken(piece: Buffer): Buffer {
    if (this.#heldLength === 0) return piece;
    const whole = Buffer.concat([...this.#held, piece], this.#heldLength + piece.length);
    this.#held = [];
    this.#heldLength = 0;
    return whole;
  }

  #record(format: Format, bytes: Buffer, rows: TableRow[]): void {
    const line = this.#line;
    this.#requireShort(bytes.length);
    const text = this.#textOf(bytes).replace(/\r?\n$|\r$/, '');
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) this.#line += 1;
    const params = text === '' ? null : format.read(text, line);
    if (params !== null) rows.push({ at: line, params });
  }

  #textOf(bytes: Buffer): string {
    try {
      return decoder.decode(bytes);
    } catch (cause) {
      throw new BatchctlError('jobFile', `${this.#name}, line ${this.#line} is not UTF-8, which a table requires`, {
        cause,
        hint: 'convert it with iconv -t utf-8',
      });
    }
  }

  #requireShort(length: number): void {
    if (length <= ROW_LIMIT + 2) return;
    throw wrong(
      this.#name,
      this.#line,
      `is a row of more than ${ROW_LIMIT} bytes, the limit for parameters`,
      'a table contains parameters; split data by csv or jsonl, and check that each quote is closed',
    );
  }

  #checkQuotes(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw error instanceof QuoteFault ? quoteError(this.#name, error, error.lines + 1) : error;
    }
  }
}

/** The first line that is not empty, with its line end; null if it is not complete. */
function firstLine(start: Buffer): Buffer | null {
  let from = firstRecordAt(start);
  for (let at = start.indexOf(NEWLINE, from); at !== -1; at = start.indexOf(NEWLINE, from)) {
    const line = start.subarray(from, at + 1);
    if (!/^\r?\n$/.test(line.toString('latin1'))) return line;
    from = at + 1;
  }
  return null;
}

/** The columns of one input, checked once. */
class Columns {
  readonly input: string;
  readonly #check: ColumnsCheck;
  names: readonly string[] | null = null;

  constructor(input: string, check: ColumnsCheck) {
    this.input = input;
    this.#check = check;
  }

  set(names: readonly string[], line: number): void {
    // Environment variables have upper-case names, so two columns that differ only in case would be one.
    const taken = new Map<string, string>();
    for (const [at, name] of names.entries()) {
      const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
      if (!PARAM_NAME.test(name)) {
        const allowed = 'letters, digits and _, not beginning with a digit';
        throw wrong(
          this.input,
          line,
          `calls column ${at + 1} ${shown}, which can't be a parameter`,
          `the first row names the columns: each ${allowed}, without spaces around it`,
        );
      }
      const other = taken.get(name.toUpperCase());
      if (other !== undefined) {
        const what = other === name ? `names the column ${name} twice` : `names the columns ${other} and ${name}`;
        throw wrong(this.input, line, `${what}: both would be BATCHCTL_PARAM_${name.toUpperCase()}`, 'rename one');
      }
      taken.set(name.toUpperCase(), name);
    }
    this.#check(names, this.input);
    this.names = names;
  }
}

class CsvFormat implements Format {
  readonly finder: RecordFinder;
  readonly #columns: Columns;
  readonly #delimiter: string;
  readonly #quote: string;

  constructor(columns: Columns, delimiter: string, quote: string) {
    const dialect = csvDialect(delimiter, quote);
    this.finder =
      dialect.quote === null
        ? new LineFinder(false)
        : new CsvFinder({ delimiter: dialect.delimiter, quote: dialect.quote });
    this.#columns = columns;
    this.#delimiter = delimiter;
    this.#quote = quote;
  }

  read(text: string, line: number): TableRow['params'] | null {
    const { names, input } = this.#columns;
    const values = csvFields(text, this.#delimiter, this.#quote);
    if (names === null) {
      this.#columns.set(values, line);
      return null;
    }
    if (values.length !== names.length) {
      throw wrong(
        input,
        line,
        `has ${countOf(values.length, 'value')}, but the header names ${countOf(names.length, 'column')} (${names.join(', ')})`,
        'give each row a value for each column, and quote a value that contains the separator',
      );
    }
    const params: [string, string][] = [];
    for (const [at, name] of names.entries()) {
      const value = values[at] ?? '';
      if (value.includes('\0')) throw nulError(input, line, name);
      params.push([name, value]);
    }
    return Object.fromEntries(params);
  }
}

/** JSON Lines: each an object with the columns of the first, whose values are text, numbers, true or false. */
class JsonFormat implements Format {
  readonly finder = new LineFinder(false);
  readonly #name: string;
  readonly #columns: Columns;

  constructor(name: string, columns: Columns) {
    this.#name = name;
    this.#columns = columns;
  }

  read(text: string, line: number): TableRow['params'] | null {
    if (text.trim() === '') return null;
    const entries = this.#entriesOf(text, line);
    const found = entries.map(([name]) => name);
    if (this.#columns.names === null) this.#columns.set(found, line);
    const names = this.#columns.names ?? [];
    const other = found.find((name) => !names.includes(name));
    const lacking = names.find((name) => !found.includes(name));
    if (lacking !== undefined || other !== undefined) {
      const what = lacking !== undefined ? `lacks ${lacking}` : `has ${JSON.stringify(other)}`;
      throw wrong(
        this.#name,
        line,
        `${what}, but the first row has ${names.join(', ')}`,
        'give each row a value for each column',
      );
    }
    return Object.fromEntries(entries);
  }

  /** Numbers keep the text that they are written with, which `JSON.parse` would lose: 0.10, 1e-4. */
  #entriesOf(text: string, line: number): readonly (readonly [string, string])[] {
    const map = this.#parsed(text, line);
    for (const [name, value] of Object.entries(map)) {
      const scalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
      if (!scalar) {
        const kind = value === null ? 'null' : Array.isArray(value) ? 'a list' : 'a map';
        const hint = 'write text, a number, true or false; data belongs into the input of a split by jsonl';
        throw wrong(this.#name, line, `has ${kind} as ${shownName(name)}, which can't be a parameter`, hint);
      }
    }
    const entries: (readonly [string, string])[] = [];
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[^\s{}:,"]+/g) ?? [];
    for (let at = 0; at < tokens.length; at += 2) {
      const [name, value] = [textOfToken(tokens[at] ?? ''), textOfToken(tokens[at + 1] ?? '')];
      if (value.includes('\0')) throw nulError(this.#name, line, name);
      if (/\p{Surrogate}/u.test(value)) {
        const what = `has half a character (a lone surrogate) as ${shownName(name)}`;
        throw wrong(this.#name, line, what, 'write the whole character');
      }
      entries.push([name, value]);
    }
    const doubled = entries.find(([name], at) => entries.findIndex(([other]) => other === name) !== at);
    if (doubled !== undefined)
      throw wrong(this.#name, line, `has the column ${shownName(doubled[0])} twice`, 'remove one');
    return entries;
  }

  #parsed(text: string, line: number): Readonly<Record<string, unknown>> {
    const hint = 'each line is one JSON object on one line: {"lr": 0.1, "seed": 3}';
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw wrong(this.#name, line, `is not JSON: ${messageOf(cause)}`, hint);
    }
    if (!isRecord(value)) throw wrong(this.#name, line, 'is not a JSON object', hint);
    if (Object.keys(value).length === 0) throw wrong(this.#name, line, 'has no column', hint);
    return value;
  }
}

const textOfToken = (token: string): string => (token.startsWith('"') ? String(JSON.parse(token)) : token);

const shownName = (name: string): string => (PARAM_NAME.test(name) ? name : JSON.stringify(name.slice(0, 80)));

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const nulError = (input: string, line: number, column: string): BatchctlError =>
  wrong(input, line, `has a NUL in ${column}, which no argument can have`, 'remove it');

function wrong(input: string, line: number, what: string, hint: string): BatchctlError {
  return new BatchctlError('jobFile', `${input}, line ${line} ${what}`, { hint });
}
