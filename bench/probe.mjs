// Measures parts of the program in separate processes, bundled as they are shipped.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { DATA } from './make-csv.mjs';

/** The absolute path of a module below src/, for an import statement. */
export const source = (path) => join(import.meta.dirname, '..', 'src', path);

export async function bundleProbe(name, program) {
  mkdirSync(DATA, { recursive: true });
  const [entry, outfile] = [join(DATA, `${name}.ts`), join(DATA, `${name}.mjs`)];
  writeFileSync(entry, program);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // CommonJS packages load Node's own modules with `require`.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    external: ['better-sqlite3', 'pg', 'mysql2', '@aws-sdk/*', '@smithy/*', 'hpagent', 'selfsigned', 'sqs-consumer'],
    logLevel: 'error',
  });
  return outfile;
}

/** The same; returns a function that runs it with arguments and returns the JSON that it prints last. */
export async function makeProbe(name, program, node = process.execPath) {
  const file = await bundleProbe(name, program);
  return (...args) => JSON.parse(execFileSync(node, [file, ...args], { encoding: 'utf8', maxBuffer: 2 ** 30 }));
}
