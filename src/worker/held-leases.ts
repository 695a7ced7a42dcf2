import type { Worker } from 'node:worker_threads';
import { sharedMonotonic, startThread } from '../lib/thread.ts';
import { within } from '../lib/wait.ts';
import type { QueueModule } from '../ports/platform.ts';
import type { Receipt } from '../ports/task-queue.ts';

interface HeldLeasesOptions {
  readonly queue: QueueModule;
  readonly leaseSeconds: number;
  /** Called once for each held lease that was refused, or not confirmed before its expiry. Never for a dropped one. */
  readonly onLost: (receipt: Receipt) => void;
  readonly onError?: (message: string) => void;
}

/** The thread starts once a lease has lasted this part of it, at most a second: long before its first extension. */
const START_FRACTION = 1 / 20;
const START_MS = 1_000;
/** How long a thread may take to close its queue. */
const CLOSE_MS = 2_000;

/**
 * Keeps leases by heartbeats from a thread, where nothing can block them: no spawn, no large sort (law 5). The thread
 * starts with the first lease that lasts, as its start would slow a worker's first tasks. If it dies, all held leases
 * count as lost, and the next hold starts another.
 */
export class HeldLeases {
  readonly #options: HeldLeasesOptions;
  /** Held leases, and when each expires unless extended, by the clock shared by threads. */
  readonly #held = new Map<Receipt, number>();
  readonly #waiting = new Map<number, () => void>();
  readonly #shared = new SharedArrayBuffer(4);
  readonly #busy = new Int32Array(this.#shared);
  #thread: Worker | null = null;
  #starting: NodeJS.Timeout | undefined;
  #exited: Promise<void> = Promise.resolve();
  #settles = 0;
  #closed = false;

  constructor(options: HeldLeasesOptions) {
    this.#options = options;
  }

  /** Keeps these leases, which begin now, until they are dropped: how long the receive waited for them isn't known. */
  hold(receipts: readonly Receipt[]): void {
    if (this.#closed || receipts.length === 0) return;
    const leaseMs = this.#options.leaseSeconds * 1_000;
    const deadline = sharedMonotonic() + leaseMs;
    for (const receipt of receipts) this.#held.set(receipt, deadline);
    if (this.#thread !== null) this.#post({ kind: 'hold', receipts, deadline });
    else this.#starting ??= setTimeout(() => this.#start(), Math.min(START_MS, leaseMs * START_FRACTION));
  }

  /** Drops leases; they are not extended any more, except by an extension in flight. */
  drop(receipts: readonly Receipt[]): void {
    const held = receipts.filter((receipt) => this.#held.delete(receipt));
    if (held.length > 0) this.#post({ kind: 'drop', receipts: held });
  }

  /**
   * Drops leases and resolves when no extension in flight holds any of them: then they may be settled. Immediate,
   * except while an extension is in flight. Never rejects.
   */
  dropAndWait(receipts: readonly Receipt[]): Promise<void> {
    this.drop(receipts);
    // The order of these two matters; see the thread's onBusy.
    if (this.#thread === null || Atomics.load(this.#busy, 0) === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settles += 1;
      this.#waiting.set(this.#settles, resolve);
      this.#post({ kind: 'settle', receipts, id: this.#settles });
    });
  }

  /** Drops everything and ends the thread, waiting at most two seconds for its queue to close. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#starting);
    this.#held.clear();
    const thread = this.#thread;
    if (thread === null) return;
    this.#post({ kind: 'close' });
    await within(this.#exited, CLOSE_MS, () => thread.terminate());
    await this.#exited;
  }

  #start(): void {
    this.#starting = undefined;
    if (this.#held.size === 0) return;
    const { queue, leaseSeconds } = this.#options;
    Atomics.store(this.#busy, 0, 0);
    const workerData: LeaseThreadData = { queue, leaseMs: leaseSeconds * 1_000, busy: this.#shared };
    const thread = startThread('lease-thread', workerData, import.meta.url);
    this.#exited = new Promise((resolve) => {
      thread.on('message', (message: MessageFromThread) => this.#handleMessage(message));
      thread.on('error', (error) => this.#options.onError?.(String(error)));
      thread.on('exit', () => {
        this.#thread = null;
        for (const done of this.#waiting.values()) done();
        this.#waiting.clear();
        this.#reportLost([...this.#held.keys()]);
        resolve();
      });
    });
    this.#thread = thread;
    const ends = new Map<number, Receipt[]>();
    for (const [receipt, deadline] of this.#held) ends.set(deadline, [...(ends.get(deadline) ?? []), receipt]);
    for (const [deadline, receipts] of ends) this.#post({ kind: 'hold', receipts, deadline });
  }

  #handleMessage(message: MessageFromThread): void {
    switch (message.kind) {
      case 'lost':
        this.#reportLost(message.receipts);
        return;
      case 'settled':
        this.#waiting.get(message.id)?.();
        this.#waiting.delete(message.id);
        return;
      case 'error':
        this.#options.onError?.(message.message);
        return;
    }
  }

  #reportLost(receipts: readonly Receipt[]): void {
    for (const receipt of receipts) if (this.#held.delete(receipt)) this.#options.onLost(receipt);
  }

  #post(message: MessageToThread): void {
    this.#thread?.postMessage(message);
  }
}

export interface LeaseThreadData {
  readonly queue: QueueModule;
  readonly leaseMs: number;
  /** One number, 1 while an extension is being chosen or is in flight. */
  readonly busy: SharedArrayBuffer;
}

export type MessageToThread =
  | { readonly kind: 'hold'; readonly receipts: readonly Receipt[]; readonly deadline: number }
  | { readonly kind: 'drop'; readonly receipts: readonly Receipt[] }
  | { readonly kind: 'settle'; readonly receipts: readonly Receipt[]; readonly id: number }
  | { readonly kind: 'close' };

export type MessageFromThread =
  | { readonly kind: 'lost'; readonly receipts: readonly Receipt[] }
  | { readonly kind: 'settled'; readonly id: number }
  | { readonly kind: 'error'; readonly message: string };
