// Writes what esbuild bundled as CommonJS: it splits into chunks only as ESM, for which Node 20 keeps no compiled code.
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { transform } from 'esbuild';

const URL_OF_FILE = 'batchctlUrl';
/** What is in a chunk is in its name. */
export const CHUNK = /-[A-Z0-9]{8}[.]js$/;

/** Writes `files` (esbuild's, with their source maps inside) into `dist`. Answers the paths of all that it wrote. */
export async function writeCommonjs(files, dist) {
  const type = { path: join(dist, 'package.json'), contents: '{ "type": "commonjs" }\n' };
  const made = await Promise.all(files.map((file) => commonjs(file)));
  // All at once, and what names chunks after them: a batchctl that starts meanwhile finds the old program or the new one.
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
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // Of a chunk, so that what loads it is `require` as well.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': URL_OF_FILE, 'import.meta.dirname': '__dirname' },
    minifyWhitespace: true,
    sourcefile: basename(path),
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'warning',
  });
  const url = code.includes(URL_OF_FILE)
    ? `const ${URL_OF_FILE}=require("node:url").pathToFileURL(__filename).href;`
    : '';
  const { mappings, ...rest } = JSON.parse(map);
  return [
    { path, contents: `"use strict";${url}\n${code}//# sourceMappingURL=${basename(path)}.map\n` },
    // The first line is ours.
    { path: `${path}.map`, contents: JSON.stringify({ ...rest, mappings: `;${mappings}` }) },
  ];
}
