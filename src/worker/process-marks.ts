import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';

/** Beyond so many candidates, listing all processes is cheaper. */
const MOST_CANDIDATES = 300;
/** Ids remembered of other commands' processes. */
const MOST_OTHERS = 10_000;

/** The ids of the processes that have `NAME=value` in their environment, this one apart. None where there is no /proc. */
export function markedProcesses(marker: string): readonly number[] {
  return allProcesses().filter((pid) => pid !== process.pid && hasMark(pid, marker));
}

/** Whether a process runs that has `NAME=value` in its environment. False for a zombie, and for another user's. */
export function hasMark(pid: number, marker: string): boolean {
  return environmentOf(pid).includes(`\0${marker}\0`);
}

/** A process's variables, a NUL before and after each; nothing for one that is gone or another user's. */
function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`;
  } catch {
    return '';
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
  /** Processes that were seen with the same variable and another value: what runs beside this command, most of all. */
  readonly #others = new Set<number>();
  #last = 0;

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
    // An id names another process only once the ids began again at the bottom.
    if (last < this.#last || this.#others.size > MOST_OTHERS) this.#others.clear();
    this.#last = last;
    // The ids began again at the bottom, or there were many.
    if (last < from || last - from > MOST_CANDIDATES) return markedProcesses(marker);
    const name = marker.slice(0, marker.indexOf('=') + 1);
    const marked: number[] = [];
    for (let pid = from + 1; pid <= last; pid += 1) {
      if (this.#others.has(pid) || !exists(pid)) continue;
      const environment = environmentOf(pid);
      if (environment.includes(`\0${marker}\0`)) marked.push(pid);
      else if (environment.includes(`\0${name}`)) this.#others.add(pid);
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
