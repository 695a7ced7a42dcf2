import type { SlotOwner } from './command-user.ts';

/** Runs commands for the worker's slots: one per slot at a time, none outliving this process (law 5). */
export interface Executor {
  /**
   * Runs a command in a slot and returns how it ended; never rejects because of the command. When the signal aborts,
   * its process group gets SIGTERM, and SIGKILL after `graceMs`.
   */
  run(slot: number, command: Command, signal: AbortSignal): Promise<CommandEnd>;

  /** The owner of processes in a slot, if commands run as another user; otherwise absent or null. */
  owner?(slot: number): SlotOwner | null;

  close(): Promise<void>;
}

export interface Command {
  /** Id of the attempt, in the command's environment as `BATCHCTL_ATTEMPT`; used to find stray children. */
  readonly attempt: string;
  /** An argv run without a shell, or a string for `/bin/sh -c`. */
  readonly run: readonly string[] | string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A file; null is an empty stdin. */
  readonly stdin: string | null;
  /** Files that are created, or truncated. */
  readonly stdout: string;
  readonly stderr: string;
  /** Further files or directories whose growth counts as activity for `stallMs`. */
  readonly outputs: readonly string[];
  readonly timeoutMs: number;
  /** A command that writes nothing to stdout, stderr or `outputs` for this time is ended; null: never. */
  readonly stallMs: number | null;
  /** Time from SIGTERM to SIGKILL when it is ended. */
  readonly graceMs: number;
  /** The kept size of stderr: beyond twice this, the file is truncated to its last bytes while the command runs. */
  readonly stderrLimit: number;
}

export interface CommandEnd {
  /** `exit`: by itself; `signal`: by a signal from elsewhere; `missing`: the program could not be started. */
  readonly how: 'exit' | 'signal' | 'timeout' | 'stall' | 'aborted' | 'missing';
  /** The exit code, 128 + n for a signal; null when it was never started. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly seconds: number;
  /** CPU seconds of the command and the children it waited for; null when unknown. */
  readonly cpuSeconds: number | null;
  /** Peak resident bytes; null when unknown. */
  readonly peakMemory: number | null;
  /** Children that were still running when the command ended, and were ended too. */
  readonly strays: number;
  /** The size of its stderr, which nothing writes to any more; absent or null when unknown. */
  readonly stderrBytes?: number | null;
}
