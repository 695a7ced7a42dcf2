import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Fills `into` from `position`, or from where the last read ended (null). Returns how many bytes there were. */
export function readFully(fd: number, into: Uint8Array, position: number | null): number {
  let done = 0;
  while (done < into.length) {
    const got = readSync(fd, into, done, into.length - done, position === null ? null : position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** A short range of an open file, read at once, and cut at the file's end. */
export function readRange(
  fd: number,
  { offset, length }: { readonly offset: number; readonly length: number },
): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, readFully(fd, bytes, offset));
}

/** The last `length` bytes of a file, or all if it has fewer, and its size; no bytes if it doesn't exist. */
export function readFileEnd(path: string, length: number): { readonly size: number; readonly bytes: Buffer } {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return { size, bytes: Buffer.alloc(0) };
  const fd = openSync(path, 'r');
  try {
    return { size, bytes: readRange(fd, { offset: Math.max(0, size - length), length: Math.min(size, length) }) };
  } finally {
    closeSync(fd);
  }
}
