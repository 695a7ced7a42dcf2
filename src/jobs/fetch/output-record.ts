import { isRecord } from '../../lib/json.ts';
import { csvFields, SEPARATORS } from '../../model/split/csv-fields.ts';
import { CsvFinder, QuoteFault } from '../../model/split/csv-finder.ts';
import { PARAM_NAME } from '../../model/substitute.ts';

/** Bytes of an output that may be a record: more is data, not a result of a sweep. */
export const RECORD_LIMIT = 64 * 1024;

/** The fields of a record in their order: names, and values as JSON texts, in which numbers stay as they were written. */
type Fields = readonly (readonly [name: string, json: string])[];

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The fields of an output that is one record: a JSON object; a record of CSV below a header; or one of a single line,
 * whose fields have numbers from 1 as names, or '' if there is but one. Null: it is something else.
 */
export function recordOf(bytes: Uint8Array): Fields | null {
  if (bytes.length === 0 || bytes.length > RECORD_LIMIT) return null;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return null;
  }
  if (text.includes('\0')) return null;
  return text.trimStart().startsWith('{') ? jsonFields(text) : csvRecord(text);
}

function jsonFields(text: string): Fields | null {
  try {
    if (!isRecord(JSON.parse(text))) return null;
  } catch {
    return null;
  }
  // The last of equal names counts, as for JSON.parse, which would lose digits of numbers.
  const fields = new Map<string, string>();
  let depth = 0;
  let name: string | null = null;
  let value = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '}' || token === ']') depth -= 1;
    if (depth === 1 && token === ',') [name, value] = endField(fields, name, value);
    else if (depth === 1 && name === null) name = String(JSON.parse(token));
    else if (depth > 1 || (depth === 1 && (token !== ':' || value !== ''))) value += token;
    if (token === '{' || token === '[') depth += 1;
  }
  endField(fields, name, value);
  return fields.size === 0 ? null : [...fields];
}

function endField(fields: Map<string, string>, name: string | null, value: string): [null, string] {
  if (name !== null) fields.set(name, value);
  return [null, ''];
}

const QUOTE = '"';

function csvRecord(text: string): Fields | null {
  const [header, record, more] = recordsOf(text);
  if (header === undefined || more !== undefined) return null;
  const delimiter = SEPARATORS.find((each) => header.includes(each)) ?? ',';
  const names = csvFields(header, delimiter, QUOTE);
  if (record === undefined) {
    const [only, second] = names;
    if (second === undefined) return [['', JSON.stringify(only)]];
    return names.map((value, at) => [String(at + 1), JSON.stringify(value)]);
  }
  const values = csvFields(record, delimiter, QUOTE);
  if (values.length !== names.length || new Set(names).size < names.length || !names.every(isName)) return null;
  // Two lines of prose are no header and its record.
  if (names.length === 1 && !PARAM_NAME.test(names[0] ?? '')) return null;
  return names.map((name, at) => [name, JSON.stringify(values[at])]);
}

const isName = (text: string): boolean => text.trim() !== '' && Number.isNaN(Number(text));

/** The first three records, without line ends and blank lines; none if quotes are at odds. */
function recordsOf(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  const delimiter = SEPARATORS.find((each) => text.split('\n', 1)[0]?.includes(each)) ?? ',';
  const finder = new CsvFinder({ delimiter: delimiter.charCodeAt(0), quote: QUOTE.charCodeAt(0) });
  const records: string[] = [];
  const add = (from: number, to: number): void => {
    const record = bytes.toString('utf8', from, to).replace(/\r?\n$|\r$/, '');
    if (record !== '') records.push(record);
  };
  try {
    finder.load(bytes, 0);
    let from = 0;
    for (let at = finder.next(); at !== -1 && records.length < 3; at = finder.next()) {
      add(from, at);
      from = at;
    }
    if (records.length < 3) {
      finder.finish();
      add(from, bytes.length);
    }
  } catch (error) {
    if (error instanceof QuoteFault) return [];
    throw error;
  }
  return records;
}
