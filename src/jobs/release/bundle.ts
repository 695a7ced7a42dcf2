import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchctlError } from '../../errors.ts';
import { VERSION } from '../../lib/version.ts';
import { packCode } from '../code-archive.ts';

/** The built program as workers unpack it: needs Node, and no package nor native module. */
export interface Bundle {
  /** Of the archive before compression, so that all builds of the same files agree. */
  readonly sha256: string;
  readonly gzip: Uint8Array;
  readonly version: string;
}

/** Without source maps, compiled code (it is another machine's) and node_modules: only the local profile needs something of that. */
const FILES = ['bin/*.{js,json}', 'dist/**/*.js', 'dist/package.json', 'dist/**/*.txt', 'package.json', 'LICENSE'];
/** What the manager's page has besides. */
const PAGE = 'dist/dashboard/**/*.{html,css,svg,png}';

/** Packs this program. Throws `config` where it has not been built. */
export async function packProgram(root = programRoot()): Promise<Bundle> {
  if (!existsSync(join(root, 'dist/main.js'))) {
    throw new BatchctlError('config', `expected the built program in ${join(root, 'dist')}, which workers are to run`, {
      hint: `npm run build (in ${root})`,
    });
  }
  const packed = await packCode(root, existsSync(join(root, 'dist/dashboard')) ? [...FILES, PAGE] : FILES);
  if (packed === null) throw new TypeError('patterns that are there pack something');
  const { version = VERSION } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version?: string };
  return { sha256: packed.sha256, gzip: packed.gzip, version };
}

/** From source this file lies three deep, bundled in dist/. */
function programRoot(): string {
  return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../' : '../', import.meta.url));
}
