import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BatchctlError, isKind, messageOf } from '../errors.ts';
import { sharedMonotonic } from '../lib/thread.ts';
import type { QueueModule } from '../ports/platform.ts';
import type { TaskQueue } from '../ports/task-queue.ts';
import type { LeaseThreadData, MessageFromThread, MessageToThread } from './held-leases.ts';
import { LeaseHeartbeat } from './lease-heartbeat.ts';

/** The entry of the heartbeat thread, whose loop nothing else can block. Started by `HeldLeases`. */
function main(): void {
  const port = parentPort;
  if (port === null) throw new BatchctlError('unexpected', 'Expected to be started as a thread, found a process.');
  const data: LeaseThreadData = workerData;
  const busy = new Int32Array(data.busy);
  const post = (message: MessageFromThread) => port.postMessage(message);
  let opening: Promise<TaskQueue> | null = null;
  const open = async (): Promise<TaskQueue> => {
    opening ??= makeQueue(data.queue);
    try {
      return await opening;
    } catch (error) {
      opening = null;
      // Transient errors are retried while leases hold. Any other error ends this thread, and so all leases.
      if (!isKind(error, 'unavailable', 'credentials')) setImmediate(() => throwError(error));
      throw error;
    }
  };
  // This is most of the time of a first extension; the extension itself reports failures.
  open().catch(() => undefined);
  const heart = new LeaseHeartbeat({
    open,
    leaseMs: data.leaseMs,
    now: sharedMonotonic,
    onLost: (receipts) => post({ kind: 'lost', receipts }),
    onError: (error) => post({ kind: 'error', message: messageOf(error) }),
    onBusy: (now) => {
      Atomics.store(busy, 0, now ? 1 : 0);
      // First raise the flag, then process all messages: if the sender of "drop" sees no flag afterwards, the drop is
      // processed before any later extension is chosen.
      if (now) handlePending();
    },
  });

  const handleMessage = (message: MessageToThread) => {
    switch (message.kind) {
      case 'hold':
        heart.hold(message.receipts, message.deadline);
        return;
      case 'drop':
        heart.drop(message.receipts);
        return;
      case 'settle':
        heart.drop(message.receipts);
        void heart.awaitExtension(message.receipts).then(() => post({ kind: 'settled', id: message.id }));
        return;
      case 'close':
        void close();
        return;
    }
  };
  const handlePending = () => {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      handleMessage(next.message);
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
  port.on('message', handleMessage);
}

function throwError(error: unknown): never {
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
