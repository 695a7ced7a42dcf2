import { join } from 'node:path';
import Database from 'better-sqlite3';
import { makePrivate } from '../../lib/private-files.ts';
import { wait } from '../../lib/wait.ts';
import { isBusy, translateSqlite } from './sqlite-errors.ts';

/** A lock that its process holds until it lets go or dies: the kernel's, so that nothing stale is left behind. */
export interface GroupLock {
  release(): void;
}

/** Who only looks whether the lock is held holds it for an instant: a taker tries again for so long, milliseconds. */
const TAKE_MS = 1_000;

/** Takes the lock of the one supervisor of a group on this machine; null when another process has it. */
export async function lockGroup(root: string, group: string, signal?: AbortSignal): Promise<GroupLock | null> {
  const start = performance.now();
  for (;;) {
    const lock = tryLock(root, group);
    if (lock !== null || signal?.aborted || performance.now() - start >= TAKE_MS) return lock;
    await wait(10 + Math.random() * 20, signal);
  }
}

/** Whether a supervisor of the group is alive now. Throws `unavailable` when the lock's file can't be opened. */
export function isSupervised(root: string, group: string): boolean {
  const lock = tryLock(root, group);
  lock?.release();
  return lock === null;
}

function tryLock(root: string, group: string): GroupLock | null {
  const file = join(root, 'run', `${group}.lock.db`);
  try {
    makePrivate(file);
    const db = new Database(file, { timeout: 0 });
    try {
      // Nothing is ever written: the open transaction is the lock.
      db.exec('BEGIN EXCLUSIVE');
      return { release: () => db.close() };
    } catch (error) {
      db.close();
      if (isBusy(error)) return null;
      throw error;
    }
  } catch (error) {
    throw translateSqlite(error, file);
  }
}
