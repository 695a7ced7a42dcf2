import { type Stats, statSync } from 'node:fs';
import { hasCode } from '../errors.ts';

/** What is at a path; null if nothing is. Unlike `throwIfNoEntry: false`, also null below a file. */
export function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}
