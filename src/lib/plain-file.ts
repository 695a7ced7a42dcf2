import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from 'node:fs';
import { hasCode } from '../errors.ts';
import { readRange } from './read-file.ts';

/**
 * Opens a file that another process made, for reading unless `flags` say otherwise: never follows a link, and never
 * waits for the writer of a FIFO. Null if it isn't a regular file. The caller closes it. Throws if nothing is there.
 */
export function openPlainFile(path: string, flags: number = constants.O_RDONLY): { fd: number; stats: Stats } | null {
  let fd: number;
  try {
    fd = openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // A link; a socket, or a FIFO without a reader; a device without a driver; a directory.
    if (hasCode(error, 'ELOOP', 'ENXIO', 'ENODEV', 'EISDIR')) return null;
    throw error;
  }
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, stats };
  closeSync(fd);
  return null;
}

/** The last `length` bytes of a plain file, or all if it has fewer, and its size; no bytes if there is none. */
export function readPlainEnd(path: string, length: number): { readonly size: number; readonly bytes: Buffer } {
  const none = { size: 0, bytes: Buffer.alloc(0) };
  const size = plainSize(path);
  if (size === null || size === 0) return none;
  const file = openPlainFile(path);
  if (file === null) return none;
  try {
    const at = Math.max(0, file.stats.size - length);
    return {
      size: file.stats.size,
      bytes: readRange(file.fd, { offset: at, length: Math.min(file.stats.size, length) }),
    };
  } finally {
    closeSync(file.fd);
  }
}

/** The size of a plain file; null if there is none, or something else has its name. */
export function plainSize(path: string): number | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true ? stats.size : null;
}

/** The kind of an entry, in words. */
export function kindOfFile(
  stats: Pick<Stats, 'isDirectory' | 'isFIFO' | 'isFile' | 'isSocket' | 'isSymbolicLink'>,
): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  return stats.isFile() ? 'a regular file' : 'a device';
}
