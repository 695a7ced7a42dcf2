// Bundles src/ into dist/: ESM with splitting, so that each command loads only what it uses. `node build.mjs`
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { buildDashboard } from './build-dashboard.mjs';

/** What is started or imported by its own name. The name of each file is its name in dist/. */
const ENTRIES = [
  'src/cli/main.ts',
  'src/worker/lease-thread.ts',
  'src/lib/loop-thread.ts',
  'src/adapters/local/sqlite-queue.ts',
  'src/adapters/aws/sqs-heartbeat.ts',
];

/** What can't be bundled: native code. */
const SQLITE = 'better-sqlite3/build/Release/better_sqlite3.node';

/** SQLite's JavaScript is bundled; its native code is loaded from where npm built it, with no search for it. */
const nativeSqlite = {
  name: 'native-sqlite',
  setup: ({ onLoad }) => {
    onLoad({ filter: /better-sqlite3.lib.database[.]js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const search = "require('bindings')('better_sqlite3.node')";
      if (!text.includes(search))
        throw new Error(`expected ${search} in ${path}: look how it finds its native code now`);
      const contents = text.replace(search, `require('${SQLITE}')`);
      return { contents, loader: 'js' };
    });
  },
};

/** CommonJS packages inside an ESM bundle call `require` for Node's own modules. */
const REQUIRE =
  "import { createRequire as batchctlRequire } from 'node:module'; const require = batchctlRequire(import.meta.url);";

const root = import.meta.dirname;

/** Of package.json only the version is wanted, and not as the CommonJS module that JSON is to a bundler. */
const versionOnly = {
  name: 'version-only',
  setup: ({ onLoad }) => {
    onLoad({ filter: /package\.json$/ }, ({ path }) => {
      if (path !== join(root, 'package.json')) return undefined;
      const { version } = JSON.parse(readFileSync(path, 'utf8'));
      return { contents: `export default { version: ${JSON.stringify(version)} };`, loader: 'js' };
    });
  },
};

const { metafile } = await build({
  plugins: [versionOnly, nativeSqlite],
  metafile: true,
  absWorkingDir: root,
  entryPoints: ENTRIES.filter((entry) => existsSync(`${root}/${entry}`)),
  outdir: 'dist',
  entryNames: '[name]',
  // Beside the entries: modules that are started by their URL find them from any chunk.
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: [SQLITE],
  // The AWS SDK loads parts of itself by name, as we load it: in its CommonJS form these would have no names.
  mainFields: ['module', 'main'],
  banner: { js: REQUIRE },
  minifyWhitespace: true,
  // Linked, and read only by `node --enable-source-maps`.
  sourcemap: 'linked',
  legalComments: 'linked',
  logLevel: 'warning',
});

// A chunk of nothing but esbuild's own helper functions is imported by all others, also by those that call none of them,
// and each file costs a start half a millisecond. Spaces in its place keep the source maps right.
const helpers = Object.entries(metafile.outputs).filter(([, { inputs }]) => Object.keys(inputs).length === 0);
for (const path of Object.keys(metafile.outputs).filter((name) => name.endsWith('.js'))) {
  const text = readFileSync(join(root, path), 'utf8');
  const lean = helpers.reduce((code, [helper]) => {
    const statement = `import"./${basename(helper)}";`;
    return code.replace(statement, ' '.repeat(statement.length));
  }, text);
  if (lean !== text) writeFileSync(join(root, path), lean);
}

// What an earlier build left goes last, so that a batchctl that runs meanwhile finds a whole program.
const page = await buildDashboard([versionOnly]);
const outputs = new Set([...Object.keys(metafile.outputs), ...page].map((path) => resolve(root, path)));
for (const entry of readdirSync(`${root}/dist`, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !outputs.has(path)) rmSync(path, { force: true });
}
