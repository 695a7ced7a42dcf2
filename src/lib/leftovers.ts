import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';
import { namesIn } from './if-exists.ts';

/** How long the log of a dead worker is kept for investigation, milliseconds. */
export const LOG_KEPT_MS = 7 * 24 * 3_600_000;

export interface Leftover {
  readonly what: 'scratch' | 'log';
  readonly path: string;
}

/**
 * Lists what dead processes left in a directory of workers: their scratch (`WORKER.PID`) and, if they were not written
 * to since `before` (milliseconds since the epoch), their logs: `run-PID.log` of a `run`, and `logs/WORKER.log` of a
 * supervisor's worker, which is alive while its scratch names a live process.
 */
export function listLeftovers(directory: string, before: number): readonly Leftover[] {
  const left: Leftover[] = [];
  const alive = new Set<string>();
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    const [, worker = '', pid] = /^(.+)\.(\d+)$/.exec(name) ?? [];
    const run = /^run-(\d+)\.log$/.exec(name)?.[1];
    if (pid !== undefined && isAlive(Number(pid))) alive.add(worker);
    else if (pid !== undefined) left.push({ what: 'scratch', path });
    else if (run !== undefined && !isAlive(Number(run)) && isOld(path, before)) left.push({ what: 'log', path });
  }
  for (const name of namesIn(join(directory, 'logs'))) {
    const path = join(directory, 'logs', name);
    const worker = /^(.+)\.log$/.exec(name)?.[1];
    if (worker !== undefined && !alive.has(worker) && isOld(path, before)) left.push({ what: 'log', path });
  }
  return left;
}

function isOld(path: string, before: number): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.mtimeMs < before;
}

/** Whether a process with the id exists on this machine, even another user's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, 'ESRCH');
  }
}
