import { readFileSync } from 'node:fs';

/** A file of /proc; empty if its process is gone or another user's, and on systems without /proc. */
export function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
