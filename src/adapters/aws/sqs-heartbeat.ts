import type { TaskQueue } from '../../ports/task-queue.ts';
import { AwsClients } from './clients.ts';
import { extendLeases } from './sqs-leases.ts';
import { findQueue, type SqsOptions } from './sqs-open.ts';

/** A share of the lease. An extension that fails for longer is given up, so that the next heartbeat can begin. */
const PATIENCE = 1 / 6;

/** The queue of the heartbeat thread, which extends leases with its own client. Throws as `openSqsQueue`. */
export async function openSqsHeartbeat(options: SqsOptions): Promise<Pick<TaskQueue, 'extend' | 'close'>> {
  const clients = new AwsClients(options.clients);
  const { name, leaseSeconds } = options;
  try {
    const place = await findQueue(clients, name, 'heartbeat', leaseSeconds * 1_000 * PATIENCE);
    return { extend: (receipts) => extendLeases(place, receipts, leaseSeconds), close: () => clients.close() };
  } catch (error) {
    await clients.close();
    throw error;
  }
}
