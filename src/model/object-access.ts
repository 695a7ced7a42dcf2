import { BatchctlError } from '../errors.ts';
import type { Scope } from './api.ts';
import { CODE_PREFIX, codeOf, DATA_PREFIX, INPUTS_PREFIX, JOBS_PREFIX, OPEN_PREFIX } from './keys.ts';

/**
 * The direct access of the manager's callers to objects, by scope; each scope includes those before it. No caller may
 * read anything else (tokens, the manager's certificate, keepers' marks), nor write it, not even with `operate`.
 */
export const OBJECT_ACCESS = {
  read: { read: [DATA_PREFIX, JOBS_PREFIX, CODE_PREFIX, OPEN_PREFIX, 'runs/'], write: [] },
  // Below `code/` only archives, and below `data/inputs/` only what has the checksum in its name.
  submit: { read: [], write: [DATA_PREFIX, CODE_PREFIX] },
  operate: { read: [], write: [] },
} as const satisfies Readonly<Record<Scope, Readonly<Record<'read' | 'write', readonly string[]>>>>;

/** S3's limit on a whole key, in bytes of UTF-8 (userguide/object-keys). */
const MAX_KEY_BYTES = 1_024;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Throws `usage` for an invalid key, `refused` for one that callers may not read. */
export function requireReadable(key: string): void {
  requireReadablePath(key, key);
}

/** As `requireReadable`, for a prefix, which may end in a slash. */
export function requireReadablePrefix(prefix: string): void {
  requireReadablePath(prefix.replace(/\/$/, ''), prefix);
}

function requireReadablePath(path: string, given: string): void {
  requireKey(path, given);
  const { read } = OBJECT_ACCESS.read;
  if (read.some((prefix) => given.startsWith(prefix))) return;
  throw new BatchctlError('refused', `expected a key below ${read.join(', ')}; found ${shown(given)}`);
}

/**
 * The object that a caller wants to put: raw data, or the archive with the hash in the key. Throws `usage` for an
 * invalid key, and for an input whose content doesn't match its name; `refused` for any other key.
 */
export function requireWritable(key: string, sha256: string): 'data' | 'code' {
  requireKey(key, key);
  const code = codeOf(key);
  if (code !== null) {
    if (code === sha256) return 'code';
    throw new BatchctlError('usage', `expected the checksum in the name of ${key}, found ${sha256}`);
  }
  if (!key.startsWith(DATA_PREFIX)) {
    throw new BatchctlError(
      'refused',
      `can't write ${shown(key)}: callers may write only below ${DATA_PREFIX} and code/<sha256>.tar.gz`,
    );
  }
  if (key.startsWith(INPUTS_PREFIX) && !key.startsWith(`${INPUTS_PREFIX}${sha256}/`)) {
    throw new BatchctlError(
      'usage',
      `expected a key below ${INPUTS_PREFIX}${sha256}/, by the checksum; found ${shown(key)}`,
    );
  }
  return 'data';
}

function requireKey(key: string, given: string): void {
  const wrong = mistakeOf(key);
  if (wrong === null) return;
  throw new BatchctlError('usage', `${JSON.stringify(shown(given))} is not a valid key: ${wrong}`, {
    hint: 'use keys like data/claims/2026-11.csv, without ., .. or empty names between slashes',
  });
}

function mistakeOf(key: string): string | null {
  const names = key.split('/');
  if (names.some((name) => name === '..' || name === '.')) return 'it contains . or ..';
  if (names.includes('')) return 'a name in it is empty';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
  if (/[\x00-\x1f\x7f]/.test(key)) return 'it contains a control character';
  if (LONE_SURROGATE.test(key)) return 'it is not valid Unicode';
  return bytesOf(key) > MAX_KEY_BYTES ? `it has more than ${MAX_KEY_BYTES} bytes` : null;
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

const shown = (key: string): string => (key.length > 100 ? `${key.slice(0, 100)}...` : key);

/** The byte range in a header, for an object of this size: null for the whole object. */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'beyond' | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, from = '', to = ''] = match ?? [];
  if (match === null || (from === '' && to === '')) return null;
  if (from === '') return Number(to) === 0 || size === 0 ? 'beyond' : between(Math.max(0, size - Number(to)), size - 1);
  // A range that ends before it begins is invalid (RFC 9110, 14.1.1).
  if (to !== '' && Number(to) < Number(from)) return null;
  if (Number(from) >= size) return 'beyond';
  return between(Number(from), to === '' ? size - 1 : Math.min(Number(to), size - 1));
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

const between = (first: number, last: number): ByteRange => ({ offset: first, length: last - first + 1 });
