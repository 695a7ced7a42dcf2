import { gunzipSync, constants as zlib } from 'node:zlib';

/** An input's format, guessed from its first bytes, for the split that `init --from` writes. */
export type GuessedSplit =
  | { readonly by: 'csv'; readonly header: boolean; readonly delimiter: string; readonly quote: string }
  | { readonly by: 'jsonl' }
  | { readonly by: 'lines' }
  | { readonly by: 'file' };

const DELIMITERS = [',', ';', '\t', '|', '\x1f', '\x1e'] as const;
const QUOTES = ['"', "'"] as const;
const RECORDS = 100;

/** Guesses from a file's name and its first bytes (64 KiB is plenty). `whole`: these are the whole file. */
export function guessSplit(name: string, head: Uint8Array, whole: boolean): GuessedSplit {
  const { text, complete } = textOf(head, whole);
  if (text === null) return { by: 'file' };
  const lines = text.split(/\r?\n/);
  // The last line may be incomplete.
  if (!complete && lines.length > 1) lines.pop();
  const filled = lines.filter((line) => line.trim() !== '').slice(0, RECORDS);
  if (filled.length > 0 && filled.every(isJsonValue)) return { by: 'jsonl' };
  const body = complete ? text : `${lines.join('\n')}\n`;
  return guessCsv(body) ?? (/\.(csv|tsv)(\.(gz|zst))?$/i.test(name) ? oneColumn(name, body) : { by: 'lines' });
}

/** Facts of the first bytes besides the format. */
export interface HeadFacts {
  /** Nothing but blank lines, or a header, is in the whole file: no split makes a part of it. */
  readonly empty: boolean;
  /** A blank line comes first: a split would take it as the header. */
  readonly blankFirst: boolean;
}

export function headFacts(head: Uint8Array, whole: boolean, guess: GuessedSplit): HeadFacts {
  const { text, complete } = textOf(head, whole);
  if (text === null || guess.by === 'file') return { empty: whole && head.length === 0, blankFirst: false };
  if (guess.by !== 'csv' || !guess.header) return { empty: complete && text === '', blankFirst: false };
  const empty = complete && readRecords(text, guess.delimiter, guess.quote).length === 1;
  return { empty, blankFirst: /^[^\S\n]*\n/.test(text) };
}

function guessCsv(text: string): GuessedSplit | null {
  let best: { guess: GuessedSplit; fields: number } | null = null;
  for (const quote of QUOTES) {
    // Apostrophes count as quotes only if they enclose whole fields.
    if (quote === "'" && !/(^|[,;\t|\n])'[^'\n]*'([,;\t|\r\n]|$)/.test(text)) continue;
    for (const delimiter of DELIMITERS) {
      const records = readRecords(text, delimiter, quote);
      const fields = records[0]?.length ?? 0;
      if (fields < 2 || records.some((record) => record.length !== fields)) continue;
      if (best === null || fields > best.fields) {
        best = { guess: { by: 'csv', header: hasHeader(records), delimiter, quote }, fields };
      }
    }
  }
  return best?.guess ?? null;
}

function oneColumn(name: string, text: string): GuessedSplit {
  const delimiter = /\.tsv/i.test(name) ? '\t' : ',';
  return { by: 'csv', header: hasHeader(readRecords(text, delimiter, '"')), delimiter, quote: '"' };
}

/** The first records' fields, without quotes; omits a record that ends within quotes. */
function readRecords(text: string, delimiter: string, quote: string): readonly (readonly string[])[] {
  const records: string[][] = [];
  let record: string[] = [];
  let field = '';
  let inside = false;
  const endField = (): void => {
    record.push(field);
    field = '';
  };
  for (let i = 0; i < text.length && records.length < RECORDS; i += 1) {
    const char = text[i] ?? '';
    if (inside) {
      if (char !== quote) field += char;
      else if (text[i + 1] === quote) {
        field += quote;
        i += 1;
      } else inside = false;
    } else if (char === quote && field === '') inside = true;
    else if (char === delimiter) endField();
    else if (char === '\n') {
      endField();
      if (record.length > 1 || record[0] !== '') records.push(record);
      record = [];
    } else if (char !== '\r') field += char;
  }
  if (!inside && records.length < RECORDS && (field !== '' || record.length > 0)) records.push([...record, field]);
  return records;
}

/** True if the first record names the columns: only text, no duplicates, and unlike the values below it. */
function hasHeader(records: readonly (readonly string[])[]): boolean {
  const [first, ...others] = records;
  if (first === undefined) return false;
  if (first.some((cell) => cell.trim() === '' || isValue(cell)) || new Set(first).size < first.length) return false;
  if (others.length === 0) return first.every(isName);
  const below = first.map((_, i) => others.map((record) => record[i] ?? ''));
  return (
    below.some((cells) => cells.some((cell) => cell !== '') && cells.every((cell) => cell === '' || isValue(cell))) ||
    first.every((cell, i) => !below[i]?.includes(cell) && isName(cell))
  );
}

const isName = (cell: string): boolean => /^[\p{L}_][\p{L}\p{N}_ .()/-]*$/u.test(cell);

/** A number, a date or a time: column values, not names. */
function isValue(cell: string): boolean {
  return (
    /^\s*[-+(]?[$€£]?\d[\d.,' ]*%?\)?\s*$/.test(cell) || /^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?$/.test(cell)
  );
}

function isJsonValue(line: string): boolean {
  if (!/^\s*[{[]/.test(line)) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** The first bytes as text; null for binary data. */
function textOf(head: Uint8Array, whole: boolean): { text: string | null; complete: boolean } {
  let bytes = head;
  let complete = whole;
  if (head[0] === 0x1f && head[1] === 0x8b) {
    // With a sync flush at the end, a truncated stream decompresses as far as it goes.
    bytes = gunzipSync(head, { finishFlush: zlib.Z_SYNC_FLUSH });
    complete = false;
  }
  if (bytes.includes(0)) return { text: null, complete };
  // A character cut off at the end doesn't make a file binary, so decode as a stream.
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !complete }), complete };
  } catch {
    return { text: new TextDecoder('latin1').decode(bytes), complete };
  }
}
