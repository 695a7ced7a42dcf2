import { wait } from '../../../src/lib/wait.ts';
import type {
  Backlog,
  DeadLetter,
  Delivery,
  Held,
  OutgoingMessage,
  Receipt,
  ReceiveOptions,
  TaskQueue,
} from '../../../src/ports/task-queue.ts';
import type { Requests } from './requests.ts';

interface Message {
  readonly body: string;
  readonly sentAt: number;
  count: number;
  receipt: Receipt | null;
  until: number;
}

/** Milliseconds that SQS takes to answer, about. */
const TAKES_MS = 20;
const TEN = 10;

/** A group's queue that all of a simulation share: at least once, in about the order of sending, with leases. */
export class FleetQueue {
  readonly requests: Requests;
  readonly leaseSeconds: number;
  readonly dead: string[] = [];
  /** Deliveries that were given back. */
  released = 0;
  readonly #now: () => number;
  readonly #leased = new Map<Receipt, Message>();
  #visible: Message[] = [];
  #first = 0;
  #delayed = 0;
  #receipts = 0;
  readonly #pollers: (() => void)[] = [];

  constructor(requests: Requests, leaseSeconds: number, now: () => number) {
    this.requests = requests;
    this.leaseSeconds = leaseSeconds;
    this.#now = now;
  }

  get waiting(): number {
    return this.#visible.length - this.#first;
  }

  counts(): Backlog {
    return { visible: this.waiting, leased: this.#leased.size, delayed: this.#delayed, dead: 0, oldestSeconds: null };
  }

  add(message: Message, delay: number): void {
    if (delay > 0) {
      this.#delayed += 1;
      setTimeout(() => {
        this.#delayed -= 1;
        this.add(message, 0);
      }, delay * 1_000);
      return;
    }
    this.#visible.push(message);
    this.#pollers.shift()?.();
  }

  take(max: number): readonly Delivery[] {
    const taken: Delivery[] = [];
    for (let message = this.#visible[this.#first]; message !== undefined && taken.length < Math.min(max, TEN); ) {
      this.#first += 1;
      this.#receipts += 1;
      const receipt = `r${this.#receipts}` as Receipt;
      Object.assign(message, { receipt, count: message.count + 1, until: this.#now() + this.leaseSeconds * 1_000 });
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

  /** Resolves when something may have come, or after `ms` milliseconds. */
  async poll(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const moment = new AbortController();
    const come = (): void => moment.abort();
    signal?.addEventListener('abort', come, { once: true });
    this.#pollers.push(come);
    await wait(ms, moment.signal);
    signal?.removeEventListener('abort', come);
    const at = this.#pollers.indexOf(come);
    if (at !== -1) this.#pollers.splice(at, 1);
  }

  extend(receipt: Receipt): 'extended' | 'lost' {
    const message = this.#leased.get(receipt);
    if (message === undefined) return 'lost';
    message.until = this.#now() + this.leaseSeconds * 1_000;
    return 'extended';
  }

  /** Takes a leased message away; undefined where the lease has ended. */
  settle(receipt: Receipt): Message | undefined {
    const message = this.#leased.get(receipt);
    this.#leased.delete(receipt);
    return message;
  }

  #expire(receipt: Receipt, message: Message): void {
    setTimeout(
      () => {
        if (!this.#leased.has(receipt)) return;
        if (this.#now() < message.until) return this.#expire(receipt, message);
        this.#leased.delete(receipt);
        this.add(message, 0);
      },
      message.until - this.#now() + 1,
    );
  }
}

/** The queue as one process sees it: each request is counted, and takes its time. */
export class FleetQueueClient implements TaskQueue {
  readonly group = 'default';
  readonly leaseSeconds: number;
  readonly #queue: FleetQueue;
  readonly #alive: () => Promise<void>;

  constructor(queue: FleetQueue, alive: () => Promise<void>) {
    this.leaseSeconds = queue.leaseSeconds;
    this.#queue = queue;
    this.#alive = alive;
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    await this.#ask('SendMessageBatch', Math.ceil(messages.length / TEN));
    const sentAt = Date.now();
    for (const { body, delay = 0 } of messages)
      this.#queue.add({ body, sentAt, count: 0, receipt: null, until: 0 }, delay);
  }

  async receive({ max, waitSeconds, signal }: ReceiveOptions): Promise<readonly Delivery[]> {
    const end = performance.now() + Math.ceil(waitSeconds) * 1_000;
    await this.#ask('ReceiveMessage');
    while (!signal?.aborted) {
      const taken = this.#queue.take(max);
      const left = end - performance.now();
      if (taken.length > 0 || left <= 0) return taken;
      await this.#queue.poll(left, signal);
      await this.#alive();
    }
    return [];
  }

  async extend(receipts: readonly Receipt[]): Promise<readonly ('extended' | 'lost')[]> {
    await this.#ask('ChangeMessageVisibilityBatch', Math.ceil(receipts.length / TEN));
    return receipts.map((receipt) => this.#queue.extend(receipt));
  }

  async ack(receipts: readonly Receipt[]): Promise<void> {
    await this.#ask('DeleteMessageBatch', Math.ceil(receipts.length / TEN));
    for (const receipt of receipts) this.#queue.settle(receipt);
  }

  async release(releases: readonly { readonly receipt: Receipt; readonly delay: number }[]): Promise<void> {
    await this.#ask('ChangeMessageVisibilityBatch', Math.ceil(releases.length / TEN));
    this.#queue.released += releases.length;
    for (const { receipt, delay } of releases) {
      const message = this.#queue.settle(receipt);
      if (message !== undefined) this.#queue.add(message, delay);
    }
  }

  async bury(burials: readonly { readonly delivery: Delivery; readonly reason: string }[]): Promise<void> {
    await this.#ask('SendMessageBatch', Math.ceil(burials.length / TEN));
    for (const { delivery, reason } of burials) {
      this.#queue.dead.push(reason);
      this.#queue.settle(delivery.receipt);
    }
  }

  async backlog(): Promise<Backlog> {
    // Of the queue, and of its dead letters.
    await this.#ask('GetQueueAttributes', 2);
    return this.#queue.counts();
  }

  async held(): Promise<Held> {
    await this.#ask('GetQueueAttributes');
    return this.#queue.counts();
  }

  async *dead(): AsyncIterable<DeadLetter> {}

  async redrive(): Promise<number> {
    return 0;
  }

  async purge(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  async #ask(action: string, times = 1): Promise<void> {
    await this.#alive();
    this.#queue.requests.count(`sqs:${action}`, times);
    await wait(TAKES_MS);
    await this.#alive();
  }
}
