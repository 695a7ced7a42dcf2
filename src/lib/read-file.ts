import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

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

/** The last bytes of a text file: at most `length`. */
export function readEnd(path: string, length: number): string {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const end = Buffer.alloc(Math.min(size, length));
    return end.toString('utf8', 0, readFully(fd, end, size - end.length));
  } finally {
    closeSync(fd);
  }
}
