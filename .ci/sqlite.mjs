// Makes SQLite available to a Node without its own (20): builds better-sqlite3's native code in node_modules, unless it is there.
// `npm ci` runs no install scripts (.npmrc), so that it needs nothing but npm's registry. Here the package's own script first looks
// for a prebuilt binary elsewhere; without one it compiles, with Node's headers beside the program where they are.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);

function isBuilt() {
  try {
    createRequire(import.meta.url)(join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'));
    return true;
  } catch {
    return false;
  }
}

/** Where the headers of this Node are, as in its tarball and in Debian's package; node-gyp otherwise downloads them. */
function nodeDirectory() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node.h')) ? prefix : null;
}

/** Returns whether SQLite is available. Prints what npm prints on stderr. */
export function provideSqlite() {
  if (process.getBuiltinModule?.('node:sqlite') !== undefined || isBuilt()) return true;
  const nodedir = process.env.npm_config_nodedir ?? nodeDirectory();
  spawnSync('npm', ['rebuild', 'better-sqlite3', '--ignore-scripts=false', '--foreground-scripts'], {
    cwd: root,
    env: { ...process.env, ...(nodedir !== null && { npm_config_nodedir: nodedir }) },
    stdio: ['ignore', 2, 2],
  });
  return isBuilt();
}
