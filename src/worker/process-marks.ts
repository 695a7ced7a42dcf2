import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';

/** Beyond so many candidates, listing all processes is cheaper. */
const MOST_CANDIDATES = 300;

/** The ids of the processes that have `NAME=value` in their environment, this one apart. None where there is no /proc. */
export function markedProcesses(marker: string): readonly number[] {
  return allProcesses().filter((pid) => pid !== process.pid && hasMark(pid, marker));
}

/** Whether a process runs that has `NAME=value` in its environment. False for a zombie, and for another user's. */
export function hasMark(pid: number, marker: string): boolean {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${marker}\0`);
  } catch {
    return false;
  }
}

function allProcesses(): readonly number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isSafeInteger(pid) && pid > 1);
  } catch {
    return [];
  }
}

/**
 * Tells which processes began lately: Linux hands out ids in order, and /proc/loadavg ends with the newest.
 * So to look for what a short command left costs a few system calls, not a look at every process.
 */
export class PidClock {
  readonly #fd: number | null;
  readonly #buffer = Buffer.alloc(64);

  constructor() {
    this.#fd = openLoad();
  }

  /** The id handed out last; null where that isn't known. */
  now(): number | null {
    if (this.#fd === null) return null;
    const length = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, 0);
    const text = this.#buffer.toString('latin1', 0, length);
    return Number(text.slice(text.lastIndexOf(' ') + 1)) || null;
  }

  /** The marked processes that began after `from` was answered by `now`. */
  markedSince(from: number | null, marker: string): readonly number[] {
    const last = this.now();
    if (from === null || last === null) return [];
    // The ids began again at the bottom, or there were many.
    if (last < from || last - from > MOST_CANDIDATES) return markedProcesses(marker);
    const marked: number[] = [];
    for (let pid = from + 1; pid <= last; pid += 1) {
      if (exists(pid) && hasMark(pid, marker)) marked.push(pid);
    }
    return marked;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }
}

function exists(pid: number): boolean {
  // Most ids of the window are gone again; an exception for each would cost more than this.
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false }) !== undefined;
}

function openLoad(): number | null {
  try {
    return openSync('/proc/loadavg', 'r');
  } catch {
    return null;
  }
}
