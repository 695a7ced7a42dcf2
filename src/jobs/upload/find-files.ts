import { type Dirent, type Stats, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import { BatchctlError, hasCode } from '../../errors.ts';
import { parseDataKey, shownKey } from '../data-key.ts';
import { isGarbled, leadsNowhere, notText, unreadable } from '../left-out.ts';
import { matchFiles } from '../submit/match-files.ts';

/** A file to upload. */
export interface FoundFile {
  readonly path: string;
  /** The whole key. */
  readonly key: string;
  readonly size: number;
}

export type OnIgnored = (path: string, why: 'linkToDirectory' | 'noFile') => void;

export interface FindOptions {
  /** Bare paths are relative to it. */
  readonly cwd: string;
  /** '' or a prefix that ends in `/`. */
  readonly prefix: string;
  /** Globs over a file's path below its directory, or its name where they hold no slash. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A directory that is left out wherever it is met: the store's own, so that `upload .` doesn't put it into itself. */
  readonly except?: string;
  /** Told of what is left out: links to directories, and what is neither a file nor a directory. */
  readonly onIgnored?: OnIgnored;
}

/**
 * The files that the paths name, in the order of their keys: a file by its name, what a directory holds by its path in
 * it, a pattern by its matches' names. Throws `notFound` for a path that names none and for what can't be read, `usage` for two
 * files with one key.
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

interface Named {
  readonly path: string;
  /** With `/`, below the directory that was given. */
  readonly name: string;
  readonly size: number;
}

async function* filesOf(text: string, options: WalkOptions): AsyncGenerator<Named> {
  const path = resolve(options.cwd, text);
  const stats = statOf(path);
  if (stats?.isDirectory()) yield* walk(path, '', options);
  else if (stats?.isFile()) yield { path, name: basename(path), size: stats.size };
  else if (stats !== null) options.onIgnored?.(path, 'noFile');
  else {
    for (const match of await matchFiles(text, { directory: options.cwd, dot: false })) {
      const found = statOf(match);
      if (found?.isFile()) yield { path: match, name: basename(match), size: found.size };
    }
  }
}

async function* walk(directory: string, below: string, options: WalkOptions): AsyncGenerator<Named> {
  const entries = await entriesOf(join(directory, below));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    const path = join(directory, name);
    if (path === options.except) continue;
    if (entry.isDirectory()) yield* walk(directory, name, options);
    else if (!isFileOrLink(entry)) options.onIgnored?.(path, 'noFile');
    else if (options.wanted(name)) {
      const stats = statOf(path);
      if (stats?.isFile()) yield { path, name, size: stats.size };
      else if (stats !== null) options.onIgnored?.(path, stats.isDirectory() ? 'linkToDirectory' : 'noFile');
      else if (isGarbled(path)) throw notText(path);
      else if (entry.isSymbolicLink()) throw leadsNowhere(path);
    }
  }
}

/** Of a directory that is gone: none. */
async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isGarbled(directory)) throw notText(directory);
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw unreadable(directory, error);
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

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

function sameKey(one: FoundFile, other: FoundFile): BatchctlError {
  return new BatchctlError('usage', `${one.path} and ${other.path} would have the same key ${shownKey(other.key)}`, {
    hint: 'upload them separately, each with its own --to',
  });
}

function matchesNothing(text: string, { cwd, include, exclude }: FindOptions): BatchctlError {
  const filtered = include.length + exclude.length > 0 && statOf(resolve(cwd, text)) !== null;
  const why = filtered ? 'contains no file that passes --include and --exclude' : 'matches no file';
  return new BatchctlError('notFound', `${text} ${why}`, {
    hint: `paths and patterns are relative to ${cwd.endsWith(sep) ? cwd : `${cwd}${sep}`}`,
  });
}
