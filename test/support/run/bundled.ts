import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { hasCode } from '../../../src/errors.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** Below `node_modules`, so that Node finds the project's packages. */
const CACHE = join(ROOT, 'node_modules/.cache/batchctl-tests');

const bundles = new Map<string, string>();

/** CommonJS packages load Node's own modules with `require`, which an ES module lacks. */
const REQUIRE = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

/**
 * Bundles a TypeScript program into one JavaScript file, and returns its path, for tests that start it often. Otherwise each
 * process spends more than a second of CPU on TypeScript, and up to half a second on packages. Its threads are those of the
 * built program.
 */
export function bundled(program: string): string {
  const known = bundles.get(program);
  if (known !== undefined) return known;
  const { outputFiles } = buildSync({
    entryPoints: [program],
    bundle: true,
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  // In a sibling of bin/, as dist/ is, because the paths of the built program's threads are relative (src/lib/thread.ts).
  const file = join(CACHE, 'dist', `${basename(program, extname(program))}.mjs`);
  mkdirSync(join(CACHE, 'dist'), { recursive: true });
  link(join(ROOT, 'bin'), join(CACHE, 'bin'));
  // Written under another name first: another test run may be loading the file.
  writeFileSync(`${file}.${process.pid}`, outputFiles?.[0]?.contents ?? '');
  renameSync(`${file}.${process.pid}`, file);
  bundles.set(program, file);
  return file;
}

function link(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}
