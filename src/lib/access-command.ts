import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasCode } from '../errors.ts';
import { shellWord } from './shell-word.ts';
import { userName } from './this-machine.ts';

/**
 * The command that lets this user write at a path that it may not, and who owns what is in the way: `sudo chown -R ann out
 * (it belongs to root)`. Null if the owner is this user, or if nothing can be said.
 */
export function accessCommand(path: string): string | null {
  let missing: string | null = null;
  for (let at = path; ; at = dirname(at)) {
    try {
      const { uid } = statSync(at);
      if (uid === process.geteuid?.()) return null;
      const owner = uid === 0 ? 'root' : `user ${uid}`;
      const me = shellWord(userName());
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
export function withAccessCommand(hint: string, path: string): string {
  const command = accessCommand(path);
  return command === null ? hint : `${hint}: ${command}`;
}
