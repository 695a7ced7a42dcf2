// Packs the built program together with the Node that runs this, for machines that have neither npm nor Node, and for
// images (Dockerfile): batchctl-VERSION-linux-x64.tar.gz, here or in a given directory, compressed as much as asked (1 to 9).
// `npm run build:bundle`
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expandPatterns, packFiles } from '../src/jobs/code-archive.ts';

const LAUNCHER = `#!/bin/sh
# Runs batchctl with the Node beside it. A link to this file works as well.
self=$(readlink -f "$0")
exec "\${self%/*}/bin/node" "\${self%/*}/bin/batchctl.js" "$@"
`;
/** The only file of better-sqlite3 that dist/ does not contain. A Node with SQLite of its own does not load it. */
const SQLITE = 'node_modules/better-sqlite3/build/Release/better_sqlite3.node';

const root = dirname(import.meta.dirname);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = `batchctl-${version}-${process.platform}-${process.arch}`;
const target = resolve(process.argv[2] ?? root, `${name}.tar.gz`);

const shared = Object.entries(process.config.variables).filter(([key, value]) => /^node_shared/.test(key) && value);
if (process.platform !== 'linux' || shared.length > 0) {
  const found = shared.length > 0 ? `one that needs ${shared.map(([key]) => key).join(', ')}` : process.platform;
  throw new Error(
    `expected a Node for Linux that needs no other libraries than libc's and libstdc++, found ${found}; use nodejs.org's`,
  );
}

const stage = mkdtempSync(join(tmpdir(), 'batchctl-bundle-'));
try {
  for (const path of packaged()) copyIn(join(root, path), path);
  copyIn(process.execPath, 'bin/node');
  if (!hasSqlite()) copyIn(join(root, SQLITE), SQLITE);
  for (const license of ['../LICENSE', '../share/doc/nodejs/copyright'].map((path) =>
    resolve(process.execPath, '..', path),
  ))
    if (existsSync(license)) copyIn(license, 'bin/node.LICENSE');
  writeFileSync(join(stage, name, 'batchctl'), LAUNCHER, { mode: 0o755 });
  // As releases for workers are packed: without times and owners, so that the same files make the same archive.
  const { gzip } = await packFiles(stage, await expandPatterns(stage, [name]), Number(process.argv[3] ?? 6));
  writeFileSync(target, gzip);
  console.log(target);
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** The files of the package, as `npm pack` chooses them. */
function packaged() {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const output = execFileSync('npm', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const files = JSON.parse(output)[0].files.map(({ path }) => path);
  if (files.includes('dist/main.js')) return files;
  throw new Error('expected the built program in dist/; run `npm run build`');
}

function copyIn(from, path) {
  const to = join(stage, name, path);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  if (path === 'bin/node') chmodSync(to, 0o755);
}

/** False for Node 22.12 and earlier, where node:sqlite is behind a flag. */
function hasSqlite() {
  return process.getBuiltinModule?.('node:sqlite') !== undefined;
}
