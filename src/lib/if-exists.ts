import { readdirSync, type Stats, statSync } from 'node:fs';
import { hasCode } from '../errors.ts';

/** The entry at a path; null if there is none. Unlike `throwIfNoEntry: false`, also null below a file. */
export function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** The names in a directory; none if it is missing, or something else has its name. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
