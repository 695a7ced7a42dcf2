import type { Platform } from '../ports/platform.ts';
import type { Receipt } from '../ports/task-queue.ts';
import { LeaseKeeper } from './lease.ts';
import { QueueClient } from './queue-client.ts';

export interface QueueClientsOptions {
  readonly platform: Pick<Platform, 'queue' | 'queueModule'>;
  /** Called once for each held lease that is lost. */
  readonly onLost: (receipt: Receipt) => void;
  readonly onError: (message: string) => void;
}

/** The queues of a worker's groups, and those it sends to: each opened once, with its leases kept. */
export class QueueClients {
  readonly #o: QueueClientsOptions;
  readonly #known = new Map<string, QueueClient>();

  constructor(options: QueueClientsOptions) {
    this.#o = options;
  }

  async get(group: string): Promise<QueueClient> {
    const known = this.#known.get(group);
    if (known !== undefined) return known;
    const { platform, onLost, onError } = this.#o;
    const queue = await platform.queue(group);
    const leases = new LeaseKeeper({
      queue: platform.queueModule(group),
      leaseSeconds: queue.leaseSeconds,
      onLost,
      onError,
    });
    // It may have been opened meanwhile.
    const client = this.#known.get(group) ?? new QueueClient(queue, leases);
    this.#known.set(group, client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#known.values()) await client.close();
  }
}
