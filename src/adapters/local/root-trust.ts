import { type BigIntStats, closeSync, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { namesIn, statOrNull } from '../../lib/if-exists.ts';
import { distrustReason, isOpenToAll, type Trusted, trustedUsers } from '../../lib/ownership.ts';
import { shellWord } from '../../lib/shell-word.ts';

/*
 * Who writes to a root chooses what runs: its jobs' commands, its workers, its receivers of notifications. So a root is
 * opened only if no one else can have written it (`requireOwnRoot`), and if it was made here, not by a clone or an
 * archive (`requireMadeHere`).
 */

/**
 * Throws `config` if another user owns the root or may write to it, or may put another directory in its place. For a
 * root that doesn't exist yet, checks the directories above.
 */
export function requireOwnRoot(root: string, trusted: Trusted = trustedUsers()): void {
  for (const path of [root, join(root, 'store')]) {
    const stats = statOrNull(path);
    const why = stats === null ? null : distrustReason(stats, trusted);
    if (why === null) continue;
    throw new BatchctlError('config', `${path} ${why}: other users could choose what batchctl runs as you`, {
      // What is not batchctl's may have to be writable.
      hint:
        why.startsWith('belongs') || readFormatFile(root) === null
          ? 'use your own root: set "root" in batchctl.config.json, or work in another directory'
          : `if no one else has written there: chmod -R go-w ${shellWord(path)}`,
    });
  }
  if (trusted.uid === null) return;
  for (const path of directoriesAbove(root)) {
    const stats = statOrNull(path);
    if (stats === null || !isOpenToAll(stats.mode)) continue;
    throw new BatchctlError('config', `every user may replace the root ${root}: ${path} is writable by everyone`, {
      hint: `chmod +t ${shellWord(path)}, or set "root" in batchctl.config.json to a directory of your own`,
    });
  }
}

/** The directories above a path, as it is named and as links resolve it. */
function directoriesAbove(path: string): ReadonlySet<string> {
  const above = new Set<string>();
  for (const start of [resolve(path), realPathOrNull(path)]) {
    for (let dir = start; dir !== null && dirname(dir) !== dir; dir = dirname(dir)) above.add(dirname(dir));
  }
  return above;
}

function realPathOrNull(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** A root's `format` file. */
export interface FormatFile {
  readonly text: string;
  readonly stats: BigIntStats;
}

/** The `format` file and what the disk says of it; null if there is none. */
export function readFormatFile(root: string): FormatFile | null {
  let fd: number;
  try {
    fd = openSync(join(root, 'format'), 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    return { stats: fstatSync(fd, { bigint: true }), text: readFileSync(fd, 'utf8') };
  } finally {
    closeSync(fd);
  }
}

/**
 * Binds a `format` file to its place: the number of the file and the time at which it was created. No clone, archive
 * or copy can bring a file that states its own.
 */
export const birthMark = ({ ino, birthtimeMs }: Pick<BigIntStats, 'ino' | 'birthtimeMs'>): string =>
  `${ino}.${birthtimeMs}`;

/**
 * Throws `refused` for a root that was not made here, unless the user confirmed it (`batchctl config trust`, which
 * writes the mark). Older versions wrote no mark: such a root is refused only if git tracks it, or if its `format` file is
 * older than its creation, as after unpacking.
 */
export function requireMadeHere(root: string, format: FormatFile | null): void {
  const why = foreignReason(root, format);
  if (why === null) return;
  throw new BatchctlError('refused', `the root ${root} was not made here: ${why}. Its jobs would run as you`, {
    hint: `if you trust those who made it: batchctl config trust. Otherwise remove it: rm -r ${shellWord(root)}`,
  });
}

/** Why a root seems to have been made elsewhere; null if it was made here. */
export function foreignReason(root: string, format: FormatFile | null): string | null {
  if (format === null) {
    // A process that died while it made the root leaves no `format`, and no object either.
    if (namesIn(join(root, 'store')).length === 0) return null;
    // Another process may have made it since.
    const since = readFormatFile(root);
    return since === null ? 'it has objects, but no format file' : foreignReason(root, since);
  }
  const mark = /"made":"([^"]*)"/.exec(format.text)?.[1];
  if (mark !== undefined) return mark === birthMark(format.stats) ? null : 'it was copied, cloned or unpacked';
  const { birthtimeMs, mtimeMs } = format.stats;
  const age = birthtimeMs > mtimeMs ? birthtimeMs - mtimeMs : mtimeMs - birthtimeMs;
  if (birthtimeMs > 0n && age > UNMARKED_WITHIN_MS) return 'it was unpacked or copied';
  return isTrackedByGit(root) ? 'git tracks it, so it came with a clone' : null;
}

/** Older versions wrote the `format` file within this time after they created it, milliseconds. */
const UNMARKED_WITHIN_MS = 10_000n;

/** Whether the git repository around a directory tracks its `format` file; true if the repository's index can't be read. */
export function isTrackedByGit(root: string): boolean {
  const real = realPathOrNull(root);
  if (real === null) return false;
  for (let dir = dirname(real); ; dir = dirname(dir)) {
    const indexes = indexesIn(join(dir, '.git'));
    if (indexes.length > 0) {
      const path = Buffer.from(relative(dir, join(real, 'format')).split(sep).join('/')).toString('latin1');
      return indexes.some((index) => namesPath(index, path));
    }
    if (dirname(dir) === dir) return false;
  }
}

/**
 * The index of a repository, and the shared one of which a split index lists only the changes; none if there is no
 * repository at this path. In a submodule or a work tree `.git` is a file.
 */
function indexesIn(git: string): readonly Buffer[] {
  const stats = statOrNull(git);
  if (stats === null) return [];
  const link = stats.isFile() ? /^gitdir: (.+)/.exec(readFileSync(git, 'utf8'))?.[1]?.trim() : null;
  const directory = resolve(dirname(git), link ?? git);
  const names = namesIn(directory);
  if (!names.includes('index')) return [];
  const index = readFileSync(join(directory, 'index'));
  const shared = names.filter((name) => {
    const hash = /^sharedindex\.([0-9a-f]{40,64})$/.exec(name)?.[1];
    return hash !== undefined && index.includes(Buffer.from(hash, 'hex'));
  });
  return [index, ...shared.map((name) => readFileSync(join(directory, name)))];
}

/** Bytes of an object's name in a repository of SHA-1 and of SHA-256. The index doesn't say which it is. */
const HASHES = [20, 32];

/** Whether an index has a path, in latin1; true for one that can't be read. */
function namesPath(index: Buffer, path: string): boolean {
  for (const hash of HASHES) {
    const found = findPath(index, path, hash);
    if (found !== null) return found;
  }
  return true;
}

/** Bytes of an entry before the object's name, of an index before its entries. */
const [STAT, HEADER] = [40, 12];
const [EXTENDED, LENGTH] = [0x4000, 0x0fff];

/** Reads the entries up to a path (gitformat-index(5), versions 2 to 4); null if these are none. */
function findPath(index: Buffer, path: string, hash: number): boolean | null {
  if (index.length < HEADER || index.toString('latin1', 0, 4) !== 'DIRC') return null;
  const [version, count] = [index.readUInt32BE(4), index.readUInt32BE(8)];
  if (version < 2 || version > 4) return null;
  let name = '';
  let at = HEADER;
  for (let n = 0; n < count; n += 1) {
    const from = at;
    at += STAT + hash + 2;
    if (at > index.length) return null;
    const flags = index.readUInt16BE(at - 2);
    if ((flags & EXTENDED) !== 0) at += 2;
    let kept = 0;
    // Version 4 leaves out what a path shares with the one before, and says how much of that one is dropped.
    if (version === 4) {
      const { value, next } = offsetAt(index, at);
      kept = name.length - value;
      at = next;
    }
    const end = index.indexOf(0, at);
    if (end === -1 || kept < 0) return null;
    name = name.slice(0, kept) + index.toString('latin1', at, end);
    if ((flags & LENGTH) < LENGTH && (flags & LENGTH) !== name.length) return null;
    // Entries are in the order of their bytes.
    if (name >= path) return name === path;
    // Earlier versions fill each entry up to a multiple of eight bytes.
    at = version === 4 ? end + 1 : from + Math.ceil((end + 1 - from) / 8) * 8;
  }
  return false;
}

/** A number of variable length, as in packs: seven bits a byte, the highest first. */
function offsetAt(bytes: Buffer, from: number): { readonly value: number; readonly next: number } {
  let at = from;
  let byte = bytes[at] ?? 0;
  let value = byte & 0x7f;
  while ((byte & 0x80) !== 0) {
    at += 1;
    byte = bytes[at] ?? 0;
    value = (value + 1) * 128 + (byte & 0x7f);
  }
  return { value, next: at + 1 };
}
