import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { SlotShell } from './slot-shell.ts';

/** Children that end right after their parent, as in a pipeline, are not strays. */
const COURTESY_MS = 20;
/** Time from SIGTERM to SIGKILL for processes that a command left. */
const TERM_MS = 1_000;
/** A process that the kernel can't end (a dead disk) is left alone. */
const KILL_MS = 10_000;
const POLL_MS = 5;
/** Runtimes that close inherited descriptors, including the FIFO, take longer than this to start. */
const SHORT_SECONDS = 0.005;

interface EndedCommand {
  readonly mark: ProcessMark;
  readonly shell: SlotShell;
  readonly fifo: StrayFifo;
  readonly pids: PidClock;
  /** The result of `pids` when the command started. */
  readonly firstPid: number | null;
  readonly seconds: number;
}

/**
 * Ends the processes that a command left behind, and returns how many there were (at least; 1 if they can't be
 * counted). Afterwards no process writes to the command's files. A child is found by the FIFO that it holds or by the
 * attempt's id in its environment. One that dropped both and left the process group is missed, unless the slot has a
 * user group of its own. Without /proc only the process group is ended.
 */
export async function endStrays(command: EndedCommand): Promise<number> {
  const { fifo, shell, pids, firstPid, mark } = command;
  const held = fifo.isHeld();
  if (!held && mark.group === null && command.seconds < SHORT_SECONDS) return 0;
  const found = new Set(held ? [] : pids.markedSince(firstPid, mark));
  if (!held && found.size === 0) return 0;
  // With a user group of its own, processes that it starts in the meantime, or that hold nothing, can't escape either.
  const alive = () =>
    mark.group === null ? [...found].some((pid) => hasMark(pid, mark)) : pids.markedSince(firstPid, mark).length > 0;
  const left = () => fifo.isHeld() || alive();
  if (await waitUntilGone(left, COURTESY_MS)) return 0;
  shell.signal('SIGTERM');
  found.clear();
  signalMarked(mark, 'SIGTERM', found);
  if (!(await waitUntilGone(left, TERM_MS))) {
    await shell.kill();
    const deadline = performance.now() + KILL_MS;
    do signalMarked(mark, 'SIGKILL', found);
    while (!(await waitUntilGone(left, COURTESY_MS)) && performance.now() < deadline);
  }
  return Math.max(1, found.size);
}

async function waitUntilGone(left: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (left()) {
    if (performance.now() >= deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

function signalMarked(mark: ProcessMark, signal: 'SIGTERM' | 'SIGKILL', found: Set<number>): void {
  for (const pid of markedProcesses(mark)) {
    // Checked again just before, so that the id can hardly belong to another process.
    if (pid <= 1 || !hasMark(pid, mark)) continue;
    found.add(pid);
    try {
      process.kill(pid, signal);
    } catch {
      // it ended in between
    }
  }
}

/** A holder that writes without pause still counts as one. */
const MOST_READS = 16;

/**
 * A FIFO whose reading end this process holds, and whose writing ends a command and all its children hold. When nothing
 * holds a writing end, nothing can write to the command's files. Checking costs one system call.
 */
export class StrayFifo {
  /** How others open it: by this process's descriptor if they may, as a command can replace what is at its path. */
  readonly path: string;
  readonly #created: string;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(4096);

  /** Creates a FIFO at each path, replacing existing files. Blocks for the single process that this takes. */
  static create(paths: readonly string[]): readonly StrayFifo[] {
    for (const path of paths) removeTree(path);
    execFileSync('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } });
    return paths.map((path) => new StrayFifo(path));
  }

  private constructor(path: string) {
    this.#created = path;
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.path = othersMayOpenDescriptors() ? `/proc/${process.pid}/fd/${this.#fd}` : path;
  }

  /** True while anyone holds a writing end. */
  isHeld(): boolean {
    try {
      for (let reads = 0; reads < MOST_READS; reads += 1) {
        if (readSync(this.#fd, this.#buffer, 0, this.#buffer.length, null) === 0) return false;
      }
      return true;
    } catch (error) {
      if (hasCode(error, 'EAGAIN')) return true;
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.#created, { force: true });
  }
}

/** Whether this user's processes may use /proc/PID/fd of this one: it is root's if it can't be dumped (proc(5)). */
function othersMayOpenDescriptors(): boolean {
  return statSync('/proc/self/fd', { throwIfNoEntry: false })?.uid === process.getuid?.();
}

/** With more candidates than this, listing all processes is cheaper. */
const MOST_CANDIDATES = 300;
/** Maximum number of remembered process ids. */
const MOST_KNOWN = 10_000;

interface ProcessMark {
  /** `NAME=value` in their environment, which they may have cleared. */
  readonly variable: string;
  /** A user group of their own, which they can't leave; null if they have none. */
  readonly group: number | null;
}

/** Ids of the processes with the mark, except this one. Empty without /proc. */
function markedProcesses(mark: ProcessMark): readonly number[] {
  return allProcesses().filter((pid) => pid !== process.pid && hasMark(pid, mark));
}

/** Whether a process with the mark is running. False for a zombie, and, without a group, for another user's. */
function hasMark(pid: number, { variable, group }: ProcessMark): boolean {
  return (group !== null && groupOf(pid) === group) || readEnvironment(pid).includes(`\0${variable}\0`);
}

/** A process's real user group; null if it is gone, or a zombie. The process can't hide it. */
function groupOf(pid: number): number | null {
  const status = readProc(`/proc/${pid}/status`);
  const group = /^State:\s+[ZX]/m.test(status) ? undefined : /^Gid:\s+(\d+)/m.exec(status)?.[1];
  return group === undefined ? null : Number(group);
}

/** A process's variables, with a NUL before and after each; none if it is gone or another user's. */
const readEnvironment = (pid: number): string => `\0${readProc(`/proc/${pid}/environ`)}`;

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
 * Finds recently started processes: Linux assigns ids in order, and /proc/loadavg ends with the newest. So finding what
 * a short command left costs a few system calls, not a scan of every process.
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
    const environment = readEnvironment(pid);
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

/** A file of /proc; empty if its process is gone or another user's, and on systems without /proc. */
export function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
