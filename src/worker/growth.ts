import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** For a directory with more entries, only this many are checked. */
const MOST_ENTRIES = 10_000;

/**
 * A number that changes whenever a byte is written to one of the files or directory trees: the sum of sizes and change
 * times. Missing files count as zero.
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
      // Removed meanwhile, or unreadable: no activity.
    }
  }
  return sum;
}
