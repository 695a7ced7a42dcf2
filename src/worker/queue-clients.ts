import { EventEmitter } from 'node:events';
import { Batcher } from '../lib/batcher.ts';
import type { Platform } from '../ports/platform.ts';
import type { Delivery, OutgoingMessage, Receipt, ReceiveOptions, TaskQueue } from '../ports/task-queue.ts';
import { HeldLeases } from './held-leases.ts';

interface QueueClientsOptions {
  readonly platform: Pick<Platform, 'queue' | 'queueModule'>;
  readonly onError: (message: string) => void;
}

/**
 * The queues of a worker's groups, and those it sends to: each opened once, with its leases kept. Emits `lost` once for each
 * held lease that is lost.
 */
export class QueueClients extends EventEmitter<{ lost: [Receipt] }> {
  readonly #o: QueueClientsOptions;
  readonly #known = new Map<string, QueueClient>();

  constructor(options: QueueClientsOptions) {
    super();
    this.#o = options;
  }

  async get(group: string): Promise<QueueClient> {
    const known = this.#known.get(group);
    if (known !== undefined) return known;
    const { platform, onError } = this.#o;
    const queue = await platform.queue(group);
    const leases = new HeldLeases({
      queue: platform.queueModule(group),
      leaseSeconds: queue.leaseSeconds,
      onLost: (receipt) => this.emit('lost', receipt),
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

/** Keeps leases alive while their tasks run. */
export type Leases = Pick<HeldLeases, 'hold' | 'drop' | 'dropAndWait' | 'close'>;

const LINGER = { lingerMs: 2, busyMs: 20 } as const;

/** A queue whose operations are batched, and whose deliveries keep their leases until they are settled. */
export class QueueClient {
  readonly queue: TaskQueue;
  readonly #leases: Leases;
  readonly #acks: Batcher<Receipt>;
  readonly #releases: Batcher<{ readonly receipt: Receipt; readonly delay: number }>;
  readonly #burials: Batcher<{ readonly delivery: Delivery; readonly reason: string }>;
  readonly #sends: Batcher<OutgoingMessage>;

  constructor(queue: TaskQueue, leases: Leases) {
    this.queue = queue;
    this.#leases = leases;
    const settling = <T>(max: number, receiptOf: (item: T) => Receipt, act: (batch: readonly T[]) => Promise<void>) =>
      new Batcher<T>({ max, ...LINGER, flush: (batch) => this.#settle(batch.map(receiptOf), () => act(batch)) });
    this.#acks = settling(
      500,
      (receipt) => receipt,
      (batch) => queue.ack(batch),
    );
    this.#releases = settling(
      500,
      ({ receipt }) => receipt,
      (batch) => queue.release(batch),
    );
    this.#burials = settling(
      100,
      ({ delivery }) => delivery.receipt,
      (batch) => queue.bury(batch),
    );
    this.#sends = new Batcher({ max: 500, ...LINGER, flush: (batch) => queue.send(batch) });
  }

  async receive(options: ReceiveOptions): Promise<readonly Delivery[]> {
    const deliveries = await this.queue.receive(options);
    if (deliveries.length > 0) this.#leases.hold(deliveries.map(({ receipt }) => receipt));
    return deliveries;
  }

  ack(receipt: Receipt): Promise<void> {
    return this.#acks.add(receipt);
  }

  release(receipt: Receipt, delay: number): Promise<void> {
    return this.#releases.add({ receipt, delay });
  }

  bury(delivery: Delivery, reason: string): Promise<void> {
    return this.#burials.add({ delivery, reason });
  }

  send(message: OutgoingMessage): Promise<void> {
    return this.#sends.add(message);
  }

  /** This process no longer owns a lost lease. */
  forget(receipt: Receipt): void {
    this.#leases.drop([receipt]);
  }

  async idle(): Promise<void> {
    for (const batcher of [this.#sends, this.#acks, this.#releases, this.#burials]) await batcher.idle();
  }

  async close(): Promise<void> {
    await this.idle();
    await this.#leases.close();
  }

  /** Stops the heartbeats and awaits the one in flight, so that none overrides a settlement. */
  async #settle(receipts: readonly Receipt[], act: () => Promise<void>): Promise<void> {
    await this.#leases.dropAndWait(receipts);
    await act();
  }
}
