import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A directory with more entries than this is judged by the first so many. */
const MOST_ENTRIES = 10_000;

/**
 * A number that changes whenever a byte is written to one of the files, or to a file below one of the directories:
 * sizes and times of change, added up. What doesn't exist counts nothing.
 */
export function growthOf(paths: readonly string[]): number {
  let sum = 0;
  let left = MOST_ENTRIES;
  const waiting = [...paths];
  for (let path = waiting.pop(); path !== undefined && left > 0; path = waiting.pop()) {
    left -= 1;
    try {
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      sum += stat.size + stat.mtimeMs;
      if (stat.isDirectory()) for (const name of readdirSync(path)) waiting.push(join(path, name));
    } catch {
      // removed while being looked at, or not to be looked at: no sign of life
    }
  }
  return sum;
}
