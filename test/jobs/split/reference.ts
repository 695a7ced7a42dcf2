import type { RecordSplit } from '../../../src/jobs/split/cut-rules.ts';

/** The expected result of splitting: computed slowly, byte by byte, sharing nothing with the code under test. */
export interface Expected {
  readonly header: number;
  /** Bounds of the parts, in order. */
  readonly parts: readonly { readonly start: number; readonly end: number; readonly records: number }[];
}

export interface ExpectedFault {
  readonly line: number;
}

interface Line {
  readonly end: number;
  readonly blank: boolean;
}

/** The expected cuts, or the line of the quote that makes them impossible. */
export function reference(bytes: Uint8Array, split: RecordSplit): Expected | ExpectedFault {
  const ends = split.by === 'records' ? fixed(bytes, split.length) : records(bytes, split);
  if (!Array.isArray(ends)) return ends;
  const header = split.by === 'csv' && split.header ? (ends.shift()?.end ?? 0) : 0;
  const parts: { start: number; end: number; records: number }[] = [];
  let current = { start: header, end: header, records: 0 };
  for (const { end, blank } of ends) {
    const full =
      split.every === undefined ? end - current.start > split.size : current.records === split.every && !blank;
    if (full && current.end > current.start) {
      parts.push(current);
      current = { start: current.end, end: current.end, records: 0 };
    }
    current.end = end;
    current.records += blank ? 0 : 1;
    if (split.size !== undefined && end - current.start > split.size) {
      parts.push(current);
      current = { start: end, end, records: 0 };
    }
  }
  if (current.end > current.start) parts.push(current);
  return { header, parts };
}

function fixed(bytes: Uint8Array, length: number): Line[] {
  return Array.from({ length: bytes.length / length }, (_, i) => ({ end: (i + 1) * length, blank: false }));
}

function records(bytes: Uint8Array, split: RecordSplit): Line[] | ExpectedFault {
  const text = Buffer.from(bytes).toString('latin1');
  const quote = split.by === 'csv' ? split.quote : '';
  const delimiter = split.by === 'csv' ? split.delimiter : '';
  const ends: Line[] = [];
  let state: 'start' | 'plain' | 'quoted' | 'closing' = 'start';
  let begin = text.startsWith('\xef\xbb\xbf') ? 3 : 0;
  let line = 1;
  let opened = 0;
  for (let i = begin; i < text.length; i += 1) {
    const char = text[i];
    if (state === 'closing' && char !== quote && !['\n', '\r', delimiter].includes(char ?? '')) return { line };
    if (quote !== '' && char === quote) {
      if (state === 'plain') return { line };
      if (state === 'start') opened = line;
      state = state === 'quoted' ? 'closing' : 'quoted';
    } else if (state !== 'quoted') {
      if (char === '\n') {
        const content = text.slice(begin, i);
        ends.push({ end: i + 1, blank: split.by === 'jsonl' && (content === '' || content === '\r') });
        begin = i + 1;
        state = 'start';
      } else {
        state = char === delimiter ? 'start' : 'plain';
      }
    }
    if (char === '\n') line += 1;
  }
  if (state === 'quoted') return { line: opened };
  const from = ends.at(-1)?.end ?? 0;
  if (text.length > from) {
    const content = text.slice(begin);
    ends.push({ end: text.length, blank: split.by === 'jsonl' && (content === '' || content === '\r') });
  }
  return ends;
}
