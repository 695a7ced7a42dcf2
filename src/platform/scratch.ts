import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';
import { namesIn } from '../lib/if-exists.ts';
import { LOG_KEPT_MS, listLeftovers } from '../lib/leftovers.ts';
import { makePrivateDirectory } from '../lib/private-files.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { userName } from '../lib/this-machine.ts';

/**
 * Creates a worker's directory. Its name contains the process id, so that a later worker can remove the directories of
 * dead processes. Logs of dead workers are removed after a week.
 */
export function makeScratch(directory: string, worker: string): string {
  makePrivateDirectory(directory);
  removeLeftovers(directory, Date.now() - LOG_KEPT_MS, false);
  const scratch = join(directory, `${worker}.${process.pid}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/**
 * Removes scratch directories of dead workers, and their logs unchanged since `before` (milliseconds since the epoch).
 * Returns their number and bytes. `dryRun` only counts.
 */
export function removeLeftovers(
  directory: string,
  before: number,
  dryRun: boolean,
): { readonly objects: number; readonly bytes: number } {
  let [objects, bytes] = [0, 0];
  for (const { path } of listLeftovers(directory, before)) {
    objects += 1;
    bytes += bytesIn(path);
    if (!dryRun) removeIfPossible(path);
  }
  return { objects, bytes };
}

/** Files that a command protected against removal stay, and keep no worker from starting. */
function removeIfPossible(path: string): void {
  try {
    removeTree(path);
  } catch (error) {
    if (!hasCode(error, 'EACCES', 'EPERM', 'EBUSY', 'EROFS', 'ENOTEMPTY')) throw error;
  }
}

/** Bytes of a file or directory tree; what was removed meanwhile, can't be read or lies too deep for a path counts as 0. */
function bytesIn(path: string): number {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return 0;
    if (!stats.isDirectory()) return stats.size;
    return namesIn(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM', 'ENAMETOOLONG')) return 0;
    throw error;
  }
}

/**
 * The scratch directory of this user's workers when their store is remote. It is below the system's temporary directory
 * (set TMPDIR to use a larger disk). Throws `refused` if someone else owns the name, as they could read and change the
 * work.
 */
export function temporaryRoot(): string {
  const uid = process.getuid?.();
  const root = join(tmpdir(), `batchctl-${uid ?? userName()}`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const found = lstatSync(root);
  // If commands run as another user, others may pass through to names they know.
  const ours = found.isDirectory() && (uid === undefined || (found.uid === uid && (found.mode & 0o066) === 0));
  if (ours) return root;
  throw new BatchctlError('refused', `expected ${root} to be a directory that belongs to ${userName()} alone`, {
    hint: 'remove it, or set TMPDIR to a directory of your own',
  });
}
