import { EventEmitter } from 'node:events';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { sharedMonotonic } from '../../../src/lib/thread.ts';
import type { Receipt, TaskQueue } from '../../../src/ports/task-queue.ts';
import type { LeaseThreadData, ToThread } from '../../../src/worker/held-leases.ts';
import { LeaseHeartbeat } from '../../../src/worker/lease-heartbeat.ts';

/** What a queue's module says in a simulation: the queue itself. */
export interface InProcessQueue {
  readonly open: () => Promise<Pick<TaskQueue, 'extend'>>;
}

/**
 * From now on threads run in this process, so that a simulation's time is theirs: heartbeats are the real ones, and loops
 * are not watched. Returns a function that ends that.
 */
export function threadsInProcess(): () => void {
  const threads: { Worker: unknown } = createRequire(import.meta.url)('node:worker_threads');
  const real = threads.Worker;
  threads.Worker = InProcessThread;
  syncBuiltinESMExports();
  return () => {
    threads.Worker = real;
    syncBuiltinESMExports();
  };
}

class InProcessThread extends EventEmitter {
  readonly #heart: LeaseHeartbeat | null;

  constructor(
    _source: string,
    { workerData }: { readonly workerData: LeaseThreadData | { readonly queue?: undefined } },
  ) {
    super();
    if (workerData.queue === undefined) {
      this.#heart = null;
      return;
    }
    const { open } = workerData.queue.options as InProcessQueue;
    let opened: ReturnType<typeof open> | null = null;
    this.#heart = new LeaseHeartbeat({
      open: () => {
        opened ??= open();
        return opened;
      },
      leaseMs: workerData.leaseMs,
      now: () => performance.now(),
      onLost: (receipts: readonly Receipt[]) => this.emit('message', { kind: 'lost', receipts }),
      onError: (error) => this.emit('message', { kind: 'error', message: String(error) }),
      onBusy: () => undefined,
    });
  }

  postMessage(message: ToThread): void {
    const heart = this.#heart;
    if (heart === null) return;
    if (message.kind === 'hold') {
      heart.hold(message.receipts, message.deadline - sharedMonotonic() + performance.now());
    } else if (message.kind === 'drop') heart.drop(message.receipts);
    else if (message.kind === 'settle') {
      heart.drop(message.receipts);
      void heart.settled(message.receipts).then(() => this.emit('message', { kind: 'settled', id: message.id }));
    } else void heart.stop().then(() => this.emit('exit', 0));
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  async terminate(): Promise<number> {
    await this.#heart?.stop();
    return 0;
  }
}
