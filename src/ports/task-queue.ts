import type { Backlog, QueueCounts, TenantBacklog } from '../model/backlog.ts';

/**
 * The queue delivers (law 1), at least once, in no order. One queue a worker group.
 *
 * Laws every adapter keeps, and `test/contracts/task-queue.ts` proves:
 * - A sent message is delivered until it is acked or buried; a delivery hides it for the lease.
 * - When a lease ends unsettled, the message is delivered again, with a new receipt and a count one higher.
 * - A receipt that is stale (its lease ended and the message was received again) settles nothing:
 *   `extend` says `lost`; `ack`, `release` and `bury` may be ignored in silence.
 * - Release with delay 0 makes the message receivable at once.
 * - An empty receive does not mean an empty queue (law 7).
 */
export interface TaskQueue {
  readonly group: string;

  /** Sends any number of messages, in the service's batches. Throws if any could not be sent. */
  send(messages: readonly OutgoingMessage[]): Promise<void>;

  /**
   * Takes up to `max` messages, waiting up to `waitSeconds` for the first. An aborted signal ends the wait early;
   * messages taken by then are still returned.
   */
  receive(options: ReceiveOptions): Promise<readonly Delivery[]>;

  /** Extends leases to `leaseSeconds` from now; returns one verdict per receipt, in order. */
  extend(receipts: readonly Receipt[]): Promise<readonly ('extended' | 'lost')[]>;

  /** Ends deliveries whose work is done. */
  ack(receipts: readonly Receipt[]): Promise<void>;

  /** Releases deliveries, each receivable after its delay in seconds. */
  release(releases: readonly { readonly receipt: Receipt; readonly delay: number }[]): Promise<void>;

  /** Moves deliveries to the dead letters, each with its reason. */
  bury(burials: readonly { readonly delivery: Delivery; readonly reason: string }[]): Promise<void>;

  /** How long a lease lasts, in seconds, unless it is extended. */
  readonly leaseSeconds: number;

  /** Approximate counts. One sample proves nothing about emptiness. */
  backlog(): Promise<Backlog>;

  /** The same without the dead letters, which on some services cost a request of their own: for callers that poll. */
  readCounts(): Promise<QueueCounts>;

  /** One tenant's messages; absent if the service can't distinguish tenants. */
  ofTenant?(tenant: string): Promise<TenantBacklog>;

  /** The dead letters, oldest first; on some services reading hides them for a while. */
  dead(options?: { readonly limit?: number }): AsyncIterable<DeadLetter>;

  /** Sends dead letters whose body satisfies `match` back; returns how many. */
  redrive(options: { readonly match?: (body: string) => boolean; readonly limit?: number }): Promise<number>;

  /** Deletes waiting messages (all, or those whose body satisfies `match`); returns how many, or null if unknown. */
  purge(options: { readonly match?: (body: string) => boolean }): Promise<number | null>;

  close(): Promise<void>;
}

declare const receiptBrand: unique symbol;
export type Receipt = string & { readonly [receiptBrand]: true };

export interface OutgoingMessage {
  readonly body: string;
  /** The message's tenant, among whom deliveries take turns: the job's id. */
  readonly tenant: string;
  /** Seconds before it may be received; at most 900 (SQS: SendMessage). */
  readonly delay?: number;
}

export interface ReceiveOptions {
  readonly max: number;
  /** At most 20 (SQS: ReceiveMessage). */
  readonly waitSeconds: number;
  readonly signal?: AbortSignal;
}

export interface Delivery {
  readonly receipt: Receipt;
  readonly body: string;
  /** 1 at the first delivery; also grows with drains and lost leases, so it doesn't count failures (law 8). */
  readonly receiveCount: number;
  /** When it was sent, in milliseconds since the epoch, by the queue's clock. */
  readonly sentAt: number;
}

export interface DeadLetter {
  readonly body: string;
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly buriedAt: number;
}
