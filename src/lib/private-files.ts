import { chmodSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** SQLite gives the files beside a database its mode when it makes them. */
const BESIDE = ['', '-wal', '-shm'];

/**
 * Makes the file of a SQLite database, and its directory, this user's alone, whatever the umask, before SQLite opens it. One that
 * others may read, as earlier versions made it, is closed to them. Throws what making the directory throws.
 */
export function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file, '', { flag: 'wx', mode: 0o600 });
  } catch {
    // By their names: to open a database and close it again would end the locks that this process has on it.
    for (const each of BESIDE) closeToOthers(file + each, 0o077);
  }
}

/** Opens a log to append to. As with a database, it and its directory are this user's alone. */
export function openPrivateLog(file: string): number {
  makePrivateDirectory(dirname(file));
  const fd = openSync(file, 'a', 0o600);
  closeToOthers(file, 0o077);
  return fd;
}

/**
 * Makes a directory, and those above it that are missing, this user's alone. One that others may list or write, as earlier
 * versions made it, is closed to them. They may still pass through one that was opened for commands with a user of their own.
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  closeToOthers(path, 0o066);
}

/** Takes rights from a file or directory. */
function closeToOthers(path: string, rights: number): void {
  try {
    const mode = statSync(path).mode & 0o7777;
    if ((mode & rights) !== 0) chmodSync(path, mode & ~rights);
  } catch {
    // It isn't there, or another user's.
  }
}
