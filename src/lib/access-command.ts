import { realpathSync, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { hasCode } from '../errors.ts';
import { shellWord } from './shell-word.ts';
import { userName } from './this-machine.ts';

interface AccessOptions {
  /** The path is that of a file, so a directory is not to be created there. */
  readonly isFile?: boolean;
  /** The directory whose content is all batchctl's, or this user's. Closed ones above it are someone else's. */
  readonly own?: string;
}

/**
 * The command that lets this user write at a path that it may not, and who owns what is in the way: `sudo chown -R ann out
 * (it belongs to root)`. A closed directory on the way is only opened to pass through, unless it is in `own`: it may contain
 * all files of another user. Null if the owner is this user, for the system's own directories and other users' homes, or if
 * nothing can be said.
 */
export function accessCommand(path: string, { isFile = false, own = path }: AccessOptions = {}): string | null {
  let missing: string | null = null;
  let closed = false;
  for (let at = path; ; at = dirname(at)) {
    try {
      const { uid } = statSync(at);
      if (uid === process.geteuid?.() || isOfSystem(realpathSync(at))) return null;
      const owner = uid === 0 ? 'root' : `user ${uid}`;
      const me = shellWord(userName());
      if (closed && at !== own && !at.startsWith(join(own, sep))) {
        return `sudo chmod a+x ${shellWord(at)} (it belongs to ${owner}; all users may then pass through it, but not list it)`;
      }
      if (missing === path && isFile) return `sudo chown ${me} ${shellWord(at)} (it belongs to ${owner})`;
      return missing === null
        ? `sudo chown -R ${me} ${shellWord(at)} (it belongs to ${owner})`
        : `sudo install -d -o ${me} ${shellWord(missing)} (${at} belongs to ${owner})`;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) missing = at;
      else if (hasCode(error, 'EACCES')) closed = true;
      else return null;
      if (dirname(at) === at) return null;
    }
  }
}

/** Directories that no user is to own: with all below them, or only themselves and, of homes, what is directly in them. */
const SYSTEM = /^[/](bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|usr)([/]|$)|^[/][^/]*$|^[/](home|var)[/][^/]+$/;
/** Everyone's, within those. */
const SHARED = /^[/](dev[/]shm|run[/]user[/]\d+)[/]/;

const isOfSystem = (path: string): boolean => SYSTEM.test(path) && !SHARED.test(path);

/** A hint with that command. */
export function withAccessCommand(hint: string, path: string, options: AccessOptions = {}): string {
  const command = accessCommand(path, options);
  return command === null ? hint : `${hint}: ${command}`;
}

/** A hint with the command for an error of the file system that names a path. `own`: as above. */
export function withCommandFor(error: Error & { readonly path: unknown }, hint: string, own?: string): string {
  const isFile = !('syscall' in error && error.syscall === 'mkdir');
  return withAccessCommand(hint, String(error.path), { isFile, ...(own !== undefined && { own }) });
}
