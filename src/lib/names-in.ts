import { readdirSync } from 'node:fs';
import { hasCode } from '../errors.ts';

/** The names in a directory; none if it is missing, or something else has its name. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
