import { statfsSync } from 'node:fs';

/** Less free space than this counts as none, bytes: a block or two may be free when a write fails. */
const FULL_BELOW = 2 ** 20;

/** Whether the file system of a directory is full for this process. */
export function diskIsFull(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < FULL_BELOW;
}
