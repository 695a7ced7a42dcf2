import { wait } from '../../../src/lib/wait.ts';
import type { Backlog } from '../../../src/model/backlog.ts';
import type { Delivery, Receipt, TaskQueue } from '../../../src/ports/task-queue.ts';
import type { Requests } from './requests.ts';

interface Message {
  readonly body: string;
  readonly sentAt: number;
  count: number;
  receipt: Receipt | null;
  until: number;
}

/** Milliseconds that SQS takes to answer, approximately. */
const TAKES_MS = 20;
/** Messages of a batch. */
const TEN = 10;

/** The queue of a simulation's group: it delivers at least once, roughly in order, with leases. */
export class FleetQueue {
  /** The number of released deliveries. */
  released = 0;
  readonly #requests: Requests;
  readonly #leaseSeconds: number;
  readonly #now: () => number;
  readonly #leased = new Map<Receipt, Message>();
  #visible: Message[] = [];
  #first = 0;
  #delayed = 0;
  #receipts = 0;
  readonly #pollers: (() => void)[] = [];

  constructor(requests: Requests, leaseSeconds: number, now: () => number) {
    this.#requests = requests;
    this.#leaseSeconds = leaseSeconds;
    this.#now = now;
  }

  /** The queue for one process. Requests are counted and take time. `alive` never resolves if the process is dead. */
  clientFor(alive: () => Promise<void>): TaskQueue {
    const request = async (action: string, count = TEN): Promise<void> => {
      await alive();
      this.#requests.count(`sqs:${action}`, Math.ceil(count / TEN));
      await wait(TAKES_MS);
      await alive();
    };
    return {
      group: 'default',
      leaseSeconds: this.#leaseSeconds,
      send: async (messages) => {
        await request('SendMessageBatch', messages.length);
        const sentAt = Date.now();
        for (const { body, delay = 0 } of messages)
          this.#add({ body, sentAt, count: 0, receipt: null, until: 0 }, delay);
      },
      receive: async ({ max, waitSeconds, signal }) => {
        const end = performance.now() + Math.ceil(waitSeconds) * 1_000;
        await request('ReceiveMessage');
        while (!signal?.aborted) {
          const taken = this.#take(max);
          const left = end - performance.now();
          if (taken.length > 0 || left <= 0) return taken;
          await this.#poll(left, signal);
          await alive();
        }
        return [];
      },
      extend: async (receipts) => {
        await request('ChangeMessageVisibilityBatch', receipts.length);
        return receipts.map((receipt) => this.#extend(receipt));
      },
      ack: async (receipts) => {
        await request('DeleteMessageBatch', receipts.length);
        for (const receipt of receipts) this.#leased.delete(receipt);
      },
      release: async (releases) => {
        await request('ChangeMessageVisibilityBatch', releases.length);
        this.released += releases.length;
        for (const { receipt, delay } of releases) {
          const message = this.#leased.get(receipt);
          this.#leased.delete(receipt);
          if (message !== undefined) this.#add(message, delay);
        }
      },
      bury: async (burials) => {
        await request('SendMessageBatch', burials.length);
        for (const { delivery } of burials) this.#leased.delete(delivery.receipt);
      },
      backlog: async () => {
        // One request for the queue, and one for its dead-letter queue.
        await request('GetQueueAttributes', 2 * TEN);
        return this.#counts();
      },
      readCounts: async () => {
        await request('GetQueueAttributes');
        return this.#counts();
      },
      dead: async function* () {},
      redrive: async () => 0,
      purge: async () => 0,
      close: async () => undefined,
    };
  }

  #counts(): Backlog {
    const visible = this.#visible.length - this.#first;
    return { visible, leased: this.#leased.size, delayed: this.#delayed, dead: 0, oldestSeconds: null };
  }

  #add(message: Message, delay: number): void {
    if (delay > 0) {
      this.#delayed += 1;
      setTimeout(() => {
        this.#delayed -= 1;
        this.#add(message, 0);
      }, delay * 1_000);
      return;
    }
    this.#visible.push(message);
    this.#pollers.shift()?.();
  }

  #take(max: number): readonly Delivery[] {
    const taken: Delivery[] = [];
    for (let message = this.#visible[this.#first]; message !== undefined && taken.length < Math.min(max, TEN); ) {
      this.#first += 1;
      this.#receipts += 1;
      const receipt = `r${this.#receipts}` as Receipt;
      Object.assign(message, { receipt, count: message.count + 1, until: this.#now() + this.#leaseSeconds * 1_000 });
      this.#leased.set(receipt, message);
      this.#expire(receipt, message);
      taken.push({ receipt, body: message.body, receiveCount: message.count, sentAt: message.sentAt });
      message = this.#visible[this.#first];
    }
    if (this.#first > 10_000) {
      this.#visible = this.#visible.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }

  /** Resolves when a message may have arrived, or after `ms` milliseconds. */
  async #poll(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const waiting = new AbortController();
    const end = (): void => waiting.abort();
    signal?.addEventListener('abort', end, { once: true });
    this.#pollers.push(end);
    await wait(ms, waiting.signal);
    signal?.removeEventListener('abort', end);
    const at = this.#pollers.indexOf(end);
    if (at !== -1) this.#pollers.splice(at, 1);
  }

  #extend(receipt: Receipt): 'extended' | 'lost' {
    const message = this.#leased.get(receipt);
    if (message === undefined) return 'lost';
    message.until = this.#now() + this.#leaseSeconds * 1_000;
    return 'extended';
  }

  #expire(receipt: Receipt, message: Message): void {
    setTimeout(
      () => {
        if (!this.#leased.has(receipt)) return;
        if (this.#now() < message.until) return this.#expire(receipt, message);
        this.#leased.delete(receipt);
        this.#add(message, 0);
      },
      message.until - this.#now() + 1,
    );
  }
}
