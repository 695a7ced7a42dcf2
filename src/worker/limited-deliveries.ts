import type { Delivery, Receipt } from '../ports/task-queue.ts';
import type { QueueClient } from './queue-clients.ts';

/** A delivery that keeps its lease until `maxRunning` admits it. */
interface LimitedDelivery {
  readonly queue: QueueClient;
  readonly delivery: Delivery;
  /** Name of its task. */
  readonly name: string;
}

/**
 * A few deliveries held back by `maxRunning`: without them a limited job would idle between receives. They are admitted
 * like any delivery, by the journal as of then.
 */
export class LimitedDeliveries {
  readonly #most: number;
  readonly #held: LimitedDelivery[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#held.length;
  }

  /** Returns false if enough are held. */
  hold(limited: LimitedDelivery): boolean {
    if (this.#held.length >= this.#most) return false;
    this.#held.push(limited);
    return true;
  }

  /** Releases and returns the oldest ones. */
  take(count: number): readonly LimitedDelivery[] {
    return this.#held.splice(0, count);
  }

  /** The delivery of a lost lease; null if it isn't held. */
  remove(receipt: Receipt): LimitedDelivery | null {
    const at = this.#held.findIndex(({ delivery }) => delivery.receipt === receipt);
    return at === -1 ? null : (this.#held.splice(at, 1)[0] ?? null);
  }
}
