// Makes a fresh clone ready: installs when node_modules isn't what the lockfile says, then builds.
// Uses nothing that isn't in Node itself. `--no-build` leaves the build out.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { provideSqlite } from './sqlite.mjs';

const root = join(import.meta.dirname, '..');

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ` with exit code ${status}`}`);
  process.exit(1);
}

/** True when what npm installed is what the lockfile says; packages for other systems may be missing. */
function isInstalled() {
  // npm writes this file last, and only after an install that succeeded.
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const installed = packagesIn(hidden);
  const wanted = packagesIn(join(root, 'package-lock.json'));
  return Object.entries(wanted).every(([path, { version, optional }]) =>
    path === '' || path in installed ? path === '' || installed[path].version === version : optional === true,
  );
}

function packagesIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

if (!isInstalled()) run('npm', ['ci', '--no-audit', '--no-fund']);
if (!provideSqlite()) {
  console.error(
    `Node ${process.versions.node} has no SQLite, and better-sqlite3 could not be built: use Node 22.13 or later, or install python3, make and g++`,
  );
  process.exit(1);
}
if (!process.argv.includes('--no-build')) run(process.execPath, ['build/build.mjs']);
