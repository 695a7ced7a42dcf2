import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import type { Environment } from '../../lib/environment.ts';
import { makePrivateDatabase, openPrivateLog } from '../../lib/private-files.ts';
import { isSqliteBusy, openSqlite } from '../../lib/sqlite.ts';
import { wait } from '../../lib/wait.ts';
import { translateSqlite } from './sqlite-open.ts';

interface EnsureSupervisorOptions {
  readonly root: string;
  readonly group: string;
  /** The arguments of `node`: the program and the options that make it this group's supervisor. */
  readonly argv: readonly string[];
  readonly cwd?: string;
  readonly env?: Environment;
  /** How long it may take to come up, milliseconds; 10,000 by default. */
  readonly timeoutMs?: number;
}

/** The log of a group's detached supervisor, below the root. */
export function supervisorLog(root: string, group: string): string {
  return join(root, 'run', `${group}.log`);
}

/**
 * Starts a supervisor of the group that outlives this process, unless one is alive; returns whether it did. Call it
 * after writing the wanted size. Throws `unavailable` when the new supervisor doesn't come up.
 */
export async function ensureSupervisor(options: EnsureSupervisorOptions): Promise<boolean> {
  const { root, group, timeoutMs = 10_000 } = options;
  if (isSupervised(root, group)) return false;
  const log = supervisorLog(root, group);
  const start = performance.now();
  const fate = launch(options, log);
  while (performance.now() - start < timeoutMs) {
    // A supervisor that exits with 0 found nothing to do, or another one was first.
    if (fate.ended === 0 || isSupervised(root, group)) return true;
    if (fate.ended !== null) break;
    await wait(15 + Math.random() * 10);
  }
  throw new BatchctlError(
    'unavailable',
    `the supervisor of group ${group} did not start (${fate.ended ?? 'no sign of life'})`,
    { hint: `see ${log}` },
  );
}

function launch(options: EnsureSupervisorOptions, log: string): { ended: number | string | null } {
  const output = openPrivateLog(log);
  try {
    const child = spawn(process.execPath, [...options.argv], {
      cwd: options.cwd,
      env: { ...(options.env ?? process.env) },
      stdio: ['ignore', output, output],
      detached: true,
    });
    child.unref();
    const fate: { ended: number | string | null } = { ended: null };
    child.once('exit', (code, signal) => {
      fate.ended = code ?? signal;
    });
    child.once('error', (error) => {
      fate.ended = error.message;
    });
    return fate;
  } finally {
    closeSync(output);
  }
}

/** A lock that its process holds until it releases it or dies. The kernel keeps it, so none is left behind. */
export interface GroupLock {
  release(): void;
}

/** A process that only checks the lock holds it for an instant, so taking it is retried for this long, milliseconds. */
const LOCK_WAIT_MS = 1_000;

/** Takes the lock of the only supervisor of a group on this machine; null when another process has it. */
export async function lockGroup(root: string, group: string, signal?: AbortSignal): Promise<GroupLock | null> {
  const start = performance.now();
  for (;;) {
    const lock = tryLock(root, group);
    if (lock !== null || signal?.aborted || performance.now() - start >= LOCK_WAIT_MS) return lock;
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
    makePrivateDatabase(file);
    const db = openSqlite(file, { busyMs: 0 });
    try {
      // Nothing is ever written: the open transaction is the lock.
      db.exec('BEGIN EXCLUSIVE');
      return { release: () => db.close() };
    } catch (error) {
      db.close();
      if (isSqliteBusy(error)) return null;
      throw error;
    }
  } catch (error) {
    throw translateSqlite(error, file);
  }
}
