import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/**
 * Writes generated pages, by path, and removes those that are null. With `--check` it writes nothing, and fails if a page
 * differs; `command` writes it.
 */
export function writePages(pages: ReadonlyMap<string, string | null>, command: string): void {
  const stale = [...pages].filter(([path, text]) => (existsSync(path) ? readFileSync(path, 'utf8') : null) !== text);
  if (!process.argv.includes('--check')) {
    for (const [path, text] of stale) text === null ? rmSync(path) : writeFileSync(path, text);
  } else if (stale.length > 0) {
    const names = stale.map(([path]) => relative(ROOT, path));
    console.error(`${names.join(', ')}: expected what ${command} writes; run it`);
    process.exitCode = 1;
  }
}
