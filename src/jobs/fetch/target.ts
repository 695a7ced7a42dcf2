import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
} from 'node:fs';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { BatchctlError, hasCode } from '../../errors.ts';
import { withAccessCommand } from '../../lib/access-command.ts';
import { randomId } from '../../lib/id.ts';
import { statOrNull } from '../../lib/if-exists.ts';
import { isTrustedOwner, trustedUsers } from '../../lib/ownership.ts';
import { formatSize } from '../../lib/units.ts';
import { isS3Uri, parseS3Uri } from '../../model/s3-uri.ts';

export type FetchTarget =
  | { readonly kind: 'directory'; readonly path: string; readonly text: string }
  /** One file per task below a prefix of a bucket (empty, or ending in a slash), with a manifest and a marker. */
  | { readonly kind: 'bucket'; readonly bucket: string; readonly prefix: string; readonly text: string }
  /** Joined in task order into one object. */
  | { readonly kind: 'object'; readonly bucket: string; readonly key: string; readonly text: string }
  /** Joined in task order; appears only when complete. */
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  /** Joined in task order and streamed; `write` resolves when it can take more. */
  | { readonly kind: 'stream'; readonly write: (bytes: Uint8Array) => Promise<void>; readonly text: string };

export interface TargetPlace {
  /** Base directory of relative paths. */
  readonly cwd: string;
  /** Writes to stdout, for `-`. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/**
 * Parses `-o`: `-` is stdout; `s3://` a bucket; a text that ends in `/`, or an existing directory, is a directory;
 * anything else is a file. Opens and writes nothing. Throws `usage` for an empty text and for a path that can't be
 * written, `config` for a target that this profile can't write to.
 */
export function parseTarget(text: string, place: TargetPlace): FetchTarget {
  if (text === '-') return { kind: 'stream', write: place.write, text };
  if (isS3Uri(text)) return bucketTarget(text);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new BatchctlError('config', `-o ${text}: expected a file, stdout or s3://`, {
      hint: 'use a directory (DIR/), a file, - or s3://BUCKET/PREFIX/',
    });
  }
  if (text === '' || text.includes('\0')) {
    throw new BatchctlError('usage', '-o: expected DIR/, FILE or -, found an empty name');
  }
  const path = resolve(place.cwd, text);
  refuseForeignLinks(path, `-o ${text}`);
  const stats = requireWritable(path, text);
  if (stats !== null) refuseForeignPipe(path, stats, `-o ${text}`);
  if (stats?.isDirectory()) return { kind: 'directory', path, text };
  if (text.endsWith('/')) {
    if (stats === null) return { kind: 'directory', path, text };
    throw new BatchctlError('usage', `-o ${text}: expected a directory, found a file`, {
      hint: `to join the outputs into that file, use -o ${text.replace(/\/+$/, '')}`,
    });
  }
  // A link to a file stays a link: its target is replaced.
  return { kind: 'file', path: stats === null ? path : realpathSync(path), text };
}

/** As many links as the kernel follows in one path (path_resolution(7)). More are its error, ELOOP. */
const MOST_LINKS = 40;

/**
 * Throws `refused` for a link of another user on the way to a path: it could lead to any file of this user. A link of this
 * user, or of root, is followed. So is, above the last name, a link of the owner of the directory that it is in, as by the
 * kernel's `protected_symlinks`: that owner could put anything there. `what` names the path in the error.
 */
export function refuseForeignLinks(path: string, what: string): void {
  const trusted = trustedUsers();
  if (trusted.uid === null) return;
  const names = path.split('/');
  let at = '/';
  for (let links = 0; links < MOST_LINKS; ) {
    const name = names.shift();
    if (name === undefined) return;
    const next = resolve(at, name);
    const stats = lstatIfReadable(next);
    if (stats === null) return;
    if (!stats.isSymbolicLink()) {
      at = next;
      continue;
    }
    const isLast = names.every((later) => later === '');
    const isFollowed = isTrustedOwner(stats.uid, trusted) || (!isLast && lstatSync(at).uid === stats.uid);
    if (!isFollowed) throw foreignLinkError(next, stats.uid, what);
    const target = readlinkSync(next);
    if (isAbsolute(target)) at = '/';
    names.unshift(...target.split('/'));
    links += 1;
  }
}

function foreignLinkError(link: string, uid: number, what: string): BatchctlError {
  return new BatchctlError('refused', `${what}: ${link} is a link that belongs to another user (id ${uid})`, {
    hint: 'name the place that it leads to, or choose one in a directory of your own',
  });
}

/** Throws `refused` for a pipe or socket of another user: what is written there goes to that user, and no file is made. */
function refuseForeignPipe(path: string, stats: Stats, what: string): void {
  if (!(stats.isFIFO() || stats.isSocket()) || isTrustedOwner(stats.uid, trustedUsers())) return;
  throw new BatchctlError('refused', `${what}: ${path} is a pipe that belongs to another user (id ${stats.uid})`, {
    hint: 'choose a place in a directory of your own',
  });
}

/** Null also for a path that can't be looked at, which `requireWritable` reports. */
function lstatIfReadable(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', ...UNWRITABLE)) return null;
    throw error;
  }
}

/**
 * The kind of entry at a path to write. Throws `usage` if the path, or the directory to create it in, can't be
 * written. It only looks: the file system may still refuse the write.
 */
function requireWritable(path: string, text: string): Stats | null {
  let at = path;
  try {
    const stats = statOrNull(path);
    // A file is replaced by a rename; a device or pipe is opened.
    if (stats === null || stats.isFile()) {
      at = existingParent(path);
      if (!statSync(at).isDirectory()) {
        throw new BatchctlError('usage', `-o ${text}: expected ${at} to be a directory, found a file`, {
          hint: 'choose another target with -o, or move that file away',
        });
      }
    }
    const isDirectory = at !== path || stats?.isDirectory() === true;
    accessSync(at, isDirectory ? constants.W_OK | constants.X_OK : constants.W_OK);
    return stats;
  } catch (cause) {
    if (!hasCode(cause, ...UNWRITABLE)) throw cause;
    throw new BatchctlError('usage', `-o ${text}: ${at} can't be written (${systemMessage(cause)})`, {
      hint: withAccessCommand('choose another target with -o, or allow this user to write there', at),
      cause,
    });
  }
}

/** The nearest directory above a path that exists; a file, if one is in the way. */
function existingParent(path: string): string {
  let at = dirname(path);
  while (statOrNull(at) === null && dirname(at) !== at) at = dirname(at);
  return at;
}

/**
 * Throws `full` if about that many bytes don't fit on the target's file system. A file, and a directory with files, are
 * not judged: they may be replaced or kept.
 */
export function requireRoom(target: FetchTarget, bytes: number): void {
  if (target.kind !== 'directory' && target.kind !== 'file') return;
  const { path, text } = target;
  const stats = statOrNull(path);
  if (stats !== null && (!stats.isDirectory() || readdirSync(path).length > 0)) return;
  const at = stats === null ? existingParent(path) : path;
  const { bavail, bsize } = statfsSync(at);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new BatchctlError(
    'full',
    `-o ${text}: expected about ${formatSize(bytes)}, but ${at} has ${formatSize(free)} free`,
    { hint: 'free some space there, or choose another target with -o' },
  );
}

function bucketTarget(text: string): FetchTarget {
  const uri = parseS3Uri(text);
  if (uri === null) {
    throw new BatchctlError('usage', `-o ${text}: expected s3://BUCKET/PREFIX/ or s3://BUCKET/KEY`, {
      hint: 'with a final / each output becomes an object; without, they are joined into one',
    });
  }
  const { bucket, key } = uri;
  if (key === '' || key.endsWith('/')) return { kind: 'bucket', bucket, prefix: key, text };
  return { kind: 'object', bucket, key, text };
}

/** Notes that several outputs were joined into one file whose name looks like a directory. */
export function joinedNote(text: string, outputs: number, cwd: string): string {
  if (outputs < 2 || basename(text).includes('.')) return '';
  const isFile = statSync(resolve(cwd, text), { throwIfNoEntry: false })?.isFile() === true;
  return isFile ? ', joined (-o DIR/ writes a file for each)' : '';
}

/** True if each output has its own name. */
export const hasFilePerOutput = ({ kind }: Pick<FetchTarget, 'kind'>): boolean =>
  kind === 'directory' || kind === 'bucket';

/** True for what a rename can't replace: a device or a pipe (`/dev/null`). */
export function isDeviceOrPipe(path: string): boolean {
  const stats = statOf(path);
  return stats !== null && !stats.isFile();
}

export function statOf(path: string): Stats | null {
  try {
    return statOrNull(path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

const UNWRITABLE = 'EACCES EPERM EROFS ENOTDIR EISDIR EEXIST ENOTEMPTY ENAMETOOLONG ELOOP'.split(' ');

/** `EACCES: permission denied`, without the call and its path. */
const systemMessage = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/,.*$/s, '') : String(error);

export function unwritable(path: string, error: unknown): unknown {
  if (!hasCode(error, ...UNWRITABLE)) return error;
  return new BatchctlError('refused', `can't write ${path}: ${systemMessage(error)}`, {
    hint: 'choose another target with -o, or move the existing file away',
    cause: error,
  });
}

/** A draft: a hidden file next to its final name, so that a rename makes it appear whole. */
const DRAFT = /^\.batchctl-[a-z2-7]{16}\.part$/;
/** A draft is written continuously: if it was not modified for this long, its writer is dead. */
export const STALE_MS = 3_600_000;

export function draftIn(directory: string): string {
  return join(directory, `.batchctl-${randomId(16)}.part`);
}

/**
 * Removes drafts that killed fetches left, if they are at least an hour old by the file system's clock: a network
 * drive's may differ from this machine's, by which an active draft could look old.
 */
export async function removeStaleDrafts(directory: string): Promise<void> {
  const drafts = (await readdir(directory)).filter((name) => DRAFT.test(name));
  if (drafts.length === 0) return;
  const now = await timeIn(directory);
  for (const name of drafts) {
    const path = join(directory, name);
    const stats = await stat(path).catch(() => null); // Another fetch may have removed or finished it.
    if (stats !== null && now - stats.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}

/** The current time of the directory's file system, milliseconds since the epoch. */
async function timeIn(directory: string): Promise<number> {
  const probe = draftIn(directory);
  try {
    await writeFile(probe, '', { flag: 'wx' });
    return (await stat(probe)).mtimeMs;
  } finally {
    await rm(probe, { force: true });
  }
}
