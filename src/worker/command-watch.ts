import { LONGEST_MS } from '../lib/wait.ts';
import type { Command, CommandEnd } from './executor.ts';
import { growthOf } from './growth.ts';
import { ProcessUsage } from './process-usage.ts';
import type { SlotShell } from './slot-shell.ts';
import { StderrLimit } from './stderr-limit.ts';

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
  #usage: ProcessUsage | null = null;
  #growth: number | null = null;
  #grewAt = performance.now();
  #lookedAt = performance.now();

  constructor(command: Command, shell: SlotShell, signal: AbortSignal) {
    this.#command = command;
    this.#shell = shell;
    this.#signal = signal;
    this.#stderr = new StderrLimit(command.stderr, command.stderrLimit);
    this.#timeout = setTimeout(() => this.end('timeout'), Math.min(command.timeoutMs, LONGEST_MS));
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
    this.#kill = setTimeout(() => this.#shell.signal('SIGKILL'), Math.min(this.#command.graceMs, LONGEST_MS));
  }

  /** The maximum interval between checks, in milliseconds. */
  get period(): number {
    return this.#command.stallMs === null ? Number.POSITIVE_INFINITY : this.#command.stallMs / 4;
  }

  /** Called repeatedly while the command runs. */
  look(): void {
    this.#trimStderr();
    if (this.#usage === null && this.#shell.group !== null) this.#usage = new ProcessUsage(this.#shell.group);
    this.#usage?.sample();
    const { stallMs } = this.#command;
    if (stallMs !== null) this.#lookForLife(stallMs);
  }

  /** Stops watching after the command has ended. */
  stop(): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#kill);
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#trimStderr();
  }

  #lookForLife(stallMs: number): void {
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
}
