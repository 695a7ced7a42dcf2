import type { Worker } from 'node:worker_threads';
import { sharedMonotonic, startThread } from './thread.ts';

/** Parameters of the thread; plain data. */
export interface LoopThreadData {
  /** For each part of the loop, the monotonic milliseconds by which its next sign of life is due; 0: none is due. */
  readonly due: SharedArrayBuffer;
  /** The name of the watched loop (`the worker`) and of its parts, for the message about why the process ended. */
  readonly whole: string;
  readonly parts: readonly string[];
  readonly limitMs: number;
}

/** Milliseconds until the thread starts: short runs need none, and its start would slow their first tasks. */
const START_MS = 10_000;

/** Limits until a sign of life is due, by what a part of the loop is doing. */
const LIMITS = {
  /** A poll, or a wait for room: both end by themselves, well before one limit. */
  poll: 1,
  /** Admitting messages, or deciding whether to leave: each request to an unavailable service may take minutes. */
  work: 6,
} as const;

/** Where a part of the loop reports activity. */
export interface LoopPart {
  /** It begins something new, and its next sign of life is due again. */
  mark(what: keyof typeof LIMITS): void;
  /** It has ended: no sign of life is due. */
  done(): void;
}

/**
 * Ends this process when a part of its loop hangs. That can't be noticed from outside, because another thread extends
 * its leases. The watch runs in a thread too, so that it also notices a blocked event loop.
 */
export class LoopWatch {
  /** How often a waiting part gives a sign of life, milliseconds. */
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
    this.#setDue(0, limitMs);
    this.#beat = setInterval(() => this.#setDue(0, limitMs), limitMs / 10).unref();
    this.#starting = setTimeout(() => this.#start(data), Math.min(START_MS, limitMs / 10)).unref();
  }

  part(index: number): LoopPart {
    return {
      mark: (what) => this.#setDue(index + 1, this.#limitMs * LIMITS[what]),
      done: () => void Atomics.store(this.#due, index + 1, 0n),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    clearTimeout(this.#starting);
    await this.#thread?.terminate();
  }

  #start(data: LoopThreadData): void {
    this.#thread = startThread('loop-thread', data, import.meta.url);
    this.#thread.unref();
    // Everything works the same without it.
    this.#thread.on('error', () => undefined);
  }

  #setDue(index: number, ms: number): void {
    Atomics.store(this.#due, index, BigInt(Math.ceil(sharedMonotonic() + ms)));
  }
}
