import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
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
    for (const each of BESIDE) closeToOthers(file + each);
  }
}

function closeToOthers(path: string): void {
  try {
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch {
    // It isn't there, or another user's.
  }
}
