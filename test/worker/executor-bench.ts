import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandUser } from '../../src/worker/command-user.ts';
import type { Command, CommandEnd, Executor } from '../../src/worker/executor.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { prepareSlotDirectory, type SlotDirectory } from '../../src/worker/slot-directory.ts';

const FIXTURES = resolve(import.meta.dirname, '../fixtures');
let benchCount = 0;

/** The path of a small program in test/fixtures. */
export function fixture(name: string): string {
  return join(FIXTURES, name);
}

/** An executor and its directory. */
export class ExecutorBench {
  readonly directory: string;
  readonly executor: Executor;
  readonly #directories: SlotDirectory[] = [];
  #attempts = 0;

  /** `user`: runs the commands as that user. `directory`: by default a new one. */
  constructor(slots = 1, shell = '/bin/sh', user: CommandUser | null = null, directory: string | null = null) {
    benchCount += 1;
    this.directory = directory ?? mkdtempSync(join(tmpdir(), 'batchctl-executor-'));
    const worker = `w-test-${process.pid}-${benchCount}`;
    this.executor = createShellExecutor({ slots, worker, directory: this.directory, shell, user });
  }

  /** A slot's files, which are made at the first call as a worker makes them. */
  slot(slot: number): Pick<SlotDirectory, 'cwd' | 'stdin' | 'stdout' | 'stderr'> {
    this.#directories[slot] ??= prepareSlotDirectory(this.directory, slot, this.executor.owner?.(slot) ?? null);
    return this.#directories[slot];
  }

  command(run: Command['run'], changes: Partial<Command> = {}): Command {
    this.#attempts += 1;
    return {
      attempt: `a-${process.pid}-${benchCount}-${this.#attempts}`,
      run,
      cwd: this.directory,
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      stdin: null,
      stdout: this.path('out'),
      stderr: this.path('err'),
      outputs: [],
      timeoutMs: 60_000,
      stallMs: null,
      // Longer than commands that obey SIGTERM take to end on a slow machine.
      graceMs: 60_000,
      stderrLimit: 1_000_000,
      ...changes,
    };
  }

  run(run: Command['run'], changes: Partial<Command> = {}, signal?: AbortSignal, slot = 0): Promise<CommandEnd> {
    return this.executor.run(slot, this.command(run, changes), signal ?? new AbortController().signal);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** The text of a file; '' if it doesn't exist. */
  text(name: string): string {
    try {
      return readFileSync(this.path(name), 'utf8');
    } catch {
      return '';
    }
  }

  async close(): Promise<void> {
    await this.executor.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Whether a process runs (a zombie doesn't). */
export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}
