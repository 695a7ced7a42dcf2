// Bundles src/ into dist/: ESM with splitting, so that each command loads only what it uses. `node build.mjs`
import { existsSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

/** What is started or imported by its own name. The name of each file is its name in dist/. */
const ENTRIES = ['src/cli/main.ts', 'src/worker/lease-thread.ts', 'src/adapters/local/sqlite-queue.ts'];

/** What can't be bundled: native code that finds its own files. */
const EXTERNAL = ['better-sqlite3'];

/** CommonJS packages inside an ESM bundle call `require` for Node's own modules. */
const REQUIRE =
  "import { createRequire as batchctlRequire } from 'node:module'; const require = batchctlRequire(import.meta.url);";

const root = import.meta.dirname;
rmSync(`${root}/dist`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ENTRIES.filter((entry) => existsSync(`${root}/${entry}`)),
  outdir: 'dist',
  entryNames: '[name]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: EXTERNAL,
  banner: { js: REQUIRE },
  minifyWhitespace: true,
  // Linked, and read only by `node --enable-source-maps`.
  sourcemap: 'linked',
  legalComments: 'linked',
  logLevel: 'warning',
});
