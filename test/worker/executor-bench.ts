import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CommandUser } from '../../src/worker/command-user.ts';
import type { Command, CommandEnd, Executor } from '../../src/worker/executor.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { prepareSlotDirectory, type SlotDirectory } from '../../src/worker/slot-directory.ts';
import { bundled } from '../support/run/bundled.ts';
import { until } from '../support/until.ts';

const FIXTURES = resolve(import.meta.dirname, '../fixtures');
let benchCount = 0;

/** The path of a small program in test/fixtures. */
export function fixture(name: string): string {
  return join(FIXTURES, name);
}

/**
 * Runs a shell script in a worker's process until it has written these files, each with the id of a process, and kills the
 * worker. Returns once none of the processes runs. `files` is the script's directory below `directory`.
 */
export async function killWorkerOf(
  script: string,
  names: readonly string[],
  { files = '.', env = {} }: { readonly files?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'batchctl-killed-'));
  const worker = spawn(process.execPath, [bundled(fixture('executor-worker.mjs')), directory, script], {
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  const pidIn = (name: string): number => {
    const path = join(directory, files, name);
    return existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  };
  try {
    await until('all run', () => names.every((name) => pidIn(name) > 0));
    worker.kill('SIGKILL');
    await until('none runs', () => !names.some((name) => alive(pidIn(name))));
  } finally {
    worker.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An executor with a directory of its own, and what tests ask of it. */
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
    this.#directories[slot] ??= prepareSlotDirectory(this.directory, slot, {
      owner: this.executor.owner?.(slot) ?? null,
    });
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
