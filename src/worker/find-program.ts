import { statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** What execvp uses when no PATH is set. */
const DEFAULT_PATH = '/usr/bin:/bin';
const CACHED_LOOKUPS = 256;

const found = new Map<string, string>();

/**
 * The path by which a program can be started from `cwd`, as execvp would find it in `path`; null if there is none. The
 * result has a slash, so it can't be a shell builtin. A name with a slash is returned unchanged.
 */
export function findProgram(name: string, path: string | undefined, cwd: string): string | null {
  if (name === '') return null;
  if (name.includes('/')) return isProgram(isAbsolute(name) ? name : join(cwd, name)) ? name : null;
  const search = path ?? DEFAULT_PATH;
  const key = `${name}\0${search}`;
  const known = found.get(key);
  if (known !== undefined && isProgram(known)) return known;
  for (const directory of search.split(':')) {
    const candidate = join(isAbsolute(directory) ? directory : join(cwd, directory), name);
    if (!isProgram(candidate)) continue;
    if (found.size >= CACHED_LOOKUPS) found.clear();
    // The result of a relative entry depends on cwd, which isn't part of the key.
    if (isAbsolute(directory)) found.set(key, candidate);
    return candidate;
  }
  return null;
}

function isProgram(path: string): boolean {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
  } catch {
    return false; // A path component is not a directory, access is denied, or the name is too long: it can't be started.
  }
}
