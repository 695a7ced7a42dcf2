import type { SlotOwner } from './command-user.ts';

/** What runs commands for the worker's slots: one command a slot at a time, never outliving this process (law 5). */
export interface Executor {
  /**
   * Runs a command in a slot and answers how it ended; never rejects for what the command does.
   * When the signal aborts, the whole process group is ended: SIGTERM, after `graceMs` SIGKILL.
   */
  run(slot: number, command: Command, signal: AbortSignal): Promise<CommandEnd>;

  /** Who owns what runs in a slot, where commands run as another user than the worker; absent, or null, where not. */
  owner?(slot: number): SlotOwner | null;

  /** Ends what still runs, and the helpers. */
  close(): Promise<void>;
}

export interface Command {
  /** The attempt's id, in the command's environment as `BATCHCTL_ATTEMPT`; by it stray children are found. */
  readonly attempt: string;
  /** An argv run without a shell, or a string for `/bin/sh -c`. */
  readonly run: readonly string[] | string;
  readonly cwd: string;
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** A file; null is an empty stdin. */
  readonly stdin: string | null;
  /** Files that are created, or truncated. */
  readonly stdout: string;
  readonly stderr: string;
  /** Further files or directories whose growth is a sign of life for `stallMs`. */
  readonly outputs: readonly string[];
  readonly timeoutMs: number;
  /** No byte written to stdout, stderr or `outputs` for so long ends it; null: never. */
  readonly stallMs: number | null;
  /** From SIGTERM to SIGKILL, when it is ended. */
  readonly graceMs: number;
  /** How much of stderr is kept: past twice this, the file is cut to its last bytes while the command runs. */
  readonly stderrLimit: number;
}

export interface CommandEnd {
  /** `exit`: by itself; `signal`: by a signal from elsewhere; `missing`: the program could not be started. */
  readonly how: 'exit' | 'signal' | 'timeout' | 'stall' | 'aborted' | 'missing';
  /** The exit code, 128 + n for a signal; null when it was never started. */
  readonly code: number | null;
  /** A signal's name where one is known. */
  readonly signal: string | null;
  readonly seconds: number;
  /** CPU seconds of the command and the children it waited for; null when unknown. */
  readonly cpuSeconds: number | null;
  /** Peak resident bytes; null when unknown. */
  readonly peakMemory: number | null;
  /** Children that were still alive when the command ended, and were ended too. */
  readonly strays: number;
}
