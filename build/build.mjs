// Bundles src/ into dist/, split so that each command loads only what it uses, and compiles what most commands load.
// `npm run build`
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { provideSqlite } from '../.ci/sqlite.mjs';
import { writeCommonjs } from './commonjs.mjs';
import { buildDashboard } from './dashboard.mjs';

/** The modules that are started or imported by name. A file keeps its name in dist/. */
const ENTRIES = [
  'src/cli/main.ts',
  'src/worker/lease-thread.ts',
  'src/lib/loop-thread.ts',
  'src/adapters/local/sqlite-queue.ts',
  'src/adapters/aws/sqs-heartbeat.ts',
];

/** A plugin that replaces a text in each file that one of `changes` names. Fails the build if the text isn't there. */
const replacing = (name, ...changes) => ({
  name,
  setup: ({ onLoad }) => {
    for (const { filter, search, to, loader = 'js' } of changes)
      onLoad({ filter }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (!text.includes(search)) throw new Error(`expected ${search} in ${path}: look what it does now (${name})`);
        return { contents: text.replace(search, to), loader };
      });
  },
});

/**
 * Loads node:child_process lazily: it takes a fifth of Node's own start, and commander needs it only to run external
 * programs.
 */
const lazyCommander = replacing('lazy-commander', {
  filter: /commander.lib.command[.]js$/,
  search: "const childProcess = require('node:child_process');",
  to: "const childProcess = { spawn: (...words) => require('node:child_process').spawn(...words) };",
});

/**
 * fdir looks for an installed picomatch, for filters that nothing here uses: 2 ms at each start of `run` and a worker.
 */
const fdirWithoutPicomatch = replacing('fdir-without-picomatch', {
  filter: /fdir.dist.index[.]mjs$/,
  search: '__require.resolve("picomatch");',
  to: 'throw new Error();',
});

/** Native code can't be bundled. */
const SQLITE = 'better-sqlite3/build/Release/better_sqlite3.node';

/**
 * For Node 20, bundles better-sqlite3's JavaScript. It loads the native code directly from where npm built it, without
 * a search.
 */
const nativeSqlite = replacing(
  'native-sqlite',
  {
    filter: /src.lib.sqlite[.]ts$/,
    search: "createRequire(import.meta.url)('better-sqlite3')",
    to: "require('better-sqlite3')",
    loader: 'ts',
  },
  {
    filter: /better-sqlite3.lib.database[.]js$/,
    search: "require('bindings')('better_sqlite3.node')",
    to: `require('${SQLITE}')`,
  },
);

const root = dirname(import.meta.dirname);

/** Reduces package.json to its version, as an ES module rather than the CommonJS module that bundlers make of JSON. */
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

/** A schema of the SDK: `export var Address$ = [3, n0, _A, ... ];`. */
const SCHEMA = /^((?:export )?var [\w$]+ = )\[([^;]*?)\];$/gm;

/**
 * Drops SDK exports that src/ never names. `import()` would keep every operation of a client: EC2's is 1.9 MB, all
 * parsed at startup.
 */
const trimmedSdk = {
  name: 'trimmed-sdk',
  setup: ({ onResolve, onLoad }) => {
    const words = new Set(sources().flatMap((file) => readFileSync(file, 'utf8').match(/\w+/g) ?? []));
    onResolve({ filter: /^@aws-sdk.client-/ }, ({ path, importer }) =>
      importer.startsWith(join(root, 'src/')) ? { path, namespace: 'trimmed-sdk' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'trimmed-sdk' }, ({ path }) => {
      const sdk = exportsOf(path);
      // `EC2` has a method for each operation, and src/ names the service only.
      const isWhole = (name) => sdk.includes(`${name}Client`);
      const names = sdk.filter((name) => words.has(name) && !isWhole(name));
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir: root };
    });
    // esbuild keeps an array with computed keys, since they could be objects with a toString that does something.
    onLoad({ filter: /client-[^/]+.dist-es.schemas.schemas_0[.]js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      return { contents: text.replace(SCHEMA, '$1/* @__PURE__ */ (() => [$2])();'), loader: 'js' };
    });
  },
};

/** The names that a client exports, from its CommonJS form: to load all clients takes 1.5 seconds of CPU. */
function exportsOf(client) {
  const file = fileURLToPath(import.meta.resolve(client));
  const names = [...readFileSync(file, 'utf8').matchAll(/^exports[.](\w+) = /gm)].map(([, name]) => name);
  if (!names.some((name) => /^\w+Client$/.test(name)))
    throw new Error(`expected a line for each export of ${file}: look how it exports now`);
  return names;
}

function sources() {
  const entries = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const { metafile, outputFiles } = await build({
  plugins: [versionOnly, nativeSqlite, lazyCommander, fdirWithoutPicomatch, trimmedSdk],
  metafile: true,
  absWorkingDir: root,
  entryPoints: ENTRIES.filter((entry) => existsSync(`${root}/${entry}`)),
  outdir: 'dist',
  entryNames: '[name]',
  // Next to the entries, so that modules started by URL are found from any chunk.
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: [SQLITE],
  // The SDK's ES modules. The SDK loads parts of itself by name, which its CommonJS form would lose.
  mainFields: ['module', 'main'],
  minifyWhitespace: true,
  sourcemap: 'inline',
  sourcesContent: false,
  write: false,
  legalComments: 'linked',
  logLevel: 'warning',
});

refuseNamedImports(metafile);

// A chunk that contains only esbuild's helper functions is imported by all others, even by those that call none of
// them, and each file slows the start. Replacing the import with spaces keeps source maps valid.
const helpers = Object.entries(metafile.outputs).filter(([, { inputs }]) => Object.keys(inputs).length === 0);
const withoutHelpers = outputFiles.map(({ path, contents, text }) => ({
  path,
  contents,
  text: helpers.reduce((code, [helper]) => {
    const statement = `import"./${basename(helper)}";`;
    return code.replace(statement, ' '.repeat(statement.length));
  }, text),
}));
const program = await writeCommonjs(withoutHelpers, join(root, 'dist'));

// Remove an earlier build's files last, so that a batchctl running meanwhile finds a complete program.
const page = await buildDashboard([versionOnly]);
const outputs = new Set([...program, ...page].map((path) => resolve(root, path)));
for (const entry of readdirSync(`${root}/dist`, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !outputs.has(path)) rmSync(path, { force: true });
}

/**
 * A chunk made of a CommonJS package has only a default export, whereas `import()` in Node, and so in a test, finds the
 * names of its functions, too.
 */
function refuseNamedImports({ inputs }) {
  for (const [file, { imports }] of Object.entries(inputs)) {
    if (!file.startsWith('src/')) continue;
    const text = readFileSync(join(root, file), 'utf8');
    for (const { path, kind, original } of imports) {
      if (kind !== 'dynamic-import' || inputs[path]?.format !== 'cjs') continue;
      const calls = text.split(`await import('${original}')`);
      const isDefault = (after, at) => after.startsWith(').default') || /[{] default: \w+ [}] = $/.test(calls[at]);
      if (!calls.slice(1).every(isDefault))
        throw new Error(`expected ${file} to take the default export of import('${original}'), which is CommonJS`);
    }
  }
}

// In a separate process, because it runs commands, which change process-wide state. They need SQLite.
const texts = Object.fromEntries(
  withoutHelpers.map(({ path, text }) => [basename(path), text.replace(/\/\/# sourceMappingURL=.*\n?$/, '')]),
);
const compiled =
  provideSqlite() &&
  spawnSync(process.execPath, [join(root, 'build/compiled.mjs')], {
    input: JSON.stringify(texts),
    stdio: ['pipe', 'inherit', 'inherit'],
  }).status === 0;
if (!compiled)
  console.error(
    'dist/ is complete, but starts slower without dist/compiled.bin, for the reason above. Correct it and run `npm run build` again.',
  );
