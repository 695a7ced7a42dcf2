import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { LOG_KEPT_MS, leftBehind } from '../lib/left-behind.ts';
import { makePrivateDirectory } from '../lib/private-files.ts';

/**
 * A worker's directory contains its process id, so that a later worker can remove those of dead processes; logs of dead
 * workers are removed after a week.
 */
export function makeScratch(directory: string, worker: string): string {
  makePrivateDirectory(directory);
  removeLeftBehind(directory, Date.now() - LOG_KEPT_MS, false);
  const scratch = join(directory, `${worker}.${process.pid}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/**
 * Removes scratch directories of dead workers, and their logs unchanged since `before` (milliseconds since the epoch).
 * Returns their number and bytes. `dryRun` only counts.
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

/** Bytes of a file or directory tree; files removed meanwhile count as 0. */
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
 * The scratch directory of this user's workers when their store is remote: below the system's temporary directory
 * (TMPDIR can move it to a larger disk). Throws `refused` if someone else owns that name, as they could read and change
 * the work.
 */
export function temporaryRoot(): string {
  const { uid, username } = userInfo();
  const root = join(tmpdir(), `batchctl-${uid < 0 ? username : uid}`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const found = lstatSync(root);
  // Others may pass through to known names if commands run as another user.
  const ours = found.isDirectory() && (uid < 0 || (found.uid === uid && (found.mode & 0o066) === 0));
  if (ours) return root;
  throw new BatchctlError('refused', `expected ${root} to be a directory that belongs to ${username} alone`, {
    hint: 'remove it, or set TMPDIR to a directory of your own',
  });
}
