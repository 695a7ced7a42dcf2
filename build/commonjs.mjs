// Writes esbuild's bundle as CommonJS. esbuild splits into chunks only as ESM, for which Node 20 keeps no compiled
// code.
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { transform } from 'esbuild';

const URL_OF_FILE = 'batchctlUrl';
/** How esbuild writes CommonJS of the chunks. */
export const COMMONJS = {
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  // Compiles `import()` to `require`, for chunks too.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': URL_OF_FILE, 'import.meta.dirname': '__dirname' },
  minifyWhitespace: true,
  logLevel: 'warning',
};
/** A chunk's name contains a hash of its content. */
export const CHUNK = /-[A-Z0-9]{8}[.]js$/;

/** Writes `files` (from esbuild, with their source maps) to `dist`. Returns the paths of all files written. */
export async function writeCommonjs(files, dist) {
  const type = { path: join(dist, 'package.json'), contents: '{ "type": "commonjs" }\n' };
  const made = await Promise.all(files.map((file) => commonjs(file)));
  // The chunks first, then the files that name them: a batchctl that starts meanwhile finds the old or the new program.
  const late = ({ path }) => Number(path.endsWith('.js') && !CHUNK.test(path));
  const written = [type, ...made.flat()].sort((a, b) => late(a) - late(b));
  for (const { path, contents } of written) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  return written.map(({ path }) => path);
}

async function commonjs({ path, contents, text }) {
  if (!path.endsWith('.js')) return [{ path, contents }];
  const { code, map } = await transform(text, {
    ...COMMONJS,
    sourcefile: basename(path),
    sourcemap: 'external',
    sourcesContent: false,
  });
  const { mappings, ...rest } = JSON.parse(map);
  return [
    { path, contents: `${headOf(code)}\n${code}//# sourceMappingURL=${basename(path)}.map\n` },
    // Accounts for the line that was inserted first.
    { path: `${path}.map`, contents: JSON.stringify({ ...rest, mappings: `;${mappings}` }) },
  ];
}

/** The line before a script's code. */
export function headOf(code) {
  const url = `const ${URL_OF_FILE}=require("node:url").pathToFileURL(__filename).href;`;
  return `"use strict";${code.includes(URL_OF_FILE) ? url : ''}`;
}
