import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_TIMER_MS } from '../lib/wait.ts';
import type { Command, CommandEnd } from './executor.ts';
import type { SlotShell } from './slot-shell.ts';
import { StderrLimit } from './stderr.ts';
import { readProc } from './strays.ts';

/** Why a command was ended before its own end. */
export type EndedBy = Extract<CommandEnd['how'], 'timeout' | 'stall' | 'aborted'>;

/** Watches one running command: its time, activity, stderr and resource usage. */
export class CommandWatch {
  readonly #command: Command;
  readonly #shell: SlotShell;
  readonly #signal: AbortSignal;
  readonly #stderr: StderrLimit;
  readonly #timeout: NodeJS.Timeout;
  readonly #onAbort = () => this.end('aborted');
  #kill: NodeJS.Timeout | undefined;
  #endedBy: EndedBy | null = null;
  #stopped = false;
  #usage: ProcessUsage | null = null;
  #growth: number | null = null;
  #grewAt = performance.now();
  #lookedAt = performance.now();

  constructor(command: Command, shell: SlotShell, signal: AbortSignal) {
    this.#command = command;
    this.#shell = shell;
    this.#signal = signal;
    this.#stderr = new StderrLimit(command.stderr, command.stderrLimit);
    this.#timeout = setTimeout(() => this.end('timeout'), Math.min(command.timeoutMs, MAX_TIMER_MS));
    signal.addEventListener('abort', this.#onAbort);
  }

  get endedBy(): EndedBy | null {
    return this.#endedBy;
  }

  get usage(): ProcessUsage | null {
    return this.#usage;
  }

  /** Sends SIGTERM to the command's group, and SIGKILL after its grace period. The first reason is kept. */
  end(reason: EndedBy): void {
    if (this.#endedBy !== null) return;
    this.#endedBy = reason;
    this.#shell.signal('SIGTERM');
    this.#kill = setTimeout(() => this.#shell.signal('SIGKILL'), Math.min(this.#command.graceMs, MAX_TIMER_MS));
  }

  /** The maximum interval between checks, in milliseconds. */
  get maxCheckMs(): number {
    return this.#command.stallMs === null ? Number.POSITIVE_INFINITY : this.#command.stallMs / 4;
  }

  /** Called repeatedly while the command runs. */
  check(): void {
    this.#trimStderr();
    if (this.#usage === null && this.#shell.group !== null) this.#usage = new ProcessUsage(this.#shell.group);
    this.#usage?.sample();
    const { stallMs } = this.#command;
    if (stallMs !== null) this.#checkStall(stallMs);
  }

  /** Stops watching after the command has ended. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timeout);
    clearTimeout(this.#kill);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #checkStall(stallMs: number): void {
    const now = performance.now();
    // A pause of this process (a suspended machine, a busy loop) says nothing about the command.
    if (now - this.#lookedAt > stallMs) this.#grewAt = now;
    this.#lookedAt = now;
    const growth = growthOf([this.#command.stdout, this.#command.stderr, ...this.#command.outputs]);
    if (growth !== this.#growth) {
      this.#growth = growth;
      this.#grewAt = now;
    } else if (now - this.#grewAt >= stallMs) {
      this.end('stall');
    }
  }

  #trimStderr(): void {
    try {
      this.#stderr.check();
    } catch {
      // A full disk, or a missing file: the log is less important than the task.
    }
  }

  /** After the command: shortens stderr if it is too long. Resolves with its size in bytes; null if that is unknown. */
  async endStderr(): Promise<number | null> {
    try {
      return await this.#stderr.end();
    } catch {
      return null;
    }
  }
}

/** For a directory with more entries, only this many are checked. */
const MOST_ENTRIES = 10_000;

/**
 * A number that changes whenever a byte is written to one of the files or directory trees: the sum of sizes and change
 * times. Missing files count as zero.
 */
function growthOf(paths: readonly string[]): number {
  let sum = 0;
  let left = MOST_ENTRIES;
  const waiting = [...paths];
  for (let path = waiting.pop(); path !== undefined && left > 0; path = waiting.pop()) {
    left -= 1;
    try {
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      sum += stat.size + stat.mtimeMs;
      if (stat.isDirectory()) for (const name of readdirSync(path)) waiting.push(join(path, name));
    } catch {
      // Removed meanwhile, or unreadable: no activity.
    }
  }
  return sum;
}

/** Clock ticks a second in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const MOST_PROCESSES = 64;

/**
 * Resource usage of a command, sampled from /proc while it runs, so that a short command costs nothing. Null without
 * /proc or a sample: unknown is never 0.
 */
class ProcessUsage {
  readonly #shell: number;
  #ticksBefore: number | null = null;
  #peak = 0;

  /** Sets the id of the shell that is the command's parent. */
  constructor(shell: number) {
    this.#shell = shell;
    this.#ticksBefore = childTicks(shell);
  }

  /** Samples the memory of the command and its descendants: the maximum of their sum, or of a single one. */
  sample(): void {
    let resident = 0;
    const waiting = childrenOf(this.#shell);
    for (let looked = 0, pid = waiting.pop(); pid !== undefined && looked < MOST_PROCESSES; pid = waiting.pop()) {
      looked += 1;
      const status = readProc(`/proc/${pid}/status`);
      resident += bytesOf(status, 'VmRSS');
      this.#peak = Math.max(this.#peak, bytesOf(status, 'VmHWM'));
      waiting.push(...childrenOf(pid));
    }
    this.#peak = Math.max(this.#peak, resident);
  }

  /** After the shell has waited for the command: its CPU seconds, with those of children it waited for. */
  cpuSeconds(): number | null {
    const after = childTicks(this.#shell);
    return this.#ticksBefore === null || after === null ? null : (after - this.#ticksBefore) / TICKS_PER_SECOND;
  }

  peakMemory(): number | null {
    return this.#peak === 0 ? null : this.#peak;
  }
}

/** User and system ticks of the children that a process has waited for (proc(5): cutime, cstime). */
function childTicks(pid: number): number | null {
  const stat = readProc(`/proc/${pid}/stat`);
  // The name may contain anything, so count fields after its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[13]) + Number(fields[14]);
  return Number.isNaN(ticks) ? null : ticks;
}

function childrenOf(pid: number): number[] {
  const list = readProc(`/proc/${pid}/task/${pid}/children`).trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

function bytesOf(status: string, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return kilobytes === undefined ? 0 : Number(kilobytes) * 1024;
}
