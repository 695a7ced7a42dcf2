import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { DiskSpace } from '../../ports/insight.ts';
import { translating } from './fs-errors.ts';

/** The file system of the root, and that of temporary files where it is another one. */
export function diskSpaces(root: string): readonly DiskSpace[] {
  const ours = spaceOf('the store and the scratch directories of workers', root);
  const temporary = spaceOf('temporary files of commands', tmpdir());
  return isSame(ours, temporary) ? [ours] : [ours, temporary];
}

/** Free space as a user without privileges has it. Throws `unavailable` for a directory that can't be looked at. */
function spaceOf(what: string, path: string): DiskSpace {
  const { bavail, blocks, bsize, ffree, files } = translating(`look at ${path}`, () => statfsSync(path));
  // btrfs and others make files as they are needed, and count none.
  return { what, path, free: bavail * bsize, total: blocks * bsize, freeFiles: files === 0 ? null : ffree };
}

/** The same figures at the same moment: the same file system, as far as it matters. */
function isSame(a: DiskSpace, b: DiskSpace): boolean {
  return a.total === b.total && a.free === b.free;
}
