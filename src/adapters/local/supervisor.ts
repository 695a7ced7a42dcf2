import { randomId } from '../../lib/id.ts';
import { Seat, type WorkerCommand, type WorkerEnd } from './supervisor-seat.ts';

export interface SuperviseOptions {
  readonly group: string;
  /** How many workers to keep up. */
  readonly size: number;
  /** How the worker with that id is started; called at each start. */
  readonly spawnWorker: (worker: string) => WorkerCommand;
  /** Called as soon as a worker has ended, however: releases what it held. What it throws goes to `onTrouble`. */
  readonly onDeath: (end: WorkerEnd) => void | Promise<void>;
  /** Called when a worker left by itself, and took its place with it. */
  readonly onLeave?: (end: WorkerEnd) => void;
  readonly onTrouble?: (error: unknown) => void;
  /** Exit codes by which a worker leaves for good; any other end is a death, after which another is started. */
  readonly leaves?: (code: number) => boolean;
  /** Aborted, all workers are drained. */
  readonly signal?: AbortSignal;
  /** A worker's id, new at each start. */
  readonly newId?: () => string;
  readonly backoff?: Backoff;
}

/** How long to wait before a worker that died is started again, milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly lastMs: number;
  /** A worker that lived so long died of something new: the wait is the first again. */
  readonly resetMs: number;
}

const BACKOFF: Backoff = { firstMs: 1_000, lastMs: 30_000, resetMs: 60_000 };

/** Starts `size` workers and keeps them up, until they leave, or are drained or stopped. */
export function superviseWorkers(options: SuperviseOptions): Supervisor {
  return new Supervisor(options);
}

/** Keeps a number of worker processes up. They end with this process: each drains when its pipe from here closes. */
export class Supervisor {
  readonly group: string;
  readonly #options: SuperviseOptions;
  readonly #backoff: Backoff;
  readonly #seats = new Set<Seat>();
  readonly #idle: (() => void)[] = [];
  /** Deaths whose `onDeath` is still at work. */
  #reporting = 0;

  constructor(options: SuperviseOptions) {
    this.group = options.group;
    this.#options = options;
    this.#backoff = options.backoff ?? BACKOFF;
    const { signal } = options;
    if (signal?.aborted) return;
    this.resize(options.size);
    signal?.addEventListener('abort', () => this.drain(), { once: true });
  }

  /** Workers that are up now, those that drain included. */
  get workers(): readonly { readonly worker: string; readonly pid: number; readonly leaving: boolean }[] {
    return [...this.#seats].flatMap(({ worker, pid, leaving }) =>
      worker === null || pid === null ? [] : [{ worker, pid, leaving }],
    );
  }

  /** Places that are to be kept filled. */
  get size(): number {
    return this.#staying().length;
  }

  /** Starts workers, or drains some, so that `size` stay; a place whose worker is dead goes first. */
  resize(size: number): void {
    if (this.#options.signal?.aborted && size > 0) return;
    const staying = this.#staying();
    for (let more = size - staying.length; more > 0; more -= 1) {
      const seat = new Seat(this.#options.spawnWorker, this.#options.newId ?? newWorkerId, (at, end) => {
        this.#ended(at, end);
      });
      this.#seats.add(seat);
      seat.start();
    }
    const expendable = staying.sort((a, b) => Number(a.worker !== null) - Number(b.worker !== null));
    for (const seat of expendable.slice(0, Math.max(0, staying.length - size))) if (!seat.drain()) this.#free(seat);
  }

  /** All workers finish what they run and leave. */
  drain(): void {
    this.resize(0);
  }

  /** All workers give their tasks back and leave; those that don't are killed after `graceMs`. */
  stop(graceMs = 10_000): void {
    for (const seat of [...this.#seats]) if (!seat.stop(graceMs)) this.#free(seat);
  }

  /** Resolves when no worker is up, none is to be started, and what they held is released. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#tellIdle();
    });
  }

  #staying(): Seat[] {
    return [...this.#seats].filter((seat) => !seat.leaving);
  }

  #ended(seat: Seat, end: WorkerEnd): void {
    void this.#report(end);
    const left = end.code !== null && (this.#options.leaves ?? isClean)(end.code);
    if (left && !seat.leaving) this.#options.onLeave?.(end);
    if (left || seat.leaving) {
      this.#free(seat);
      return;
    }
    seat.deaths = end.seconds * 1000 >= this.#backoff.resetMs ? 1 : seat.deaths + 1;
    seat.startAfter(Math.min(this.#backoff.firstMs * 2 ** (seat.deaths - 1), this.#backoff.lastMs));
  }

  #free(seat: Seat): void {
    this.#seats.delete(seat);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#seats.size > 0 || this.#reporting > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Never rejects: what could not be released at once is delivered again when its lease ends. */
  async #report(end: WorkerEnd): Promise<void> {
    this.#reporting += 1;
    try {
      await this.#options.onDeath(end);
    } catch (error) {
      this.#options.onTrouble?.(error);
    }
    this.#reporting -= 1;
    this.#tellIdle();
  }
}

function isClean(code: number): boolean {
  return code === 0;
}

function newWorkerId(): string {
  return `w-${randomId(10)}`;
}
