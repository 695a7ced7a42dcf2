import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { buildSync } from 'esbuild';

/** Where Node finds the project's packages from. */
const CACHE = join(import.meta.dirname, '../../../node_modules/.cache/batchctl-tests');

/**
 * A TypeScript program as one JavaScript file, for tests that start it often: to read TypeScript takes each process more than
 * a second of CPU. It may start no thread of ours, and ask for no file beside it.
 */
export function bundled(program: string): string {
  const { outputFiles } = buildSync({
    ...{ entryPoints: [program], bundle: true, packages: 'external', write: false },
    ...{ format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning' },
  });
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, `${basename(program, extname(program))}.mjs`);
  // Another run may be starting it.
  writeFileSync(`${file}.${process.pid}`, outputFiles?.[0]?.contents ?? '');
  renameSync(`${file}.${process.pid}`, file);
  return file;
}
