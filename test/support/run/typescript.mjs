// Named to Node by mocha (.mocharc.json): loads TypeScript in the test's own process. All files are compiled at once, by the first
// process of a run, into the run's directory; the lanes read them there. With hooks in another thread, as tsx's, each lane
// spends several seconds of CPU more, and Node asks that thread again at every `import()`.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { basename, dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync, transformSync } from 'esbuild';
import { globSync } from 'tinyglobby';
// Gives the run its directory.
import './watched.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const SOURCES = '{src,test,bench,docs,schema,examples}/**/*.{ts,tsx}';
const COMPILED = join(process.env.BATCHCTL_TEST_RUN, 'typescript');
/** A query makes a second copy of a module. */
const TYPESCRIPT = /^file:[^?#]*\.tsx?(?=[?#]|$)/;
/** Source maps: errors name the lines of the sources. */
const OPTIONS = {
  ...{ format: 'esm', platform: 'node', target: 'node20.19', sourcemap: 'inline', sourcesContent: false },
  ...{ jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'warning' },
};

if (!existsSync(COMPILED)) compileAll();
process.setSourceMapsEnabled(true);
// Mocha then imports a file, and doesn't try to require it before.
Object.defineProperty(process.features, 'require_module', { value: false });

const compiled = (url) => ({ format: 'module', shortCircuit: true, source: textOf(fileURLToPath(url)) });
if (module.registerHooks)
  module.registerHooks({ load: (url, context, next) => (TYPESCRIPT.test(url) ? compiled(url) : next(url, context)) });
else {
  // Node 20 has hooks only in another thread (with --expose-internals, its loader).
  const loader = createRequire(import.meta.url)('internal/modules/esm/loader').getOrInitializeCascadedLoader();
  const { load } = loader;
  loader.load = async function loadHere(url, context) {
    return TYPESCRIPT.test(url) ? { ...compiled(url), responseURL: url } : load.call(this, url, context);
  };
}

function compileAll() {
  const own = `${COMPILED}-${process.pid}`;
  const entryPoints = globSync(SOURCES, { cwd: ROOT, ignore: '**/*.d.ts' });
  // As if written beside the sources, to which source maps are relative.
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
    // Another process has made it meanwhile.
    rmSync(own, { recursive: true });
  }
}

/** A file that this project does not have, such as one that a test writes, is compiled now. */
function textOf(file) {
  const path = join(COMPILED, relative(ROOT, file).replace(/\.tsx?$/, '.js'));
  if (path.startsWith(COMPILED) && existsSync(path)) return readFileSync(path, 'utf8');
  const text = readFileSync(file, 'utf8');
  return transformSync(text, { ...OPTIONS, sourcefile: basename(file), loader: extname(file).slice(1) }).code;
}
