import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');

/** The version of `laterProgram`. */
export const LATER = '9.1.0';

/**
 * What the later version changed, as its developers would have: its formats, and one rule that workers of the present
 * version lack, the placeholder {place}.
 */
const CHANGES: readonly { readonly file: string; readonly from: string; readonly to: string }[] = [
  { file: 'lib/version.ts', from: 'manifest.version', to: `'${LATER}'` },
  { file: 'model/job.ts', from: 'JOB_FORMAT = 3', to: 'JOB_FORMAT = 4' },
  { file: 'model/output.ts', from: 'OUTPUT_FORMAT = 2', to: 'OUTPUT_FORMAT = 3' },
  { file: 'model/substitute.ts', from: "'index'] as const;", to: "'index', 'place'] as const;" },
  { file: 'worker/environment.ts', from: 'index: indexOf(task, staged),', to: "$& place: 'here'," },
  {
    file: 'model/needs.ts',
    from: 'const RULES: readonly Rule[] = [',
    to: `$& { does: 'uses its place', since: '${LATER}', format: 4,
      applies: ({ step }) => [step.run].flat().some((text) => text.includes('{place}')) },`,
  },
];

/** Builds a later version of batchctl in a directory. Returns its entry. */
export async function laterProgram(directory: string): Promise<string> {
  const entries = ['cli/main', 'worker/lease-thread', 'lib/loop-thread', 'adapters/local/sqlite-queue'];
  const made = new Set<string>();
  await build({
    absWorkingDir: ROOT,
    entryPoints: entries.map((entry) => `src/${entry}.ts`),
    outdir: join(directory, 'dist'),
    entryNames: '[name]',
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    mainFields: ['module', 'main'],
    external: ['better-sqlite3'],
    define: { 'import.meta.url': 'urlOfFile', 'import.meta.dirname': '__dirname' },
    banner: { js: "const urlOfFile = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'error',
    plugins: [
      {
        name: 'later',
        setup: ({ onLoad }) => {
          onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
            const mine = CHANGES.filter(({ file }) => path === join(ROOT, 'src', file));
            if (mine.length === 0) return undefined;
            for (const { file } of mine) made.add(file);
            const contents = mine.reduce(
              (text, { from, to }) => {
                if (!text.includes(from)) throw new Error(`expected ${from} in ${path}: look what it does now`);
                return text.replace(from, to);
              },
              readFileSync(path, 'utf8'),
            );
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  if (made.size < CHANGES.length) throw new Error(`expected changes of ${CHANGES.length} files, found ${[...made]}`);
  // Node 20 loads SQLite from there.
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  mkdirSync(join(directory, 'bin'), { recursive: true });
  for (const name of ['batchctl.js', 'load.js']) cpSync(join(ROOT, 'bin', name), join(directory, 'bin', name));
  for (const part of ['dist', 'bin']) writeFileSync(join(directory, part, 'package.json'), '{ "type": "commonjs" }\n');
  return join(directory, 'bin/batchctl.js');
}
