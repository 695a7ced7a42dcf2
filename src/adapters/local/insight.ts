import { existsSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readFileEnd } from '../../lib/read-file.ts';
import type { DiskSpace, SupervisorFacts } from '../../model/machine-facts.ts';
import { isSupervised, supervisorLog } from './ensure-supervisor.ts';
import { withFsErrors } from './fs-errors.ts';

/** The root's file system, and that of temporary files if it is another one. */
export function diskSpaces(root: string): readonly DiskSpace[] {
  const ours = spaceOf('the store and the scratch directories of workers', root);
  const temporary = spaceOf('temporary files of commands', tmpdir());
  return isSame(ours, temporary) ? [ours] : [ours, temporary];
}

/** Free space for a user without privileges. Throws `unavailable` for a directory that can't be read. */
function spaceOf(what: string, path: string): DiskSpace {
  const { bavail, blocks, bsize, ffree, files } = withFsErrors(`read ${path}`, () => statfsSync(nearestExisting(path)));
  // btrfs and others create inodes as needed, and report none.
  return { what, path, free: bavail * bsize, total: blocks * bsize, freeFiles: files === 0 ? null : ffree };
}

/** The path, or the nearest directory above it that exists and that this user can see. */
export function nearestExisting(path: string): string {
  try {
    statSync(path);
    return path;
  } catch {
    return nearestExisting(dirname(path));
  }
}

/** The same figures at the same moment mean the same file system, as far as it matters. */
function isSame(a: DiskSpace, b: DiskSpace): boolean {
  return a.total === b.total && a.free === b.free;
}

const LINES = 5;
const TAIL_BYTES = 8 * 1024;

/** Whether the group's supervisor is alive, and the end of its log. Writes nothing if there never was one. */
export function supervisorFacts(root: string, group: string): SupervisorFacts {
  const log = supervisorLog(root, group);
  const alive = existsSync(join(root, 'run', `${group}.lock.db`)) && isSupervised(root, group);
  if (!existsSync(log)) return { alive, log: null, said: [] };
  return { alive, log, said: withFsErrors(`read ${log}`, () => lastLines(log)) };
}

function lastLines(file: string): readonly string[] {
  return String(readFileEnd(file, TAIL_BYTES).bytes).split('\n').filter(Boolean).slice(-LINES);
}
