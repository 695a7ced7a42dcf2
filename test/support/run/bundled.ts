import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { hasCode } from '../../../src/errors.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** Where Node finds the project's packages from. */
const CACHE = join(ROOT, 'node_modules/.cache/batchctl-tests');

const made = new Map<string, string>();

/** Packages as CommonJS call it for Node's own modules, and an ES module has none. */
const REQUIRE = "import { createRequire as requirer } from 'node:module'; const require = requirer(import.meta.url);";

/**
 * A TypeScript program as one JavaScript file, for tests that start it often: to read TypeScript takes each process more than
 * a second of CPU, and to read the packages file by file up to half a second. Its threads are those of the built program.
 */
export function bundled(program: string): string {
  const known = made.get(program);
  if (known !== undefined) return known;
  const { outputFiles } = buildSync({
    ...{ entryPoints: [program], bundle: true, mainFields: ['module', 'main'], banner: { js: REQUIRE }, write: false },
    ...{ format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning' },
  });
  // Beside bin/, as dist/ is: the built program's threads are found from there (src/lib/thread.ts).
  const file = join(CACHE, 'dist', `${basename(program, extname(program))}.mjs`);
  mkdirSync(join(CACHE, 'dist'), { recursive: true });
  link(join(ROOT, 'bin'), join(CACHE, 'bin'));
  // Another run may be starting it.
  writeFileSync(`${file}.${process.pid}`, outputFiles?.[0]?.contents ?? '');
  renameSync(`${file}.${process.pid}`, file);
  made.set(program, file);
  return file;
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}
