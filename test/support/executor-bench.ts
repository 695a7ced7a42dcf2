import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandUser } from '../../src/worker/command-user.ts';
import type { Command, CommandEnd, Executor } from '../../src/worker/executor.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { prepareSlotDirectory, type SlotDirectory } from '../../src/worker/slot-directory.ts';

const FIXTURES = resolve(import.meta.dirname, '../fixtures');
let benches = 0;

/** The path of a small real program in test/fixtures. */
export function fixture(name: string): string {
  return join(FIXTURES, name);
}

/** An executor with a directory of its own, and what tests ask of it. */
export class ExecutorBench {
  readonly directory: string;
  readonly executor: Executor;
  readonly #directories: SlotDirectory[] = [];
  #attempts = 0;

  /** With a user, commands run as that user; `directory` is then where. */
  constructor(slots = 1, shell = '/bin/sh', user: CommandUser | null = null, directory: string | null = null) {
    benches += 1;
    this.directory = directory ?? mkdtempSync(join(tmpdir(), 'batchctl-executor-'));
    const worker = `w-test-${process.pid}-${benches}`;
    this.executor = createShellExecutor({ slots, worker, directory: this.directory, shell, user });
  }

  /** A slot's files, made as a worker makes them when they are first asked for. */
  slot(slot: number): Pick<SlotDirectory, 'cwd' | 'stdin' | 'stdout' | 'stderr'> {
    this.#directories[slot] ??= prepareSlotDirectory(this.directory, slot, this.executor.owner?.(slot) ?? null);
    return this.#directories[slot];
  }

  command(run: Command['run'], changes: Partial<Command> = {}): Command {
    this.#attempts += 1;
    return {
      attempt: `a-${process.pid}-${benches}-${this.#attempts}`,
      run,
      cwd: this.directory,
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      stdin: null,
      stdout: this.path('out'),
      stderr: this.path('err'),
      outputs: [],
      timeoutMs: 60_000,
      stallMs: null,
      // Longer than a slow machine takes to end what heeds SIGTERM.
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

  /** A file's text, '' when there is none. */
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
