import { createHash } from 'node:crypto';
import fs, { chmodSync, type Dirent, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, relative, resolve, sep } from 'node:path';
import { createGunzip, gunzipSync, gzipSync } from 'node:zlib';
import type { Extract, Header } from 'tar-stream';
import { glob } from 'tinyglobby';
import { BatchctlError, hasCode } from '../errors.ts';
import { kindOf } from '../lib/read-file.ts';
import { formatMany, formatSize } from '../lib/units.ts';
import { codeKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** A job's files as an archive. */
export interface CodeArchive {
  /**
   * SHA-256 of the uncompressed archive, whose names are sorted and which keeps modes but no times or owners, so that
   * all hosts compute the same.
   */
  readonly sha256: string;
  /** Compressed on first use: often only the checksum is needed. */
  readonly gzip: Uint8Array;
  readonly files: readonly string[];
  /** The result of `filesInArchive`, if the archive itself isn't here. */
  readonly hashes?: Readonly<Record<string, string>>;
  /** The links that patterns passed over, in a line each. */
  readonly leftOut?: readonly string[];
}

/** The limits for code, which is held in memory, and for the archive that it is unpacked from, in bytes. */
export const LARGEST_CODE = 256 * 2 ** 20;
export const LARGEST_ARCHIVE = 2 * LARGEST_CODE;
/** The error text and hint for each limit that an archive exceeds. */
export const EXPANDS_TOO_MUCH = `expands to more than ${formatSize(LARGEST_ARCHIVE)}, the most that a worker unpacks`;
export const SHIP_LESS = 'ship less: put data into the store with batchctl upload, and read it as an input';
/** The limit for its files: each attempt creates all of them. */
const MOST_FILES = 50_000;

/**
 * Packs the files that match the patterns, relative to `directory`. Throws `jobFile` as `expandPatterns`, and for a file
 * that a link leads to outside of the directory.
 */
export async function packCode(directory: string, patterns: readonly string[]): Promise<CodeArchive | null> {
  if (patterns.length === 0) return null;
  const leftOut: string[] = [];
  const names = await expandPatterns(directory, patterns, (text) => leftOut.push(text));
  const top = realpathSync.native(directory);
  for (const name of names) requireBelow(top, name, realpathSync.native(join(directory, name)));
  // Not by a spread, which would compress it at once.
  return Object.assign(await packFiles(directory, names), { leftOut });
}

/** Throws `jobFile`: the directory may be another person's, and a file elsewhere was not meant for the workers. */
function requireBelow(top: string, name: string, real: string): void {
  if (real.startsWith(top.endsWith(sep) ? top : top + sep)) return;
  throw new BatchctlError('jobFile', `files: ${name} is ${real}, outside of ${top}`, {
    hint: "copy it into the job file's directory, or put the job file above it",
  });
}

/** Throws `jobFile` for files of more than 256 MiB, before they are read. */
function requireSmall(size: number, count: number): void {
  if (size <= LARGEST_CODE) return;
  const more = size - LARGEST_CODE < 100_000 ? `${formatMany(size - LARGEST_CODE, 'byte')} more` : formatSize(size);
  throw new BatchctlError(
    'jobFile',
    `files: expected at most ${formatSize(LARGEST_CODE)}, found ${more} in ${formatMany(count, 'file')}, which each attempt copies`,
    { hint: SHIP_LESS },
  );
}

/** The same for files by name. `level`: how much to compress, from 1 to 9; 6 by default. */
export async function packFiles(directory: string, names: readonly string[], level = 6): Promise<CodeArchive> {
  const { pack } = (await import('tar-stream')).default;
  if (names.length > MOST_FILES) {
    throw new BatchctlError('jobFile', `files: expected at most ${MOST_FILES} files, found ${names.length}`, {
      hint: 'each attempt creates all of them: put them into one archive, which the command unpacks, or upload them',
    });
  }
  const files = names.map((name) => {
    const path = join(directory, name);
    return { name, path, stat: statSync(path) };
  });
  requireSmall(
    files.reduce((sum, { stat }) => sum + stat.size, 0),
    files.length,
  );
  const archive = pack();
  let size = 0;
  for (const { name, path, stat } of files) {
    const bytes = readFileSync(path);
    size += bytes.length;
    // It may have grown since.
    requireSmall(size, files.length);
    archive.entry({ name, mode: stat.mode & 0o111 ? 0o755 : 0o644, mtime: new Date(0), uid: 0, gid: 0 }, bytes);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  const tar = Buffer.concat(chunks);
  let bytes: { readonly tar: Uint8Array } | { readonly gzip: Uint8Array } = { tar };
  return {
    sha256: createHash('sha256').update(tar).digest('hex'),
    files: names,
    get gzip() {
      if ('tar' in bytes) bytes = { gzip: gzipSync(bytes.tar, { level }) };
      return bytes.gzip;
    },
  };
}

/**
 * The files that match the patterns, sorted. A link is one of them only if a pattern is its name, and it leads to a file; the
 * others are reported to `onLeftOut`, a line a pattern. Throws `jobFile` for a pattern without a match, and for pipes,
 * sockets and devices: reading one might never end, and a program that needs it would not find it.
 */
export async function expandPatterns(
  directory: string,
  patterns: readonly string[],
  onLeftOut: (text: string) => void = () => undefined,
): Promise<readonly string[]> {
  const names = new Set<string>();
  const named = new Set(patterns.map(normalize));
  for (const pattern of patterns) {
    const entries = await matchEntries(directory, pattern);
    const [taken, left]: [string[], string[]] = [[], []];
    for (const { name, isLink } of entries) (isLink && !named.has(name) ? left : taken).push(name);
    for (const name of taken) {
      requireFile(directory, name);
      names.add(name);
    }
    if (taken.length === 0) throw matchesNothing(directory, pattern, left);
    if (left.length > 0) onLeftOut(`files: ${pattern} leaves out ${linksText(left)}`);
  }
  return [...names].sort();
}

interface MatchedEntry {
  /** Relative to the directory. */
  readonly name: string;
  readonly isLink: boolean;
}

/** The matches of a pattern, sorted: links, which are not followed, and anything else but directories. */
async function matchEntries(directory: string, pattern: string): Promise<readonly MatchedEntry[]> {
  const links = new Set<string>();
  const asName = (path: string): string => relative(directory, resolve(directory, path)).split(sep).join('/');
  const seen = (parent: string, entry: Dirent): void => {
    if (entry.isDirectory()) return;
    if (entry.isSymbolicLink()) links.add(asName(join(parent, entry.name)));
    // The search returns only files. Whatever it is, the pattern decides whether it matches.
    entry.isFile = () => true;
    entry.isSymbolicLink = () => false;
  };
  const matches = await glob([pattern], {
    cwd: directory,
    onlyFiles: true,
    followSymbolicLinks: false,
    expandDirectories: true,
    dot: true,
    fs: { readdir: seeEntries(seen) },
  });
  return matches
    .map(asName)
    .sort()
    .map((name) => ({ name, isLink: links.has(name) }));
}

/** `readdir` of `node:fs`, whose entries `onEntry` sees first. */
function seeEntries(onEntry: (directory: string, entry: Dirent) => void): typeof fs.readdir {
  return new Proxy(fs.readdir, {
    apply(target, self, given: unknown[]) {
      const done = given.at(-1) as (error: unknown, entries: unknown) => void;
      const ended = (error: unknown, entries: unknown): void => {
        if (Array.isArray(entries)) for (const entry of entries as Dirent[]) onEntry(String(given[0]), entry);
        done(error, entries);
      };
      return Reflect.apply(target, self, [...given.slice(0, -1), ended]);
    },
  });
}

/** Throws `jobFile` for what can't be copied to workers. */
function requireFile(directory: string, name: string): void {
  const kind = kindAt(join(directory, name));
  if (kind === null) return;
  throw new BatchctlError('jobFile', `files: expected files, found ${kind}: ${name}`, {
    hint:
      kind === 'a directory'
        ? 'it is a link to a directory: name the directory itself'
        : 'remove it, or name the files beside it one by one',
  });
}

/** The kind of thing that is not a file; null if it is one. */
function kindAt(path: string): string | null {
  try {
    return kindOf(statSync(path));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ELOOP')) return 'a broken link';
    throw error;
  }
}

function matchesNothing(directory: string, pattern: string, links: readonly string[]): BatchctlError {
  const only = links.length === 0 ? '' : `, only ${linksText(links)}`;
  return new BatchctlError('jobFile', `files: ${pattern} matches no file in ${directory}${only}`, {
    hint: 'paths are relative to the job file',
  });
}

function linksText(links: readonly string[]): string {
  const such = links.length === 1 ? links[0] : `such as ${links[0]}`;
  return `${links.length} ${links.length === 1 ? 'link' : 'links'} (${such}); name a link to ship the file that it leads to`;
}

/** The files of an archive: name to SHA-256 of the bytes, followed by `+x` for an executable. */
export async function filesInArchive(gzip: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const { extract } = (await import('tar-stream')).default;
  const entries = extract();
  entries.end(gunzipArchive(gzip, 'the code archive'));
  for await (const entry of entries) {
    const hash = createHash('sha256');
    for await (const chunk of entry) hash.update(chunk as Buffer);
    files.set(entry.header.name, `${hash.digest('hex')}${(entry.header.mode ?? 0) & 0o111 ? '+x' : ''}`);
  }
  return files;
}

/** Throws `corrupt` if it expands to more than the limit, however much that is. */
function gunzipArchive(gzip: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(gzip, { maxOutputLength: LARGEST_ARCHIVE });
  } catch (cause) {
    if (!hasCode(cause, 'ERR_BUFFER_TOO_LARGE')) throw cause;
    throw new BatchctlError('corrupt', `${name} ${EXPANDS_TOO_MUCH}`, { hint: SHIP_LESS, cause });
  }
}

/** Unpacks a job's files from the store into a directory. Throws `corrupt` as `unpackCode` does, and if they are gone. */
export async function fetchCode(store: Pick<ObjectStore, 'read'>, sha256: string, directory: string): Promise<void> {
  const gzip = await store.read(codeKey(sha256));
  if (gzip === null) throw new BatchctlError('corrupt', `${codeKey(sha256)} is gone`, { hint: 'submit the job again' });
  await unpackCode(gzip, sha256, directory);
}

/** Unpacks an archive into a directory. Throws `corrupt` for a wrong hash, and for entries outside of the directory. */
export async function unpackCode(gzip: Uint8Array, sha256: string, directory: string): Promise<void> {
  const tar = gunzipArchive(gzip, `the code archive ${sha256}`);
  const found = createHash('sha256').update(tar).digest('hex');
  if (found !== sha256) throw wrong(sha256, `has the hash ${found}`);
  const { extract } = (await import('tar-stream')).default;
  const entries = extract();
  entries.end(tar);
  let count = 0;
  for await (const entry of entries) {
    count += 1;
    if (count > MOST_FILES) throw wrong(sha256, `contains more than ${MOST_FILES} files`);
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const path = pathOfEntry(directory, entry.header);
    if (path === null) {
      throw new BatchctlError(
        'corrupt',
        `the code archive contains ${entry.header.name}, which is outside its directory`,
      );
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, Buffer.concat(chunks), { mode: 0o600 });
    // Callers of a manager also upload archives; none of their files may run as another user.
    chmodSync(path, (entry.header.mode ?? 0o644) & 0o777);
  }
}

/** The path of an archive's entry in a directory; null if it isn't a plain file or would be outside. */
function pathOfEntry(directory: string, { name, type }: Pick<Header, 'name' | 'type'>): string | null {
  const path = resolve(directory, name);
  return type === 'file' && path.startsWith(directory + sep) ? path : null;
}

/** Bytes unzipped at a time. */
const CHUNK = 256 * 1024;

/**
 * A job's files that were put into the store before; null if they are not there. However large the unzipped archive is,
 * only a chunk is held at a time, and other work gets a turn. Throws `corrupt` if the content doesn't match the name,
 * `jobFile` for an archive that no worker would unpack.
 */
export async function readStoredCode(store: Pick<ObjectStore, 'read'>, sha256: string): Promise<CodeArchive | null> {
  const gzip = await store.read(codeKey(sha256));
  if (gzip === null) return null;
  const { extract } = (await import('tar-stream')).default;
  const entries = extract();
  // Report a wrong hash first: it explains any other error.
  const [found, listed] = await Promise.allSettled([unzip(gzip, entries), namesIn(entries)]);
  if (found.status === 'fulfilled' && found.value === null)
    throw new BatchctlError('jobFile', `the code archive ${sha256} ${EXPANDS_TOO_MUCH}`, { hint: SHIP_LESS });
  if (found.status === 'rejected') throw wrong(sha256, 'is not a readable archive', found.reason);
  if (found.value !== sha256) throw wrong(sha256, `has the hash ${found.value}`);
  if (listed.status === 'rejected') throw unfit(sha256, 'is not a tar archive', listed.reason);
  const { files, unfit: entry, tooMany } = listed.value;
  if (tooMany) throw unfit(sha256, `contains more than ${MOST_FILES} files`);
  if (entry !== null)
    throw unfit(
      sha256,
      `contains ${JSON.stringify(entry.slice(0, 100))}: expected only plain files, with names below its root`,
    );
  return { sha256, gzip, files: [...files].sort() };
}

/** Passes the unzipped bytes on. Returns their SHA-256; null as soon as they are too many. */
async function unzip(gzip: Uint8Array, entries: Extract): Promise<string | null> {
  const hash = createHash('sha256');
  const gunzip = createGunzip({ chunkSize: CHUNK });
  gunzip.end(gzip);
  let size = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LARGEST_ARCHIVE) return null;
      hash.update(chunk);
      if (!entries.destroyed && !entries.write(chunk)) await waitForDrain(entries);
    }
    return hash.digest('hex');
  } finally {
    entries.end(null);
  }
}

/** Resolves when more can be written, or nothing more needs to be. */
function waitForDrain(entries: Extract): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      entries.off('drain', end).off('close', end);
      resolve();
    };
    entries.on('drain', end).on('close', end);
  });
}

interface Names {
  readonly files: ReadonlySet<string>;
  /** The first entry that workers would refuse. */
  readonly unfit: string | null;
  readonly tooMany: boolean;
}

/** Throws if it isn't a tar archive. */
async function namesIn(entries: Extract): Promise<Names> {
  const files = new Set<string>();
  let unfit: string | null = null;
  let count = 0;
  for await (const entry of entries) {
    if (pathOfEntry('/code', entry.header) === null) unfit ??= entry.header.name;
    count += 1;
    // A name may be repeated.
    if (count > MOST_FILES) return { files, unfit, tooMany: true };
    files.add(entry.header.name);
    entry.resume();
  }
  return { files, unfit, tooMany: false };
}

const wrong = (sha256: string, what: string, cause?: unknown): BatchctlError =>
  new BatchctlError('corrupt', `the code archive ${sha256} ${what}`, { hint: 'submit the job again', cause });

const unfit = (sha256: string, what: string, cause?: unknown): BatchctlError =>
  new BatchctlError('jobFile', `the code archive ${sha256} ${what}`, {
    hint: "tar --format=ustar -cf - FILES, as listed in the job file's `files`; then gzip",
    cause,
  });
