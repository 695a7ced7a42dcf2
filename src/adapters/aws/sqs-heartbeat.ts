import type { TaskQueue } from '../../ports/task-queue.ts';
import { AwsClients } from './clients.ts';
import { extendLeases } from './sqs-leases.ts';
import { findQueue, type SqsOptions } from './sqs-open.ts';

/** A part of a lease: an extension that fails for longer is given up, so that the next heartbeat can begin anew. */
const PATIENCE = 1 / 6;

/**
 * What the thread of heartbeats needs of a group's queue: it extends leases, by a client that nothing else uses. Throws
 * as `openSqsQueue`.
 */
export async function openSqsHeartbeat(options: SqsOptions): Promise<Pick<TaskQueue, 'extend' | 'close'>> {
  const clients = new AwsClients(options.clients);
  const { name, leaseSeconds } = options;
  try {
    const place = await findQueue(clients, name, 'heartbeat', leaseSeconds * 1_000 * PATIENCE);
    return {
      extend: (receipts) => extendLeases(place, receipts, leaseSeconds),
      close: () => clients.close(),
    };
  } catch (error) {
    await clients.close();
    throw error;
  }
}
