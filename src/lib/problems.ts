import type * as v from 'valibot';
import { BatchctlError, type ErrorKind } from '../errors.ts';
import { closest } from './closest.ts';
import { mapsWithField } from './fields.ts';

/** A field's path in a file: names in maps, indexes in lists. */
export type Path = readonly (string | number)[];

/** A position in a text: both from 1, the column in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  /** The field; empty for the whole file. */
  readonly path: Path;
  readonly message: string;
  /** The position, if it isn't that of the path. */
  readonly at?: Position;
  /** True if the field's name is wrong, not its value. */
  readonly key?: boolean;
}

/** How many mistakes of a file are reported at once; the search may stop there. */
export const MAX_PROBLEMS = 100;

/** How many known names are listed, and compared with a mistyped one. */
const MOST_KNOWN = 50;

/** How many places of a field are named that is in the wrong one. */
const MOST_PLACES = 3;

/** `steps[1].timeout` */
function formatPath(path: Path): string {
  return path.reduce<string>((text, segment) => {
    if (typeof segment === 'number') return `${text}[${segment}]`;
    const plain = /^[A-Za-z_$][\w$-]*$/.test(segment);
    if (!plain) return `${text}[${shownText(segment)}]`;
    return text === '' ? cut(segment) : `${text}.${cut(segment)}`;
  }, '');
}

/** The message for a wrong value: what was found, and what is allowed. */
export function notAllowedMessage(path: Path, value: unknown, allowed: string): string {
  if (value === undefined) return `is missing, needed: ${allowed}`;
  return `found ${describeFound(value, path)}, allowed: ${allowed}`;
}

export function unknownNameMessage(what: string, name: string, known: readonly string[]): string {
  const listed = known.slice(0, MOST_KNOWN);
  const meant = closest(name, listed);
  const suggestion = meant === null ? '' : ` - did you mean ${meant}?`;
  const more = known.length > listed.length ? ', ...' : '';
  return `unknown ${what} ${shownText(name)}${suggestion} (known: ${listed.map(cut).join(', ')}${more})`;
}

/** If no field here has a similar name, names the maps in which it is known. */
function unknownFieldMessage(name: string, known: readonly string[], schema: object): string {
  const message = unknownNameMessage('field', name, known);
  const places = closest(name, known) === null ? [...new Set(mapsWithField(schema, name))] : [];
  if (places.length === 0) return message;
  return `${message}; it is a field of ${places.slice(0, MOST_PLACES).join(', ')}`;
}

/** A value in the form for error messages: short, and never a secret. */
export function describeFound(value: unknown, path: Path = []): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map';
  if (path.includes('secrets') || isSecretKey(String(path.at(-1) ?? ''))) return 'a hidden value';
  return typeof value === 'string' ? shownText(withoutUserInfo(value)) : cut(String(value));
}

const cut = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);

const shownText = (text: string): string => cut(JSON.stringify(text.slice(0, 100)));

/** True for the names of fields whose values are never shown. */
export const isSecretKey = (name: string): boolean => /(token|password|secret)$/i.test(name);

/** A URL without the password before its host; any other text unchanged. */
export const withoutUserInfo = (text: string): string =>
  text.replace(/(\b[a-z][a-z0-9+.-]{0,40}:\/\/[^\s/:@?#]*):[^\s/?#]*@/gi, '$1:***@');

/**
 * All mistakes of a file as one error, or the first `MAX_PROBLEMS`: the first line counts them, then one line each in
 * the file's order. `locate` is null for a value that didn't come from a text: its mistakes have no line.
 */
export function problemsError(
  kind: ErrorKind,
  file: string,
  problems: readonly Problem[],
  locate: ((path: Path, what: 'key' | 'value') => Position) | null,
  hint: string,
): BatchctlError {
  const placed = problems.map((problem) => ({
    problem,
    at: problem.at ?? locate?.(problem.path, problem.key ? 'key' : 'value') ?? null,
  }));
  placed.sort((a, b) => (a.at === null || b.at === null ? 0 : a.at.line - b.at.line || a.at.column - b.at.column));
  const lines = placed.map(({ problem, at }) => {
    const path = formatPath(problem.path);
    const place = at === null ? file : `${file}:${at.line}:${at.column}`;
    return `${place}: ${path === '' ? '' : `${path}: `}${problem.message}`;
  });
  const unique = [...new Set(lines)];
  const told = unique.slice(0, MAX_PROBLEMS);
  const count = unique.length === 1 ? '1 mistake' : `${unique.length} mistakes`;
  const all = unique.length === told.length ? count : `more than ${MAX_PROBLEMS} mistakes; some of them are`;
  return new BatchctlError(kind, [`${file} has ${all}:`, ...told].join('\n'), { hint });
}

type Issue = v.BaseIssue<unknown>;

/**
 * The issues of a schema from `fields.ts` about a file, as problems. There every issue's message says what is allowed (for unknown
 * keys: the known ones), so that only what was found is added here. Returns only the first of very many, at least one
 * more than `MAX_PROBLEMS`.
 */
export function problemsOf(issues: readonly Issue[], root: unknown, schema: object): Problem[] {
  return collectProblems(issues, (issue) => problemOf(issue, [], { root, schema }));
}

/** The problems of the first few: enough to know that there are too many to report. */
function collectProblems<T>(of: readonly T[], problemsOf: (each: T) => readonly Problem[]): Problem[] {
  const problems: Problem[] = [];
  for (const each of of) {
    if (problems.length > MAX_PROBLEMS) break;
    problems.push(...problemsOf(each));
  }
  return problems;
}

function problemOf(issue: Issue, above: Path, file: { readonly root: unknown; readonly schema: object }): Problem[] {
  const { root, schema } = file;
  const path = [...above, ...(issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))];
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    // A schema reports the first unknown field only.
    const [known, map] = [issue.message.split(' '), path.slice(0, -1)];
    const unknown = Object.keys(Object(valueAt(root, map))).filter((key) => !known.includes(key));
    return collectProblems(unknown, (key) => [
      { path: [...map, key], message: unknownFieldMessage(key, known, schema), key: true },
    ]);
  }
  const last = issue.path?.at(-1);
  if (last !== undefined && 'origin' in last && last.origin === 'key' && issue.type !== 'strict_object')
    return [{ path, message: `this name is not allowed; allowed: ${issue.message}`, key: true }];
  // The intended alternative is the one whose mistake is deeper (an item of a list).
  const deeper = issue.type === 'union' ? (issue.issues ?? []).filter((inner) => inner.path !== undefined) : [];
  if (deeper.length > 0) return collectProblems(deeper, (inner) => problemOf(inner, path, file));
  return [{ path, message: notAllowedMessage(path, valueAt(root, path), issue.message) }];
}

/** The value at a path; undefined if there is none. */
function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}
