import { join } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { namesIn } from '../../lib/if-exists.ts';

/**
 * How a key becomes a path below `store/`, so that keys that differ in case, Unicode form or a trailing dot stay
 * distinct on every file system, and no path leaves the root.
 *
 * A key is handled as its UTF-8 bytes, in a "byte string" with one character per byte, so that string order is byte
 * order. Each segment between slashes becomes a directory, the last one a file with a suffix that no directory can
 * have: so `a` and `a/b` can both exist. If names would crowd one directory, or be too long, a group directory takes
 * their common first bytes; it is invisible in keys.
 */

const FILE_SUFFIX = '@';
/** Suffix of a group directory: names in it continue with the bytes that it stands for. */
const GROUP_SUFFIX = '+';
/** S3's limit on a key, bytes of UTF-8 (userguide/object-keys): jobs can then move to S3 without renaming. */
const LONGEST_KEY = 1_024;
/** Bytes of one name: escaping may triple them, and file systems allow 255. */
const LONGEST_NAME = 80;
/** Task numbers have nine digits: a group of the first six holds a thousand. */
const SHARD = /^\d{6}/;
const SHARD_DIGITS = 6;
const SHARDED_IN_STEP: ReadonlySet<string> = new Set(['out', 'tries', 'failed', 'log', 'files']);

const PLAIN = /^[a-z0-9._-]+$/;
const UNSAFE = /[^a-z0-9._-]/g;
const ESCAPED = /%([0-9A-F]{2})/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them.
const ASCII = /^[\x00-\x7f]*$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** The bytes of a text's UTF-8, one character a byte. */
function toByteString(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

function fromByteString(bytes: string): string {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A key's path relative to `store/`. Throws `usage` for a key that is empty, over 1,024 bytes, or invalid Unicode. */
export function pathOfKey(key: string): string {
  const bytes = toByteString(key);
  checkKey(key, bytes);
  return encodeSegments(bytes.split('/')).join('/') + FILE_SUFFIX;
}

/** Where a listing of a prefix begins: a directory relative to `store/`, and the common first bytes of all its keys. */
function startOfPrefix(prefix: string): { readonly directory: string; readonly base: string } {
  const bytes = toByteString(prefix);
  const placed = encodeSegments(bytes.split('/'));
  // The last segment may end mid-name; only the groups before it are certain.
  const rest = unescapeName(placed.pop() ?? '') ?? '';
  return { directory: placed.join('/'), base: bytes.slice(0, bytes.length - rest.length) };
}

type NameKind = 'file' | 'directory' | 'group';

/** The meaning of a directory entry; null for a file that isn't the store's (`.DS_Store`). */
function readName(name: string): { readonly kind: NameKind; readonly bytes: string } | null {
  const kind = name.endsWith(FILE_SUFFIX) ? 'file' : name.endsWith(GROUP_SUFFIX) ? 'group' : 'directory';
  const bytes = unescapeName(kind === 'directory' ? name : name.slice(0, -1));
  return bytes === null ? null : { kind, bytes };
}

function checkKey(key: string, bytes: string): void {
  if (bytes.length >= 1 && bytes.length <= LONGEST_KEY && (bytes === key || !LONE_SURROGATE.test(key))) return;
  const found = bytes.length === 0 ? 'an empty one' : `${bytes.length} bytes: ${JSON.stringify(key.slice(0, 60))}...`;
  throw new BatchctlError('usage', `A key must be 1 to ${LONGEST_KEY} bytes of valid Unicode; found ${found}`, {
    hint: 'Use a shorter or another name.',
  });
}

/** The names of the directories and the file, without the file's suffix. */
function encodeSegments(segments: readonly string[]): string[] {
  const names: string[] = [];
  for (const [index, segment] of segments.entries()) {
    let rest = segment;
    if (isSharded(segments, index) && SHARD.test(rest)) {
      names.push(rest.slice(0, SHARD_DIGITS) + GROUP_SUFFIX);
      rest = rest.slice(SHARD_DIGITS);
    }
    // At exactly the limit too: then all names that begin with these bytes are in the group, which keeps them in order.
    while (rest.length >= LONGEST_NAME) {
      names.push(escapeName(rest.slice(0, LONGEST_NAME)) + GROUP_SUFFIX);
      rest = rest.slice(LONGEST_NAME);
    }
    names.push(escapeName(rest));
  }
  return names;
}

/** Names in a step's `out`, `tries`, `failed`, `log` and `files`, and in a job's `pieces`, are tasks: many, and numbered. */
function isSharded(segments: readonly string[], index: number): boolean {
  if (segments[0] !== 'jobs') return false;
  if (index === 3) return segments[2] === 'pieces';
  return index === 5 && segments[2] === 'steps' && SHARDED_IN_STEP.has(segments[4] ?? '');
}

function escapeName(bytes: string): string {
  if (PLAIN.test(bytes) && bytes !== '.' && bytes !== '..') return bytes;
  if (bytes === '') return '%';
  return bytes.replace(bytes === '.' || bytes === '..' ? /\./g : UNSAFE, escapeByte);
}

function escapeByte(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** The bytes of an escaped name; null unless it is just as `escapeName` would write it. */
function unescapeName(name: string): string | null {
  if (PLAIN.test(name)) return name;
  if (name === '%') return '';
  const bytes = name.replace(ESCAPED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return escapeName(bytes) === name ? bytes : null;
}

interface KeyRange {
  readonly prefix: string;
  /** Inclusive. */
  readonly from: string | undefined;
  /** Exclusive. */
  readonly to: string | undefined;
}

/** An object's file, from its name alone. */
export interface ListedFile {
  readonly key: string;
  readonly path: string;
}

/**
 * The objects below the directory `root` in the byte order of their keys. Holds the names of one directory per level in
 * memory, and reads only directories that overlap the range.
 */
export function* walkObjects(root: string, range: KeyRange): Generator<ListedFile> {
  const bounds: Bounds = {
    prefix: toByteString(range.prefix),
    from: toByteString(range.from ?? ''),
    to: range.to === undefined ? undefined : toByteString(range.to),
  };
  const start = startOfPrefix(range.prefix);
  const levels = [readLevel(join(root, start.directory), start.base, bounds)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const item = level.items[level.next];
    level.next += 1;
    if (item === undefined) levels.pop();
    else if (item.kind === 'file') yield { key: fromByteString(item.bytes), path: level.directory + item.name };
    else levels.push(readLevel(level.directory + item.name, item.bytes, bounds));
  }
}

interface Item {
  readonly kind: NameKind;
  readonly name: string;
  /** A file's key, or the common first bytes of all keys in a directory or group, for its place among siblings. */
  readonly bytes: string;
}

interface Level {
  /** With a slash at its end. */
  readonly directory: string;
  readonly items: readonly Item[];
  next: number;
}

/** A range as byte strings. */
interface Bounds extends KeyRange {
  readonly from: string;
}

function readLevel(directory: string, base: string, bounds: Bounds): Level {
  const items: Item[] = [];
  for (const name of namesIn(directory)) {
    const read = readName(name);
    if (read === null) continue;
    const bytes = base + (read.kind === 'directory' ? `${read.bytes}/` : read.bytes);
    if (overlapsRange(read.kind, bytes, bounds)) items.push({ kind: read.kind, name, bytes });
  }
  items.sort((one, other) => (one.bytes < other.bytes ? -1 : 1));
  return { directory: `${directory}/`, items, next: 0 };
}

/** Whether a file, or some key that begins with `bytes`, is in the range. */
function overlapsRange(kind: NameKind, bytes: string, { prefix, from, to }: Bounds): boolean {
  if (to !== undefined && bytes >= to) return false;
  if (kind === 'file') return bytes >= from && bytes.startsWith(prefix);
  return (bytes >= from || from.startsWith(bytes)) && (bytes.startsWith(prefix) || prefix.startsWith(bytes));
}
