import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import { hasCode } from '../../errors.ts';

/** How often a new directory may vanish again because a delete removes empty ones. */
const TRIES = 100;

export interface PublishOptions {
  readonly ifAbsent: boolean;
  /** Whether file and directory are also on the disk when it returns. */
  readonly sync: boolean;
}

/**
 * Gives the complete file `temporary` its final name: by one link that fails if the name exists (`ifAbsent`), or by one
 * rename that replaces. If killed at any point, the name holds the old object, the new one or none; never half of one.
 * The temporary name is gone afterwards, unless the result is `exists`.
 */
export function publishFile(temporary: string, final: string, options: PublishOptions): 'created' | 'exists' {
  if (options.sync) syncPath(temporary);
  const outcome = linkOrRename(temporary, final, options);
  // Also if it exists: its writer may not have synced it yet, and the caller will rely on it.
  if (options.sync) syncPath(dirname(final));
  if (options.ifAbsent && outcome === 'created') removeFile(temporary);
  return outcome;
}

function linkOrRename(temporary: string, final: string, options: PublishOptions): 'created' | 'exists' {
  for (let tries = 1; ; tries += 1) {
    try {
      if (options.ifAbsent) linkSync(temporary, final);
      else renameSync(temporary, final);
      return 'created';
    } catch (error) {
      if (options.ifAbsent && hasCode(error, 'EEXIST')) return 'exists';
      if (!hasCode(error, 'ENOENT') || tries === TRIES) throw error;
      makeDirectory(dirname(final), options.sync);
    }
  }
}

/** Makes a directory and those above it, each on the disk if `sync`. */
export function makeDirectory(path: string, sync: boolean): void {
  let first: string | undefined;
  try {
    first = mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    // One of them was removed in the meantime because it was empty: the caller's next try creates it again.
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  if (!sync || first === undefined) return;
  let parent = dirname(first);
  syncPath(parent);
  for (const name of relative(parent, path).split(sep).slice(0, -1)) {
    parent += sep + name;
    syncPath(parent);
  }
}

/** Removes a file that may already be gone. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Writes all of `bytes`. On a nearly full disk a write may be partial, and only the next one fails. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done);
}

function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
