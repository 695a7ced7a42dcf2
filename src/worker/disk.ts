import { statfsSync } from 'node:fs';

/** Less free space than this counts as none, bytes: a block or two may be left when a write is refused. */
const FULL_BELOW = 2 ** 20;

/** Whether the file system of a directory is full, as far as this process may write. */
export function diskIsFull(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize < FULL_BELOW;
}
