import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Environment } from '../../lib/environment.ts';
import { newWorkerId } from '../../lib/id.ts';
import { openPrivateLog } from '../../lib/private-files.ts';
import {
  collectReport,
  PIPE_FD,
  SUPERVISOR_FD,
  sendDrain,
  sendStart,
  sendStop,
  WORKER_ID,
  type WorkerReport,
} from './supervisor-pipe.ts';

export interface SuperviseOptions {
  readonly size: number;
  /** How to start the worker with that id; called at each start. */
  readonly spawnWorker: (worker: string) => WorkerCommand;
  /** Called as soon as a worker has ended in any way: releases its messages. Its errors go to `onTrouble`. */
  readonly onDeath: (end: WorkerEnd) => void | Promise<void>;
  /** Called when a worker left by itself, and took its place with it. */
  readonly onLeave?: (end: WorkerEnd) => void;
  readonly onTrouble?: (error: unknown) => void;
  /** When it aborts, all workers are drained. */
  readonly signal?: AbortSignal;
  readonly backoff?: Backoff;
}

/** How long to wait before a dead worker is started again, milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly lastMs: number;
  /** A worker that lived this long resets the wait: it died of something new. */
  readonly resetMs: number;
}

const BACKOFF: Backoff = { firstMs: 1_000, lastMs: 30_000, resetMs: 60_000 };

/**
 * Starts `size` workers and keeps them up until they leave (exit code 0), or are drained or stopped. They end with this
 * process: each drains when its pipe from here closes.
 */
export class Supervisor {
  readonly #options: SuperviseOptions;
  readonly #backoff: Backoff;
  readonly #places = new Set<WorkerPlace>();
  readonly #idle: (() => void)[] = [];
  /** Deaths whose `onDeath` still runs. */
  #reporting = 0;

  constructor(options: SuperviseOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? BACKOFF;
    const { signal } = options;
    if (signal?.aborted) return;
    this.resize(options.size);
    signal?.addEventListener('abort', () => this.drain(), { once: true });
  }

  /** Running workers, draining ones included. */
  get workers(): readonly { readonly worker: string; readonly pid: number; readonly leaving: boolean }[] {
    return [...this.#places].flatMap(({ worker, pid, leaving }) =>
      worker === null || pid === null ? [] : [{ worker, pid, leaving }],
    );
  }

  /** Starts workers, or drains some, so that `size` remain; a place whose worker is dead goes first. */
  resize(size: number): void {
    if (this.#options.signal?.aborted && size > 0) return;
    const staying = this.#staying();
    for (let more = size - staying.length; more > 0; more -= 1) {
      const place = new WorkerPlace(this.#options.spawnWorker, (at, end) => this.#handleEnd(at, end));
      this.#places.add(place);
      place.start();
    }
    const expendable = staying.sort((a, b) => Number(a.worker !== null) - Number(b.worker !== null));
    for (const place of expendable.slice(0, Math.max(0, staying.length - size)))
      if (!place.drain()) this.#removePlace(place);
  }

  drain(): void {
    this.resize(0);
  }

  /** All workers give their tasks back and leave; those that don't are killed after `graceMs`. */
  stop(graceMs = 10_000): void {
    for (const place of [...this.#places]) if (!place.stop(graceMs)) this.#removePlace(place);
  }

  /** Resolves when no worker is up, none is to be started, and their messages are released. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#notifyIdle();
    });
  }

  #staying(): WorkerPlace[] {
    return [...this.#places].filter((place) => !place.leaving);
  }

  #handleEnd(place: WorkerPlace, end: WorkerEnd): void {
    void this.#report(end);
    const left = end.code === 0;
    if (left && !place.leaving) this.#options.onLeave?.(end);
    if (left || place.leaving) {
      this.#removePlace(place);
      return;
    }
    place.deaths = end.seconds * 1000 >= this.#backoff.resetMs ? 1 : place.deaths + 1;
    place.startAfter(Math.min(this.#backoff.firstMs * 2 ** (place.deaths - 1), this.#backoff.lastMs));
  }

  #removePlace(place: WorkerPlace): void {
    this.#places.delete(place);
    this.#notifyIdle();
  }

  #notifyIdle(): void {
    if (this.#places.size > 0 || this.#reporting > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Never rejects: a message that isn't released here is delivered again when its lease expires. */
  async #report(end: WorkerEnd): Promise<void> {
    this.#reporting += 1;
    try {
      await this.#options.onDeath(end);
    } catch (error) {
      this.#options.onTrouble?.(error);
    }
    this.#reporting -= 1;
    this.#notifyIdle();
  }
}

export interface WorkerCommand {
  /** The arguments of `node`: the program and its own arguments. */
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  /** The whole environment, to which the worker's id and its pipe are added; this process's own by default. */
  readonly env?: Environment;
  /** A file for its stdout and stderr, appended to; without it they are dropped. */
  readonly log?: string;
  /** Used in place of a new process, if it is still there: its directory and environment are its own. */
  readonly held?: StandbyWorker | undefined;
}

export interface WorkerEnd {
  readonly worker: string;
  /** The exit code; null if a signal ended it, or it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly seconds: number;
  /** Why it could not be started. */
  readonly error: Error | null;
  /** Why it ended, in its own words; null if it left, was killed or crashed. */
  readonly report: WorkerReport | null;
}

/** How long the pipe of a dead worker may stay open, milliseconds: a process that it left may have inherited it. */
const PIPE_MS = 1_000;

class WorkerPlace {
  readonly #spawnWorker: (worker: string) => WorkerCommand;
  readonly #onEnd: (place: WorkerPlace, end: WorkerEnd) => void;
  #child: ChildProcess | null = null;
  #timers: NodeJS.Timeout[] = [];
  #leaving = false;
  /** Abnormal deaths in a row: each doubles the wait before the next start. */
  deaths = 0;
  worker: string | null = null;

  constructor(spawnWorker: (worker: string) => WorkerCommand, onEnd: (place: WorkerPlace, end: WorkerEnd) => void) {
    this.#spawnWorker = spawnWorker;
    this.#onEnd = onEnd;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** True once it has been told to drain or stop: it is not filled again. */
  get leaving(): boolean {
    return this.#leaving;
  }

  start(): void {
    const worker = newWorkerId();
    this.worker = worker;
    const started = performance.now();
    const ended = (end: Omit<WorkerEnd, 'worker' | 'seconds'>) => {
      if (this.worker !== worker) return;
      this.#clearTimers();
      this.#child?.stdio[PIPE_FD]?.destroy();
      this.#child = null;
      this.worker = null;
      this.#onEnd(this, { worker, seconds: (performance.now() - started) / 1000, ...end });
    };
    const failed = (error: Error) => ended({ code: null, signal: null, error, report: null });
    try {
      const child = launch(worker, this.#spawnWorker(worker));
      this.#child = child;
      const report = collectReport(child);
      child.once('exit', (code, signal) => {
        const done = () => ended({ code, signal, error: null, report: report() });
        const pipe = child.stdio[PIPE_FD];
        if (pipe == null || pipe.destroyed) return done();
        // The pipe may still hold the last bytes that the worker sent.
        pipe.once('close', done);
        this.#timers.push(setTimeout(() => pipe.destroy(), PIPE_MS));
      });
      child.once('error', (error) => {
        // Also emitted when a signal can't be sent. Only a process that never started has no pid.
        if (child.pid === undefined) failed(error);
      });
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  startAfter(ms: number): void {
    this.#timers.push(setTimeout(() => this.start(), ms));
  }

  /** Tells the worker to finish and leave; false if there is none, and the place is free at once. */
  drain(): boolean {
    this.#leaving = true;
    if (this.#child === null) {
      this.#clearTimers();
      return false;
    }
    sendDrain(this.#child);
    return true;
  }

  /** As `drain`, but immediate: after `graceMs` the process is killed. */
  stop(graceMs: number): boolean {
    this.#leaving = true;
    const child = this.#child;
    if (child === null) return this.drain();
    // A draining worker has no pipe any longer. To it, a second signal means "now" (the first one means drain).
    if (!sendStop(child)) {
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
  const { argv, cwd, env, log } = command;
  const output = log === undefined ? 'ignore' : openPrivateLog(log);
  try {
    const held = command.held?.start(worker, argv.slice(1), log ?? null) ?? null;
    return held ?? spawnWorker(argv, { cwd, env: { ...(env ?? process.env), [WORKER_ID]: worker } }, output);
  } finally {
    if (output !== 'ignore') closeSync(output);
  }
}

function spawnWorker(
  argv: readonly string[],
  { cwd, env }: Pick<WorkerCommand, 'cwd' | 'env'>,
  output: number | 'ignore',
): ChildProcess {
  const child = spawn(process.execPath, [...argv], {
    cwd,
    env: { ...env, [SUPERVISOR_FD]: String(PIPE_FD) },
    stdio: ['ignore', output, output, 'pipe'],
    // A session of its own: Ctrl-C reaches only the supervisor, which then decides.
    detached: true,
  });
  // Writing to a worker that just died isn't an error: its end is reported separately.
  child.stdio[PIPE_FD]?.on('error', () => undefined);
  return child;
}

/**
 * A worker's process started early: it loads the program, opens and creates nothing, and waits until it may start. It
 * leaves when this process ends.
 */
export class StandbyWorker {
  readonly #child: ChildProcess;
  #isWaiting = true;

  constructor(argv: readonly string[], place: Pick<WorkerCommand, 'cwd' | 'env'>) {
    this.#child = spawnWorker(argv, place, 'ignore');
    this.#child.once('error', () => {
      this.#isWaiting = false;
    });
    this.#child.once('exit', () => {
      this.#isWaiting = false;
    });
  }

  /** Lets it start as this worker. Null if it no longer waits. */
  start(worker: string, argv: readonly string[], log: string | null): ChildProcess | null {
    if (!this.#isWaiting || this.#child.pid === undefined) return null;
    this.#isWaiting = false;
    sendStart(this.#child, { argv, worker, log });
    return this.#child;
  }

  /** Ends it, unless it was let go. It has nothing to give back. */
  drop(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#child.stdio[PIPE_FD]?.destroy();
    this.#child.kill('SIGKILL');
  }
}
