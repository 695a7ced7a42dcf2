import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';

/** Beyond so many candidates, listing all processes is cheaper. */
const MOST_CANDIDATES = 300;
/** Ids remembered of processes. */
const MOST_KNOWN = 10_000;

/** How a command's processes are recognised. */
export interface ProcessMark {
  /** `NAME=value` in their environment, which they may have cleared. */
  readonly variable: string;
  /** A user group of their own, which they can't leave; null if they have none. */
  readonly group: number | null;
}

/** Ids of the processes with the mark, except this one. Empty without /proc. */
export function markedProcesses(mark: ProcessMark): readonly number[] {
  return allProcesses().filter((pid) => pid !== process.pid && hasMark(pid, mark));
}

/** Whether a process with the mark is running. False for a zombie, and, without a group, for another user's. */
export function hasMark(pid: number, { variable, group }: ProcessMark): boolean {
  return (group !== null && groupOf(pid) === group) || environmentOf(pid).includes(`\0${variable}\0`);
}

/** A process's real user group; null if it is gone, or a zombie. The process can't hide it. */
function groupOf(pid: number): number | null {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return null;
  }
  const group = /^State:\s+[ZX]/m.test(status) ? undefined : /^Gid:\s+(\d+)/m.exec(status)?.[1];
  return group === undefined ? null : Number(group);
}

/** A process's variables, with a NUL before and after each; empty if it is gone or another user's. */
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
 * Finds processes started lately: Linux assigns ids in order, and /proc/loadavg ends with the newest. So finding what a
 * short command left costs a few system calls, not a scan of every process.
 */
export class PidClock {
  readonly #fd: number | null;
  readonly #buffer = Buffer.alloc(64);
  /** Processes seen with the variable, and its value: mostly those of other commands. */
  readonly #known = new Map<number, string>();
  #last = 0;

  constructor() {
    this.#fd = openLoad();
  }

  /** The last assigned id; null if unknown. */
  now(): number | null {
    if (this.#fd === null) return null;
    const length = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, 0);
    const text = this.#buffer.toString('latin1', 0, length);
    return Number(text.slice(text.lastIndexOf(' ') + 1)) || null;
  }

  /** The marked processes started after `from` was returned by `now`. */
  markedSince(from: number | null, mark: ProcessMark): readonly number[] {
    const last = this.now();
    if (from === null || last === null) return [];
    // An id belongs to another process only after the ids wrapped around.
    if (last < this.#last || this.#known.size > MOST_KNOWN) this.#known.clear();
    this.#last = last;
    // The ids wrapped around, or there were many.
    if (last < from || last - from > MOST_CANDIDATES) return markedProcesses(mark);
    const marked: number[] = [];
    for (let pid = from + 1; pid <= last; pid += 1) {
      if (!exists(pid)) continue;
      if (mark.group !== null ? hasMark(pid, mark) : this.#variableOf(pid, mark.variable) === mark.variable)
        marked.push(pid);
    }
    return marked;
  }

  /** A process's `NAME=value` for the name of `variable`; cached, as reading an environment takes a while. */
  #variableOf(pid: number, variable: string): string | null {
    const known = this.#known.get(pid);
    if (known !== undefined) return known;
    const environment = environmentOf(pid);
    const at = environment.indexOf(`\0${variable.slice(0, variable.indexOf('=') + 1)}`);
    if (at < 0) return null;
    const found = environment.slice(at + 1, environment.indexOf('\0', at + 1));
    this.#known.set(pid, found);
    return found;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }
}

function exists(pid: number): boolean {
  // Most ids of the window are gone; an exception for each would cost more than this.
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false }) !== undefined;
}

function openLoad(): number | null {
  try {
    return openSync('/proc/loadavg', 'r');
  } catch {
    return null;
  }
}
