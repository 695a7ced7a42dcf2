import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '../errors.ts';
import { shellWord } from './shell-word.ts';
import { userName } from './this-machine.ts';

/**
 * The command that lets this user write at a path that it may not, and who owns what is in the way: `sudo chown -R ann out
 * (it belongs to root)`. `isFile`: the path is that of a file, so a directory is not to be created there. Null if the owner is
 * this user, or if nothing can be said.
 */
export function accessCommand(path: string, isFile = false): string | null {
  let missing: string | null = null;
  for (let at = path; ; at = dirname(at)) {
    try {
      const { uid } = statSync(at);
      if (uid === process.geteuid?.()) return null;
      const owner = uid === 0 ? 'root' : `user ${uid}`;
      const me = shellWord(userName());
      if (missing === path && isFile) return `sudo chown ${me} ${shellWord(at)} (it belongs to ${owner})`;
      return missing === null
        ? `sudo chown -R ${me} ${shellWord(at)} (it belongs to ${owner})`
        : `sudo install -d -o ${me} ${shellWord(missing)} (${at} belongs to ${owner})`;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) missing = at;
      else if (!hasCode(error, 'EACCES')) return null;
      if (dirname(at) === at) return null;
    }
  }
}

/** A hint with that command. */
export function withAccessCommand(hint: string, path: string, isFile = false): string {
  const command = accessCommand(path, isFile);
  return command === null ? hint : `${hint}: ${command}`;
}

/** A hint with the command for an error of the file system that names a path. */
export function withCommandFor(error: Error & { readonly path: unknown }, hint: string): string {
  return withAccessCommand(hint, String(error.path), !('syscall' in error && error.syscall === 'mkdir'));
}
