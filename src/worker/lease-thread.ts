import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BatchctlError, isKind } from '../errors.ts';
import { sharedMonotonic } from '../lib/thread.ts';
import type { QueueModule } from '../ports/platform.ts';
import type { TaskQueue } from '../ports/task-queue.ts';
import type { FromThread, LeaseThreadData, ToThread } from './held-leases.ts';
import { LeaseHeartbeat } from './lease-heartbeat.ts';

/** The entry of the heartbeat thread, whose loop nothing else can block. Started by `HeldLeases`. */
function main(): void {
  const port = parentPort;
  if (port === null) throw new BatchctlError('unexpected', 'Expected to be started as a thread, found a process.');
  const data: LeaseThreadData = workerData;
  const busy = new Int32Array(data.busy);
  const say = (message: FromThread) => port.postMessage(message);
  let opening: Promise<TaskQueue> | null = null;
  const open = async (): Promise<TaskQueue> => {
    opening ??= makeQueue(data.queue);
    try {
      return await opening;
    } catch (error) {
      opening = null;
      // Transient errors are retried while leases hold. Any other error ends this thread, and so all leases.
      if (!isKind(error, 'unavailable', 'credentials')) setImmediate(() => raise(error));
      throw error;
    }
  };
  // This is most of the time of a first extension; the extension itself reports failures.
  open().catch(() => undefined);
  const heart = new LeaseHeartbeat({
    open,
    leaseMs: data.leaseMs,
    now: sharedMonotonic,
    onLost: (receipts) => say({ kind: 'lost', receipts }),
    onError: (error) => say({ kind: 'error', message: error instanceof Error ? error.message : String(error) }),
    onBusy: (now) => {
      Atomics.store(busy, 0, now ? 1 : 0);
      // First raise the flag, then process all messages: if the sender of "drop" sees no flag afterwards, the drop is
      // processed before any later extension is chosen.
      if (now) hearAll();
    },
  });

  const hear = (message: ToThread) => {
    switch (message.kind) {
      case 'hold':
        heart.hold(message.receipts, message.deadline);
        return;
      case 'drop':
        heart.drop(message.receipts);
        return;
      case 'settle':
        heart.drop(message.receipts);
        void heart.settled(message.receipts).then(() => say({ kind: 'settled', id: message.id }));
        return;
      case 'close':
        void close();
        return;
    }
  };
  const hearAll = () => {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      hear(next.message);
  };
  const close = async () => {
    await heart.stop();
    try {
      await (await opening)?.close();
    } finally {
      // Ends only this thread, whatever its queue left open.
      process.exit(0);
    }
  };
  port.on('message', hear);
}

function raise(error: unknown): never {
  throw error;
}

async function makeQueue({ module, exportName, options }: QueueModule): Promise<TaskQueue> {
  const exports: Record<string, unknown> = await import(module);
  const make = exports[exportName];
  if (typeof make !== 'function') {
    throw new BatchctlError('unexpected', `Expected a function ${exportName} in ${module}, found ${typeof make}.`);
  }
  return make(options);
}

main();
