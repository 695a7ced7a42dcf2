import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../errors.ts';
import { fromBytes, type NameKind, readName, startOfPrefix, toBytes } from './fs-keys.ts';

export interface KeyRange {
  readonly prefix: string;
  /** Inclusive. */
  readonly from: string | undefined;
  /** Exclusive. */
  readonly to: string | undefined;
}

/** An object's file, as its name tells: nobody looked into it. */
export interface ListedFile {
  readonly key: string;
  readonly path: string;
}

/**
 * The objects below the directory `root` in the order of their keys' bytes. Holds one directory's names a level, and
 * reads only directories that can have a part in the range.
 */
export function* walkObjects(root: string, range: KeyRange): Generator<ListedFile> {
  const bounds = boundsOf(range);
  const start = startOfPrefix(range.prefix);
  const levels = [readLevel(join(root, start.directory), start.base, bounds)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const item = level.items[level.next];
    level.next += 1;
    if (item === undefined) levels.pop();
    else if (item.kind === 'file') yield { key: fromBytes(item.bytes), path: level.directory + item.name };
    else levels.push(readLevel(level.directory + item.name, item.bytes, bounds));
  }
}

interface Item {
  readonly kind: NameKind;
  readonly name: string;
  /** A file's key, or what all keys in a directory or group begin with: then its place among its neighbours, too. */
  readonly bytes: string;
}

interface Level {
  /** With a slash at its end. */
  readonly directory: string;
  readonly items: readonly Item[];
  next: number;
}

interface Bounds {
  readonly prefix: string;
  readonly from: string;
  readonly to: string | undefined;
}

function boundsOf(range: KeyRange): Bounds {
  return {
    prefix: toBytes(range.prefix),
    from: toBytes(range.from ?? ''),
    to: range.to === undefined ? undefined : toBytes(range.to),
  };
}

function readLevel(directory: string, base: string, bounds: Bounds): Level {
  const items: Item[] = [];
  for (const name of namesIn(directory)) {
    const read = readName(name);
    if (read === null) continue;
    const bytes = base + (read.kind === 'directory' ? `${read.bytes}/` : read.bytes);
    if (mayHold(read.kind, bytes, bounds)) items.push({ kind: read.kind, name, bytes });
  }
  items.sort((one, other) => (one.bytes < other.bytes ? -1 : 1));
  return { directory: `${directory}/`, items, next: 0 };
}

/** Whether a file, or some key that begins with `bytes`, is in the range. */
function mayHold(kind: NameKind, bytes: string, { prefix, from, to }: Bounds): boolean {
  if (to !== undefined && bytes >= to) return false;
  if (kind === 'file') return bytes >= from && bytes.startsWith(prefix);
  return (bytes >= from || from.startsWith(bytes)) && (bytes.startsWith(prefix) || prefix.startsWith(bytes));
}

/** A directory that isn't there holds nothing; nor does another program's file among the directories. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
