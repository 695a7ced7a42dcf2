import type { Delivery, Receipt } from '../ports/task-queue.ts';
import type { QueueClient } from './queue-client.ts';

/** A delivery that waits, with its lease kept, until `maxRunning` lets it in. */
export interface Limited {
  readonly queue: QueueClient;
  readonly delivery: Delivery;
  /** Its task's name. */
  readonly name: string;
}

/**
 * A few deliveries that `maxRunning` holds back: without them a limited job would stand still between two receives.
 * They are let in as any delivery is, so by the journal as it is then.
 */
export class LimitedDeliveries {
  readonly #most: number;
  readonly #held: Limited[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#held.length;
  }

  /** Answers false when enough are held. */
  hold(limited: Limited): boolean {
    if (this.#held.length >= this.#most) return false;
    this.#held.push(limited);
    return true;
  }

  /** The oldest so many, which are held no more. */
  take(count: number): readonly Limited[] {
    return this.#held.splice(0, count);
  }

  /** The one of a lease that is lost; null if it isn't held. */
  lose(receipt: Receipt): Limited | null {
    const at = this.#held.findIndex(({ delivery }) => delivery.receipt === receipt);
    return at === -1 ? null : (this.#held.splice(at, 1)[0] ?? null);
  }
}
