// Imported before mocha's tests (.mocharc.json). Loads TypeScript in the test's own process. The first process of a run compiles
// all files at once into the run's directory, where the lanes read them. Hooks in another thread, such as tsx's, would cost
// each lane several seconds of CPU, and Node would call that thread at every `import()`.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { basename, dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync, transformSync } from 'esbuild';
import { globSync } from 'tinyglobby';
// Sets BATCHCTL_TEST_RUN.
import './watched.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const SOURCES = '{src,test,bench,docs,schema,examples}/**/*.{ts,tsx}';
const COMPILED = join(process.env.BATCHCTL_TEST_RUN, 'typescript');
/** A URL's query makes a second copy of a module. */
const TYPESCRIPT = /^file:[^?#]*\.tsx?(?=[?#]|$)/;
/** Source maps make errors name lines of the sources. */
const OPTIONS = {
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  sourcemap: 'inline',
  sourcesContent: false,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
};

if (!existsSync(COMPILED)) compileAll();
process.setSourceMapsEnabled(true);
// Makes mocha import a file without trying to require it first.
Object.defineProperty(process.features, 'require_module', { value: false });

const compiled = (url) => ({ format: 'module', shortCircuit: true, source: textOf(fileURLToPath(url)) });
if (module.registerHooks)
  module.registerHooks({ load: (url, context, next) => (TYPESCRIPT.test(url) ? compiled(url) : next(url, context)) });
else {
  // Node 20 supports hooks only in another thread, so its internal loader is patched (--expose-internals).
  const loader = createRequire(import.meta.url)('internal/modules/esm/loader').getOrInitializeCascadedLoader();
  const { load } = loader;
  loader.load = async function loadHere(url, context) {
    return TYPESCRIPT.test(url) ? { ...compiled(url), responseURL: url } : load.call(this, url, context);
  };
}

function compileAll() {
  const own = `${COMPILED}-${process.pid}`;
  const entryPoints = globSync(SOURCES, { cwd: ROOT, ignore: '**/*.d.ts' });
  // Source maps are relative to the output, so it is made as if it were beside the sources.
  const { outputFiles } = buildSync({
    ...OPTIONS,
    absWorkingDir: ROOT,
    entryPoints,
    outdir: ROOT,
    outbase: ROOT,
    write: false,
  });
  for (const { path, contents } of outputFiles) {
    const file = join(own, relative(ROOT, path));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, contents);
  }
  try {
    renameSync(own, COMPILED);
  } catch {
    // Another process has made it.
    rmSync(own, { recursive: true });
  }
}

/** A file's JavaScript. A file outside the project, such as one that a test writes, is compiled now. */
function textOf(file) {
  const path = join(COMPILED, relative(ROOT, file).replace(/\.tsx?$/, '.js'));
  if (path.startsWith(COMPILED) && existsSync(path)) return readFileSync(path, 'utf8');
  const text = readFileSync(file, 'utf8');
  return transformSync(text, { ...OPTIONS, sourcefile: basename(file), loader: extname(file).slice(1) }).code;
}
