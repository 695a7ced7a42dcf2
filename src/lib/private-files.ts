import { chmodSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** SQLite gives the files next to a database the database's mode when it creates them. */
const BESIDE = ['', '-wal', '-shm'];

/**
 * Makes the file of a SQLite database, and a directory that is missing, private to this user, whatever the umask, before
 * SQLite opens it. Closes a file of an earlier version that others may read. Throws if the directory can't be created.
 */
export function makePrivateDatabase(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file, '', { flag: 'wx', mode: 0o600 });
  } catch {
    // By name: opening and closing a database would release this process's locks on it.
    for (const each of BESIDE) removeModeBits(file + each, 0o077);
  }
}

/** Opens a log for appending. Like a database, it and its directory are private to this user. */
export function openPrivateLog(file: string): number {
  makePrivateDirectory(dirname(file));
  const fd = openSync(file, 'a', 0o600);
  removeModeBits(file, 0o077);
  return fd;
}

/**
 * Creates a directory, and its missing parents, private to this user. Closes one that others may list or write, made by
 * an earlier version or a person. Others may still pass through one that was opened for commands with a user of their own,
 * unless it is not `passable`.
 */
export function makePrivateDirectory(path: string, passable = true): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  removeModeBits(path, passable ? 0o066 : 0o077);
}

function removeModeBits(path: string, rights: number): void {
  try {
    const mode = statSync(path).mode & 0o7777;
    if ((mode & rights) !== 0) chmodSync(path, mode & ~rights);
  } catch {
    // It doesn't exist, or belongs to another user.
  }
}
