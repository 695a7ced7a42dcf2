import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { BatchctlError, hasCode } from '../errors.ts';

/** A worker's directory names its process, so that a later one can remove those whose process is gone. */
export function makeScratch(directory: string, worker: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(directory)) {
    const pid = Number(/\.(\d+)$/.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const scratch = join(directory, `${worker}.${process.pid}`);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  return scratch;
}

/**
 * Where workers of this user work when their store is elsewhere: below the system's temporary directory (TMPDIR moves it
 * to a larger disk). Throws `refused` where somebody else has made that name theirs: they could read and change what is
 * worked on.
 */
export function temporaryRoot(): string {
  const { uid, username } = userInfo();
  const root = join(tmpdir(), `batchctl-${uid < 0 ? username : uid}`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const found = lstatSync(root);
  // To pass through to a name that one knows is allowed where commands have a user of their own.
  const ours = found.isDirectory() && (uid < 0 || (found.uid === uid && (found.mode & 0o066) === 0));
  if (ours) return root;
  throw new BatchctlError('refused', `expected ${root} to be a directory of ${username}'s alone, found another`, {
    hint: 'remove it, or set TMPDIR to a directory of your own',
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}
