import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { LOG_KEPT_MS, leftBehind } from '../lib/left-behind.ts';
import { makePrivateDirectory } from '../lib/private-files.ts';

/**
 * A worker's directory names its process, so that a later one can remove those whose process is gone; what dead workers
 * said goes after a week.
 */
export function makeScratch(directory: string, worker: string): string {
  makePrivateDirectory(directory);
  removeLeftBehind(directory, Date.now() - LOG_KEPT_MS, false);
  const scratch = join(directory, `${worker}.${process.pid}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/**
 * Removes the scratch of dead workers, and their logs where nothing was written to them since `before` (milliseconds
 * since the epoch). Answers how many there were, and the bytes in them. `dryRun` only counts.
 */
export function removeLeftBehind(
  directory: string,
  before: number,
  dryRun: boolean,
): { readonly objects: number; readonly bytes: number } {
  let [objects, bytes] = [0, 0];
  for (const { path } of leftBehind(directory, before)) {
    objects += 1;
    bytes += bytesIn(path);
    if (!dryRun) rmSync(path, { recursive: true, force: true });
  }
  return { objects, bytes };
}

/** Of a file, or of all files below a directory; what another process removes meanwhile has none. */
function bytesIn(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.size;
  let names: readonly string[] = [];
  try {
    names = readdirSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  return names.reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

/**
 * Where workers of this user work when their store is elsewhere: below the system's temporary directory (TMPDIR moves it
 * to a larger disk). Throws `refused` where somebody else has made that name theirs: they could read and change what is
 * worked on.
 */
export function temporaryRoot(): string {
  const { uid, username } = userInfo();
  const root = join(tmpdir(), `batchctl-${uid < 0 ? username : uid}`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const found = lstatSync(root);
  // To pass through to a name that one knows is allowed where commands have a user of their own.
  const ours = found.isDirectory() && (uid < 0 || (found.uid === uid && (found.mode & 0o066) === 0));
  if (ours) return root;
  throw new BatchctlError('refused', `expected ${root} to be a directory that belongs to ${username} alone`, {
    hint: 'remove it, or set TMPDIR to a directory of your own',
  });
}
