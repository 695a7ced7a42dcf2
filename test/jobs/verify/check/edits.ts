import type { Rule } from '../../../../src/jobs/verify/check/rules.ts';
import type { ForgeOptions, Line } from './forged-evidence.ts';

export type Job = 'claims' | 'boxes' | 'fixed' | 'packed' | 'wide' | 'records' | 'grid';
export type Change = (lines: Line[]) => void;

export const checksum = (digit: string): string => `sha256:${digit.repeat(64)}`;

/** The lines of a kind; `more`: the fields that they also have. */
export const all = (lines: readonly Line[], line: string, more: Line = {}): readonly Line[] =>
  lines.filter((each) => each.line === line && Object.entries(more).every(([name, value]) => each[name] === value));

export function one(lines: readonly Line[], line: string, more: Line = {}): Line {
  const [found] = all(lines, line, more);
  if (found === undefined) throw new Error(`there is no ${line} with ${JSON.stringify(more)}`);
  return found;
}

export function lastOf(lines: readonly Line[], line: string, more: Line = {}): Line {
  const found = all(lines, line, more).at(-1);
  if (found === undefined) throw new Error(`there is no ${line} with ${JSON.stringify(more)}`);
  return found;
}

export const set =
  (line: string, more: Line, fields: Line): Change =>
  (lines) =>
    void Object.assign(one(lines, line, more), fields);

export const record =
  (change: (record: Line) => void): Change =>
  (lines) =>
    change(one(lines, 'evidence').record);

/** Changes a journal entry of a kind. */
export const entry =
  (what: string, change: (entry: Line) => void): Change =>
  (lines) => {
    const line = all(lines, 'decision').findLast(({ text }) => JSON.parse(text).what === what);
    if (line === undefined) throw new Error(`no entry ${what}`);
    const value = JSON.parse(line.text) as Line;
    change(value);
    line.text = JSON.stringify(value);
  };

/** Adds a journal entry after the others, or at `at`. */
export const addEntry =
  (fields: Line, at?: number): Change =>
  (lines) => {
    const decisions = all(lines, 'decision');
    const base = { format: 1, id: 'added', when: JSON.parse(decisions.at(-1)?.text).when, who: 'eve@there' };
    const n = at ?? decisions.length;
    const index = lines.indexOf(decisions[n] ?? ({} as Line));
    const place = index === -1 ? lines.indexOf(decisions.at(-1) as Line) + 1 : index;
    for (const line of decisions.slice(n)) line.n += 1;
    lines.splice(place, 0, { line: 'decision', n, checksum: '', text: JSON.stringify({ ...base, ...fields }) });
  };

export const remove =
  (line: string, more: Line = {}): Change =>
  (lines) =>
    void lines.splice(lines.indexOf(one(lines, line, more)), 1);

/** Turns an end into a published one like another. */
export function publishAgain(_lines: readonly Line[], end: Line, like: Line): void {
  Object.assign(end, structuredClone(like), { n: end.n, attempt: 'again' });
}

/** Adds an end of task 2 of `convert`, which the job does not have. */
export const insertEnd = (lines: Line[], end: Line): void =>
  void lines.splice(lines.indexOf(one(lines, 'end', { step: 'convert', n: 3 })), 0, end);

export const PRICE0 = { step: 'price', n: 0 };

/** A contradiction: the rule that refuses it, the job, and what a forger changes. */
export type Row = readonly [rule: Rule, job: Job, what: string, change: Change, options?: ForgeOptions];
