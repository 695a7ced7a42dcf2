import { BatchctlError, type ErrorKind } from '../errors.ts';
import { closest } from './closest.ts';

/** A field of a file: names of maps, places in lists. */
export type Path = readonly (string | number)[];

/** Where something stands in a text: both from 1, the column in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One mistake in a file that people write. */
export interface Problem {
  /** The field; empty for the file as a whole. */
  readonly path: Path;
  /** What was found and what is allowed. */
  readonly message: string;
  /** Where, when it isn't where the path says. */
  readonly at?: Position;
  /** True when the field's name, not its value, is meant. */
  readonly key?: boolean;
}

/** `steps[1].timeout` */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, segment) => {
    if (typeof segment === 'number') return `${text}[${segment}]`;
    const plain = /^[A-Za-z_$][\w$-]*$/.test(segment);
    if (!plain) return `${text}[${JSON.stringify(segment)}]`;
    return text === '' ? segment : `${text}.${segment}`;
  }, '');
}

/** The message of a value that isn't what it should be: what was found, and what is allowed. */
export function notAllowed(path: Path, value: unknown, allowed: string): string {
  if (value === undefined) return `is missing, needed: ${allowed}`;
  return `found ${describeFound(value, path)}, allowed: ${allowed}`;
}

/** The message of a name that isn't one of those known, with the one that was probably meant. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const meant = closest(name, known);
  const suggestion = meant === null ? '' : ` - did you mean ${meant}?`;
  return `unknown ${what} ${JSON.stringify(name)}${suggestion} (known: ${known.join(', ')})`;
}

/** A value as an error may show it: short, and never a secret. */
export function describeFound(value: unknown, path: Path = []): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map';
  if (path.includes('secrets') || isSecretKey(String(path.at(-1) ?? ''))) return 'a hidden value';
  const text = typeof value === 'string' ? JSON.stringify(withoutUserInfo(value)) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** True for the names of fields whose values are never shown. */
export const isSecretKey = (name: string): boolean => /(token|password|secret)$/i.test(name);

/** A URL without the password before its host; other text unchanged. */
export const withoutUserInfo = (text: string): string =>
  text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@?#]*):[^\s/?#]*@/gi, '$1:***@');

/** All mistakes of a file as one error: the first line counts them, then one line each in the file's order. */
export function problemsError(
  kind: ErrorKind,
  file: string,
  problems: readonly Problem[],
  locate: (path: Path, what: 'key' | 'value') => Position,
  hint: string,
): BatchctlError {
  const placed = problems.map((problem) => ({
    problem,
    at: problem.at ?? locate(problem.path, problem.key ? 'key' : 'value'),
  }));
  placed.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  const lines = placed.map(({ problem, at }) => {
    const path = formatPath(problem.path);
    return `${file}:${at.line}:${at.column}: ${path === '' ? '' : `${path}: `}${problem.message}`;
  });
  const unique = [...new Set(lines)];
  const count = unique.length === 1 ? '1 mistake' : `${unique.length} mistakes`;
  return new BatchctlError(kind, [`${file} has ${count}:`, ...unique].join('\n'), { hint });
}
