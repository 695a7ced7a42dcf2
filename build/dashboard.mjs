// Bundles src/dashboard/ into dist/dashboard/: a page, and assets whose names contain a hash of their content.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const root = dirname(import.meta.dirname);
const SOURCE = 'src/dashboard';
const OUT = 'dist/dashboard';
/** The tab's icons, one for each tone. */
const ICONS = ['open', 'good', 'doubtful', 'bad'].map((tone) => `icon-${tone}`);

/** The report's colours, which are declared once, in TypeScript. */
const theme = {
  name: 'theme',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^theme[.]css$/ }, () => ({ path: 'theme.css', namespace: 'theme' }));
    onLoad({ filter: /.*/, namespace: 'theme' }, async () => {
      const entryPoints = [join(root, SOURCE, 'theme.ts')];
      const { outputFiles } = await build({ entryPoints, bundle: true, format: 'esm', write: false });
      const { PAGE_THEME } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
      return { contents: PAGE_THEME, loader: 'css' };
    });
  },
};

/**
 * Builds the page. `plugins` are those that it shares with the program. Returns the files written, relative to the
 * root.
 */
export async function buildDashboard(plugins) {
  const entryPoints = ['main.tsx', 'style/main.css', ...ICONS.map((name) => `icons/${name}.svg`)].map(
    (name) => `${SOURCE}/${name}`,
  );
  const { metafile } = await build({
    plugins: [theme, ...plugins],
    metafile: true,
    absWorkingDir: root,
    entryPoints,
    outdir: OUT,
    entryNames: 'assets/[name]-[hash]',
    chunkNames: 'assets/[name]-[hash]',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'chrome111', 'firefox114', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.svg': 'copy' },
    legalComments: 'linked',
    logLevel: 'warning',
  });
  const outputOf = (source) => {
    const found = Object.entries(metafile.outputs).find(([path, { entryPoint, inputs }]) =>
      path.endsWith('.svg') ? source in inputs : entryPoint === source,
    );
    if (found === undefined) throw new Error(`expected ${source} among what esbuild wrote`);
    return relative(OUT, found[0]);
  };
  const [script, style, ...icons] = entryPoints.map(outputOf);
  const names = { script, style, ...Object.fromEntries(ICONS.map((name, at) => [name, icons[at]])) };
  const page = readFileSync(join(root, SOURCE, 'index.html'), 'utf8');
  const index = `${OUT}/index.html`;
  mkdirSync(join(root, OUT), { recursive: true });
  // Written last, so that the files it names exist.
  writeFileSync(
    join(root, index),
    page.replaceAll(/\{([a-z-]+)\}/g, (_, name) => names[name]),
  );
  return [...Object.keys(metafile.outputs), index];
}
