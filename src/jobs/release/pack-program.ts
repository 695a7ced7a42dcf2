import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchctlError } from '../../errors.ts';
import { VERSION } from '../../lib/version.ts';
import { expandPatterns, packFiles } from '../code-archive.ts';

/** The built program as workers unpack it: needs Node, but no packages or native modules. */
export interface Bundle {
  /** Of the archive before compression, so that all builds of the same files agree. */
  readonly sha256: string;
  readonly gzip: Uint8Array;
  readonly version: string;
}

/** Leaves out source maps, compiled code (of another machine) and node_modules (only the local profile needs it). */
const FILES = ['bin/*.{js,json}', 'dist/**/*.js', 'dist/package.json', 'dist/**/*.txt', 'package.json', 'LICENSE'];

const PAGE = 'dist/dashboard/**/*.{html,css,svg,png}';

/** The last bundle, and the files it was packed from: a long-lived process such as a manager packs its program once. */
let last: { readonly files: string; readonly bundle: Bundle } | null = null;

/** Packs this program. Throws `config` if it isn't built. */
export async function packProgram(root = programRoot()): Promise<Bundle> {
  if (!existsSync(join(root, 'dist/main.js'))) {
    throw new BatchctlError('config', `expected the built program for workers in ${join(root, 'dist')}`, {
      hint: `npm run build (in ${root})`,
    });
  }
  const names = await expandPatterns(root, existsSync(join(root, 'dist/dashboard')) ? [...FILES, PAGE] : FILES);
  const files = names.map((name) => identityOf(join(root, name))).join('\n');
  if (last?.files === files) return last.bundle;
  const packed = await packFiles(root, names);
  const { version = VERSION } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version?: string };
  const bundle = {
    ...{ sha256: packed.sha256, version },
    get gzip() {
      return packed.gzip;
    },
  };
  last = { files, bundle };
  return bundle;
}

/** Changes when a file is written or replaced. */
function identityOf(path: string): string {
  const { ino, size, mtimeMs, ctimeMs } = lstatSync(path);
  return [path, ino, size, mtimeMs, ctimeMs].join(' ');
}

/** In the source tree this file is three levels deep; bundled, it is in dist/. */
function programRoot(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../', import.meta.url));
}
