import type { Worker } from 'node:worker_threads';
import { sharedMonotonic, startThread } from './thread.ts';

/** How the thread is told; plain data. */
export interface LoopThreadData {
  /** Of each part of the loop, monotonic milliseconds by which it gives its next sign; 0: it owes none. */
  readonly due: SharedArrayBuffer;
  /** What hangs, `the worker`, and its parts' names: for whoever reads why the process was ended. */
  readonly whole: string;
  readonly parts: readonly string[];
  readonly limitMs: number;
}

/** The thread starts after so long: short runs need none, and its start would slow their first tasks. */
const START_MS = 10_000;

/** What one part of the loop does: it owes a sign within this many limits. */
const LIMITS = {
  /** A poll, or a wait for room: both end by themselves, long before one. */
  poll: 1,
  /** Letting in what came, or deciding whether to leave: every request to a service that is away may take minutes. */
  work: 6,
} as const;

/**
 * Ends this process when a part of its loop hangs: nobody could tell from outside, as its leases are extended by another
 * thread. The watching is done in a thread too, so that a blocked event loop is found as well.
 */
export class LoopWatch {
  /** Who waits for something gives a sign so often, milliseconds. */
  readonly everyMs: number;
  readonly #due: BigInt64Array;
  readonly #limitMs: number;
  readonly #beat: NodeJS.Timeout;
  readonly #starting: NodeJS.Timeout;
  #thread: Worker | null = null;

  /** @param limitMs milliseconds, longer than any poll. */
  constructor(whole: string, parts: readonly string[], limitMs: number) {
    this.#limitMs = limitMs;
    this.everyMs = limitMs / 30;
    const due = new SharedArrayBuffer(8 * (parts.length + 1));
    this.#due = new BigInt64Array(due);
    const data: LoopThreadData = { due, whole, parts: ['the event loop', ...parts], limitMs };
    this.#sign(0, limitMs);
    this.#beat = setInterval(() => this.#sign(0, limitMs), limitMs / 10).unref();
    this.#starting = setTimeout(() => this.#start(data), Math.min(START_MS, limitMs / 10)).unref();
  }

  /** A part begins something new, and owes a sign anew. */
  mark(part: number, what: keyof typeof LIMITS): void {
    this.#sign(part + 1, this.#limitMs * LIMITS[what]);
  }

  /** A part is over: it owes nothing any more. */
  done(part: number): void {
    Atomics.store(this.#due, part + 1, 0n);
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    clearTimeout(this.#starting);
    await this.#thread?.terminate();
  }

  #start(data: LoopThreadData): void {
    this.#thread = startThread('loop-thread', data, import.meta.url);
    this.#thread.unref();
    // Without it all works the same.
    this.#thread.on('error', () => undefined);
  }

  #sign(index: number, ms: number): void {
    Atomics.store(this.#due, index, BigInt(Math.ceil(sharedMonotonic() + ms)));
  }
}
