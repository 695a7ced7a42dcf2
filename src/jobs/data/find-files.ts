import fs, { type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import { glob } from 'tinyglobby';
import { BatchctlError, hasCode } from '../../errors.ts';
import { statOrNull } from '../../lib/if-exists.ts';
import { parseDataKey, shownKey } from './data-key.ts';
import { brokenLinkError, invalidUtf8Error, isInvalidUtf8, unreadableDirectoryError } from './path-errors.ts';

export interface FoundFile {
  readonly path: string;
  /** The whole key. */
  readonly key: string;
  readonly size: number;
}

export type OnIgnored = (path: string, why: 'linkToDirectory' | 'noFile') => void;

interface FindOptions {
  /** Base directory of relative paths. */
  readonly cwd: string;
  /** '' or a prefix that ends in `/`. */
  readonly prefix: string;
  /** Globs matched against a file's path below its directory, or against its name if the glob has no slash. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A directory to skip everywhere: the store's own, so that `upload .` doesn't upload the store into itself. */
  readonly except?: string;
  /** Called with what is skipped: links to directories, and anything that is neither a file nor a directory. */
  readonly onIgnored?: OnIgnored | undefined;
}

/**
 * Finds the files that the paths name, in key order. A file is keyed by its name, a file in a directory by its path
 * below it, and a match of a pattern by its name. Throws `notFound` for a path that matches nothing or can't be read,
 * `usage` for two files with the same key.
 */
export async function findFiles(paths: readonly string[], options: FindOptions): Promise<readonly FoundFile[]> {
  const wanted = filterOf(options);
  const byKey = new Map<string, FoundFile>();
  for (const text of paths) {
    let count = 0;
    for await (const { path, name, size } of filesOf(text, { ...options, wanted })) {
      if (!wanted(name)) continue;
      count += 1;
      const file = { path, key: parseDataKey(`${options.prefix}${name}`), size };
      const other = byKey.get(file.key);
      if (other !== undefined && other.path !== path) throw sameKey(other, file);
      byKey.set(file.key, file);
    }
    if (count === 0) throw matchesNothing(text, options);
  }
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

interface WalkOptions extends FindOptions {
  readonly wanted: (name: string) => boolean;
}

interface FileMatch {
  readonly path: string;
  /** Contains `/` for a file below a directory that was given. */
  readonly name: string;
  readonly size: number;
}

async function* filesOf(text: string, options: WalkOptions): AsyncGenerator<FileMatch> {
  const path = resolve(options.cwd, text);
  const stats = statOrNull(path);
  if (stats?.isDirectory()) yield* walk(path, '', options);
  else if (stats?.isFile()) yield { path, name: basename(path), size: stats.size };
  else if (stats !== null) options.onIgnored?.(path, 'noFile');
  else {
    for (const match of await matchFiles(text, { directory: options.cwd, dot: false })) {
      const found = statOrNull(match);
      if (found?.isFile()) yield { path: match, name: basename(match), size: found.size };
    }
  }
}

async function* walk(directory: string, below: string, options: WalkOptions): AsyncGenerator<FileMatch> {
  const entries = await entriesOf(join(directory, below));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    const path = join(directory, name);
    if (path === options.except) continue;
    if (entry.isDirectory()) yield* walk(directory, name, options);
    else if (!isFileOrLink(entry)) options.onIgnored?.(path, 'noFile');
    else if (options.wanted(name)) {
      const stats = statOrNull(path);
      if (stats?.isFile()) yield { path, name, size: stats.size };
      else if (stats !== null) options.onIgnored?.(path, stats.isDirectory() ? 'linkToDirectory' : 'noFile');
      else if (isInvalidUtf8(path)) throw invalidUtf8Error(path);
      else if (entry.isSymbolicLink()) throw brokenLinkError(path);
    }
  }
}

/** The directory's entries; none if it is gone. */
async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isInvalidUtf8(directory)) throw invalidUtf8Error(directory);
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw unreadableDirectoryError(directory, error);
  }
}

function isFileOrLink(entry: Dirent): boolean {
  return entry.isFile() || entry.isSymbolicLink();
}

function filterOf({ include, exclude }: FindOptions): (name: string) => boolean {
  const matcher = (patterns: readonly string[]): ((name: string) => boolean) => {
    const tests = patterns.map((pattern) => picomatch(pattern, { dot: true, basename: !pattern.includes('/') }));
    return (name) => tests.some((test) => test(name));
  };
  const [included, excluded] = [matcher(include), matcher(exclude)];
  return (name) => (include.length === 0 || included(name)) && !excluded(name);
}

function sameKey(one: FoundFile, other: FoundFile): BatchctlError {
  return new BatchctlError('usage', `${one.path} and ${other.path} would have the same key ${shownKey(other.key)}`, {
    hint: 'upload them separately, each with its own --to',
  });
}

function matchesNothing(text: string, { cwd, include, exclude }: FindOptions): BatchctlError {
  const filtered = include.length + exclude.length > 0 && statOrNull(resolve(cwd, text)) !== null;
  const why = filtered ? 'contains no file that passes --include and --exclude' : 'matches no file';
  return new BatchctlError('notFound', `${text} ${why}`, {
    hint: `paths and patterns are relative to ${cwd.endsWith(sep) ? cwd : `${cwd}${sep}`}`,
  });
}

/**
 * The absolute paths of the files that a pattern matches, sorted. Skips nothing silently: throws `notFound` for a
 * directory that can't be read, a broken link, and a name that isn't UTF-8.
 */
export async function matchFiles(
  pattern: string,
  { directory, dot }: { readonly directory: string; readonly dot: boolean },
): Promise<readonly string[]> {
  const readErrors: Trouble[] = [];
  const brokenLinks = new Map<string, unknown>();
  const onReadError: OnError = (path, error, done) => {
    readErrors.push({ path, error });
    done(error, undefined);
  };
  // Broken links are treated as files, so that the pattern decides whether they match.
  const onBrokenLink: OnError = (path, error, done) => {
    brokenLinks.set(path, error);
    done(null, path);
  };
  const matches = await glob([escapeLineFeeds(pattern)], {
    cwd: directory,
    dot,
    onlyFiles: true,
    absolute: true,
    expandDirectories: false,
    fs: {
      readdir: interceptErrors(fs.readdir, onReadError),
      realpath: interceptErrors(fs.realpath, onBrokenLink),
      stat: interceptErrors(fs.stat, onStatError),
    },
  });
  const paths = matches.map((match) => resolve(unescapeLineFeeds(match))).sort();
  const shown = (path: string): string => relative(directory, path) || path;

  // A missing directory matches nothing. One whose name isn't UTF-8 can't even be looked up.
  const unread = readErrors.find(({ path, error }) => isInvalidUtf8(path) || !hasCode(error, 'ENOENT', 'ENOTDIR'));
  if (unread !== undefined) {
    throw isInvalidUtf8(unread.path)
      ? invalidUtf8Error(shown(unread.path))
      : unreadableDirectoryError(shown(unread.path), unread.error);
  }
  for (const path of paths) {
    if (brokenLinks.has(path)) throw brokenLinkError(shown(path), brokenLinks.get(path));
    if (isInvalidUtf8(path)) throw invalidUtf8Error(shown(path));
  }
  return paths;
}

interface Trouble {
  readonly path: string;
  readonly error: unknown;
}

type Done = (error: unknown, result: unknown) => void;

type OnError = (path: string, error: unknown, done: Done) => void;

const onStatError: OnError = (path, error, done) =>
  fs.lstat(path, (none, link) => (none === null ? done(null, link) : done(error, undefined)));

/** Stands for a line feed in a name, as the matcher's wildcards match none. No file name has a lone surrogate. */
const LINE_FEED = '\uDC0A';
const escapeLineFeeds = (text: string): string => text.replaceAll('\n', LINE_FEED);
const unescapeLineFeeds = (text: string): string => text.replaceAll(LINE_FEED, '\n');

function escapeResult(result: unknown): unknown {
  if (typeof result === 'string') return escapeLineFeeds(result);
  if (Array.isArray(result)) for (const entry of result as Dirent[]) entry.name = escapeLineFeeds(entry.name);
  return result;
}

/** Wraps a function of `node:fs`: its errors go to `onError`, which decides what the callback receives. */
function interceptErrors<F extends object>(act: F, onError: OnError): F {
  return new Proxy(act, {
    apply(target, self, given: unknown[]) {
      const path = unescapeLineFeeds(String(given[0]));
      const done: Done = (error, result) => (given.at(-1) as Done)(error, escapeResult(result));
      const ended: Done = (error, result) => (error ? onError(resolve(path), error, done) : done(null, result));
      return Reflect.apply(target as Done, self, [path, ...given.slice(1, -1), ended]);
    },
  });
}
