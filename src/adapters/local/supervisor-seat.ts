import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { openPrivateLog } from '../../lib/private-files.ts';
import { PIPE_FD, SUPERVISOR_FD, sayDrain, sayStop, WORKER_ID } from './supervisor-pipe.ts';

/** How a worker process is started. */
export interface WorkerCommand {
  /** What follows `node`: the program and its arguments. */
  readonly argv: readonly string[];
  readonly cwd?: string;
  /** The whole environment, to which the worker's id and its pipe are added; this process's own unless said. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A file that its stdout and stderr are appended to; they are dropped without. */
  readonly log?: string;
}

/** How a worker process ended. */
export interface WorkerEnd {
  readonly worker: string;
  /** The exit code; null when a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly seconds: number;
  /** Why it could not be started. */
  readonly error: Error | null;
}

/** One place of a group, for one worker process at a time. */
export class Seat {
  readonly #spawnWorker: (worker: string) => WorkerCommand;
  readonly #newId: () => string;
  readonly #onEnd: (seat: Seat, end: WorkerEnd) => void;
  #child: ChildProcess | null = null;
  #timers: NodeJS.Timeout[] = [];
  #leaving = false;
  /** Abnormal deaths in a row: each doubles the wait before the next start. */
  deaths = 0;
  worker: string | null = null;

  constructor(
    spawnWorker: (worker: string) => WorkerCommand,
    newId: () => string,
    onEnd: (seat: Seat, end: WorkerEnd) => void,
  ) {
    this.#spawnWorker = spawnWorker;
    this.#newId = newId;
    this.#onEnd = onEnd;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** True once it was told to drain or stop: it is not filled again. */
  get leaving(): boolean {
    return this.#leaving;
  }

  /** Starts a worker with a new id. */
  start(): void {
    const worker = this.#newId();
    this.worker = worker;
    const started = performance.now();
    const ended = (end: Pick<WorkerEnd, 'code' | 'signal' | 'error'>) => {
      if (this.worker !== worker) return;
      this.#clearTimers();
      this.#child?.stdio[PIPE_FD]?.destroy();
      this.#child = null;
      this.worker = null;
      this.#onEnd(this, { worker, seconds: (performance.now() - started) / 1000, ...end });
    };
    try {
      const child = launch(worker, this.#spawnWorker(worker));
      this.#child = child;
      child.once('exit', (code, signal) => ended({ code, signal, error: null }));
      child.once('error', (error) => {
        // Also emitted when a signal can't be sent; only a process that never was has no pid.
        if (child.pid === undefined) ended({ code: null, signal: null, error });
      });
    } catch (error) {
      ended({ code: null, signal: null, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  startAfter(ms: number): void {
    this.#timers.push(setTimeout(() => this.start(), ms));
  }

  /** Tells the worker to finish and leave; false when there is none, so that the seat is free at once. */
  drain(): boolean {
    this.#leaving = true;
    if (this.#child === null) {
      this.#clearTimers();
      return false;
    }
    sayDrain(this.#child);
    return true;
  }

  /** As `drain`, but now: after `graceMs` the process is killed. */
  stop(graceMs: number): boolean {
    this.#leaving = true;
    const child = this.#child;
    if (child === null) return this.drain();
    // One that drains has no pipe any more: a second signal means "now" to a worker (its first one says drain).
    if (!sayStop(child)) {
      child.kill('SIGTERM');
      this.#timers.push(setTimeout(() => child.kill('SIGTERM'), Math.min(100, graceMs / 2)));
    }
    this.#timers.push(setTimeout(() => child.kill('SIGKILL'), graceMs));
    return true;
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}

function launch(worker: string, command: WorkerCommand): ChildProcess {
  const output = command.log === undefined ? 'ignore' : openPrivateLog(command.log);
  try {
    const child = spawn(process.execPath, [...command.argv], {
      cwd: command.cwd,
      env: { ...(command.env ?? process.env), [WORKER_ID]: worker, [SUPERVISOR_FD]: String(PIPE_FD) },
      stdio: ['ignore', output, output, 'pipe'],
      // A session of its own: Ctrl-C reaches whoever supervises, which then decides.
      detached: true,
    });
    // Writing to a worker that just died is no error: its end is reported by itself.
    child.stdio[PIPE_FD]?.on('error', () => undefined);
    return child;
  } finally {
    if (output !== 'ignore') closeSync(output);
  }
}
