// The CSV file that benches read. Made once for each size and kept in bench/.data.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeCsv } from './make-csv.mjs';

export const DATA = join(import.meta.dirname, '.data');

/** The path of a file of this many bytes. */
export function benchCsv(bytes) {
  const path = join(DATA, `split-${bytes}.csv`);
  mkdirSync(DATA, { recursive: true });
  if (!existsSync(path) || statSync(path).size !== bytes) makeCsv(path, bytes);
  return path;
}
