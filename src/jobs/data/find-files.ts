import fs, { type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import { glob } from 'tinyglobby';
import { BatchctlError, hasCode } from '../../errors.ts';
import { statOrNull } from '../../lib/if-exists.ts';
import { groupBy } from '../../model/group-by.ts';
import { parseDataKey, shownKey } from '../data-key.ts';
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

/** Why something that a pattern could mean is none of its files. */
export type LeftOutWhy = 'hidden' | 'directory' | 'linkToDirectory' | 'noFile' | 'own';

export interface LeftOut {
  readonly path: string;
  readonly why: LeftOutWhy;
}

interface SearchOptions {
  readonly directory: string;
  /** Whether wildcards match names that begin with a dot. */
  readonly dot: boolean;
  /**
   * The store's directory and the configuration, as absolute paths. These, and what has their usual names, are left out;
   * absent: nothing is.
   */
  readonly own?: readonly string[];
}

/**
 * The absolute paths of the files that a pattern matches, sorted. Throws `notFound` for a directory that can't be read, a
 * broken link, and a name that isn't UTF-8.
 */
export async function matchFiles(pattern: string, options: SearchOptions): Promise<readonly string[]> {
  return (await searchFiles(pattern, options)).files;
}

/**
 * The same, with all that the pattern's wildcards pass over: names that begin with a dot, what is neither a file nor a
 * link to one, directories that are not searched, and batchctl's own files. Thus nothing is skipped silently.
 */
export async function searchFiles(
  pattern: string,
  options: SearchOptions,
): Promise<{ readonly files: readonly string[]; readonly leftOut: readonly LeftOut[] }> {
  const found = await runGlob(pattern, options);
  refuseUnread(found, options.directory);
  const isOwn = options.own === undefined ? (): boolean => false : ownFilter(options.own);
  const [files, leftOut]: [string[], LeftOut[]] = [[], []];
  const ownFound = new Set(ownMatches(pattern, options, found.ownDirectories));
  for (const path of found.files) {
    if (isOwn(path)) ownFound.add(path);
    else if (found.specials.has(path)) leftOut.push({ path, why: 'noFile' });
    else files.push(path);
  }
  const searched = directoriesOf(files, options.directory);
  for (const path of new Set([...found.directories, ...matchedLinks(pattern, options, found.links)])) {
    const why = directoryLeftOut(path, searched);
    if (why !== null && !isOwn(path)) leftOut.push({ path, why });
  }
  for (const path of ownFound) leftOut.push({ path, why: 'own' });
  if (found.sawHidden && !options.dot) {
    const known = new Set(found.files);
    const all = await runGlob(pattern, { ...options, dot: true }, ['**/.git/**']);
    for (const path of all.files) if (!known.has(path) && !isOwn(path)) leftOut.push({ path, why: 'hidden' });
  }
  return { files, leftOut };
}

/** Whether a directory that the pattern matches was not searched; null if a file in it was found, or it is empty. */
function directoryLeftOut(path: string, searched: ReadonlySet<string>): LeftOutWhy | null {
  if (searched.has(path)) return null;
  if (fs.lstatSync(path).isSymbolicLink()) return 'linkToDirectory';
  return fs.readdirSync(path).length === 0 ? null : 'directory';
}

/** All directories above the files, up to the base directory or the root. */
function directoriesOf(files: readonly string[], base: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const file of files) {
    for (let path = dirname(file); path !== base && !found.has(path) && path !== dirname(path); path = dirname(path))
      found.add(path);
  }
  return found;
}

/** The usual name of a store's directory. */
const OWN_DIRECTORY = '.batchctl';
/** The names of stores and configurations: also of other projects, below the directory, they are no data. */
const OWN_NAMES = [OWN_DIRECTORY, 'batchctl.config.json'];

const ownFilter =
  (own: readonly string[]) =>
  (path: string): boolean =>
    OWN_NAMES.includes(basename(path)) || own.some((each) => path === each || path.startsWith(`${each}${sep}`));

/** Own files that the pattern matches, and own directories that it would have searched. `seen`: some of those. */
function ownMatches(pattern: string, options: SearchOptions, seen: readonly string[]): readonly string[] {
  if (options.own === undefined) return [];
  const isMatch = matcherOf(pattern, options);
  const places = [...OWN_NAMES.map((name) => join(options.directory, name)), ...options.own, ...seen];
  return [...new Set(places)].filter((path) => {
    const stats = statOrNull(path);
    return stats !== null && isMatch(stats.isDirectory() ? join(path, 'x') : path);
  });
}

/** Links to directories that the pattern matches: the search reports only what it finds through them. */
function matchedLinks(pattern: string, options: SearchOptions, links: readonly string[]): readonly string[] {
  const isMatch = matcherOf(pattern, options);
  return links.filter((path) => isMatch(path) && statOrNull(path)?.isDirectory() === true);
}

/** Whether a pattern matches a path. */
function matcherOf(pattern: string, { directory, dot }: SearchOptions): (path: string) => boolean {
  const isMatch = picomatch(escapeLineFeeds(pattern.replace(/^\.\//, '')), { dot });
  return (path) => isMatch(escapeLineFeeds(isAbsolute(pattern) ? path : relative(directory, path)));
}

interface Matches {
  readonly files: readonly string[];
  readonly directories: readonly string[];
  /** All links in the directories that were searched. */
  readonly links: readonly string[];
  /** Directories with the usual name of a store, which are not searched. */
  readonly ownDirectories: readonly string[];
  /** Entries that are neither files, directories nor links. */
  readonly specials: ReadonlySet<string>;
  readonly brokenLinks: ReadonlyMap<string, unknown>;
  readonly readErrors: readonly Trouble[];
  /** A name that begins with a dot is in a directory that was searched. */
  readonly sawHidden: boolean;
}

/** `unread`: patterns of what is not searched. */
async function runGlob(
  pattern: string,
  { directory, dot, own }: SearchOptions,
  unread: readonly string[] = [],
): Promise<Matches> {
  const readErrors: Trouble[] = [];
  const brokenLinks = new Map<string, unknown>();
  const specials = new Set<string>();
  const links: string[] = [];
  const ownDirectories: string[] = [];
  let sawHidden = false;
  const onReadError: OnError = (path, error, done) => {
    readErrors.push({ path, error });
    done(error, undefined);
  };
  // Broken links and pipes are treated as files, so that the pattern decides whether they match.
  const onBrokenLink: OnError = (path, error, done) => {
    brokenLinks.set(path, error);
    done(null, path);
  };
  const onEntry = (path: string, entry: Dirent): void => {
    if (entry.name.startsWith('.') && !OWN_NAMES.includes(entry.name)) sawHidden = true;
    if (entry.isDirectory() && entry.name === OWN_DIRECTORY) ownDirectories.push(join(path, entry.name));
    if (entry.isSymbolicLink()) links.push(join(path, entry.name));
    if (entry.isFile() || entry.isDirectory() || entry.isSymbolicLink()) return;
    specials.add(join(path, entry.name));
    entry.isFile = () => true;
  };
  const matches = await glob([escapeLineFeeds(pattern)], {
    cwd: directory,
    dot,
    onlyFiles: false,
    absolute: true,
    expandDirectories: false,
    ignore: [
      ...unread,
      ...(own === undefined ? [] : [`**/${OWN_DIRECTORY}/**`]),
      ...(own ?? []).map((path) => `${escapeLineFeeds(escapeGlob(path))}/**`),
    ],
    fs: {
      readdir: interceptErrors(fs.readdir, onReadError, onEntry),
      realpath: interceptErrors(fs.realpath, onBrokenLink),
      stat: interceptErrors(fs.stat, onStatError),
    },
  });
  const paths = matches.map(unescapeLineFeeds);
  const sorted = (of: readonly string[]): readonly string[] => of.map((path) => resolve(path)).sort();
  return {
    files: sorted(paths.filter((path) => !path.endsWith('/'))),
    directories: sorted(paths.filter((path) => path.endsWith('/'))).filter((path) => path !== resolve(directory)),
    links,
    ownDirectories,
    specials,
    brokenLinks,
    readErrors,
    sawHidden,
  };
}

export const escapeGlob = (text: string): string => text.replace(/[\\*?[\]{}()!+@]/g, '\\$&');

/** Throws for what the pattern means and that can't be read: its data would be left out. */
function refuseUnread({ files, readErrors, brokenLinks }: Matches, directory: string): void {
  const shown = (path: string): string => relative(directory, path) || path;
  // A missing directory matches nothing. One whose name isn't UTF-8 can't even be looked up.
  const unread = readErrors.find(({ path, error }) => isInvalidUtf8(path) || !hasCode(error, 'ENOENT', 'ENOTDIR'));
  if (unread !== undefined) {
    throw isInvalidUtf8(unread.path)
      ? invalidUtf8Error(shown(unread.path))
      : unreadableDirectoryError(shown(unread.path), unread.error);
  }
  for (const path of files) {
    if (brokenLinks.has(path)) throw brokenLinkError(shown(path), brokenLinks.get(path));
    if (isInvalidUtf8(path)) throw invalidUtf8Error(shown(path));
  }
}

const LEFT_OUT_TEXT: Readonly<Record<LeftOutWhy, readonly [what: string, fix: string]>> = {
  hidden: ['whose names begin with a dot', 'name them: .*'],
  directory: ['that are directories', 'DIR/** reads their files'],
  linkToDirectory: ['that are links to directories', 'LINK/** reads their files'],
  noFile: ['that are pipes, sockets or devices', 'copy their data into files'],
  own: ["that are batchctl's own: its store or configuration", 'keep the data in a directory of its own'],
};

/** One line for each reason: the number, an example and what reads them. */
export function leftOutTexts(name: string, leftOut: readonly LeftOut[]): readonly string[] {
  return [...groupBy(leftOut, ({ why }) => why)].map(([why, all]) => {
    const [what, fix] = LEFT_OUT_TEXT[why];
    const example = all.map(({ path }) => path).sort()[0] ?? '';
    return `the input ${name} leaves out ${all.length} ${what} (${all.length === 1 ? '' : 'such as '}${example}); ${fix}`;
  });
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

/**
 * Wraps a function of `node:fs`: its errors go to `onError`, which decides what the callback receives. `onEntry` sees what a
 * directory contains.
 */
function interceptErrors<F extends object>(
  act: F,
  onError: OnError,
  onEntry?: (directory: string, entry: Dirent) => void,
): F {
  return new Proxy(act, {
    apply(target, self, given: unknown[]) {
      const path = unescapeLineFeeds(String(given[0]));
      const done: Done = (error, result) => (given.at(-1) as Done)(error, escapeResult(result));
      const ended: Done = (error, result) => {
        if (error) return onError(resolve(path), error, done);
        if (onEntry !== undefined && Array.isArray(result))
          for (const each of result as Dirent[]) onEntry(resolve(path), each);
        done(null, result);
      };
      return Reflect.apply(target as Done, self, [path, ...given.slice(1, -1), ended]);
    },
  });
}
