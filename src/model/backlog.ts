export interface QueueCounts {
  readonly visible: number;
  readonly leased: number;
  readonly delayed: number;
}

/** Without the dead letters. */
export const totalMessages = ({ visible, leased, delayed }: QueueCounts): number => visible + leased + delayed;

export interface Backlog extends QueueCounts {
  readonly dead: number;
  /** Age in seconds of the oldest waiting message, null if none waits or it isn't known. */
  readonly oldestSeconds: number | null;
}

/** One tenant's messages at one moment. Instants are milliseconds since the epoch, by the queue's clock. */
export interface TenantBacklog {
  readonly visible: number;
  readonly leased: number;
  /** When the first of its leases expires, unless extended; null if none is leased. */
  readonly leaseEnd: number | null;
  readonly delayed: number;
  /** When the first, and the last, of the delayed ones become receivable; null if none is delayed. */
  readonly nextDue: number | null;
  readonly lastDue: number | null;
  /** The bodies of a few delayed ones, in the order in which they become due. */
  readonly delayedBodies: readonly string[];
}
