import type { Sqlite } from '../../lib/sqlite.ts';
import type { Backlog } from '../../model/backlog.ts';
import type { Delivery, OutgoingMessage, Receipt } from '../../ports/task-queue.ts';
import {
  type DeadRow,
  LEASED,
  prepareQueue,
  type QueueStatements,
  READY,
  TIMED,
  type WaitingRow,
} from './sqlite-queue-statements.ts';

/**
 * Shares `max` places among lanes in turn, beginning after the lane that was served last, so that a small job doesn't
 * wait for a large one. `take` gets a lane and how many messages it may take, and returns how many it took. Returns the
 * lane that was served last. `lanes` are ascending.
 */
function takeTurns(
  lanes: readonly number[],
  served: number,
  max: number,
  take: (lane: number, want: number) => number,
): number {
  const first = lanes.findIndex((lane) => lane > served);
  let open = first > 0 ? [...lanes.slice(first), ...lanes.slice(0, first)] : lanes;
  let left = max;
  let last = served;
  while (left > 0 && open.length > 0) {
    const share = Math.max(1, Math.floor(left / open.length));
    const unsated: number[] = [];
    for (const lane of open) {
      if (left === 0) break;
      const want = Math.min(share, left);
      const got = take(lane, want);
      if (got > 0) last = lane;
      if (got === want) unsated.push(lane);
      left -= got;
    }
    open = unsated;
  }
  return last;
}

const CLAIM_ORDER = [LEASED, TIMED, READY] as const;

/**
 * The messages of one group in the queue's database. Each method is one short transaction, done completely or not at
 * all, whenever the process is killed. Throws SQLite's own errors (`SQLITE_BUSY` at once: the caller retries).
 */
export class SqliteMessages {
  readonly #db: Sqlite;
  readonly #group: string;
  readonly #sql: QueueStatements;
  /** The lane served last: the next claim begins after it. */
  #served: number | null = null;

  constructor(db: Sqlite, group: string) {
    this.#db = db;
    this.#group = group;
    this.#sql = prepareQueue(db);
  }

  send(messages: readonly OutgoingMessage[], now: number): void {
    this.#write(() => this.#insert(messages, now));
  }

  /** Leases up to `max` deliveries until `leaseEnd`, taking tenants in turn. */
  claim(max: number, holder: string, now: number, leaseEnd: number): Delivery[] {
    return this.#write(() => {
      const deliveries: Delivery[] = [];
      const lanes = this.#sql.lanes.all(this.#group);
      // Each process begins at a random lane, so that many that take one message each don't all take the first
      // tenant's.
      const served = this.#served ?? lanes[Math.floor(Math.random() * lanes.length)] ?? 0;
      this.#served = takeTurns(lanes, served, max, (lane, want) => {
        const before = deliveries.length;
        for (const phase of CLAIM_ORDER) {
          const left = want - (deliveries.length - before);
          if (left === 0) break;
          for (const row of this.#sql.claim.all(leaseEnd, holder, lane, phase, now, left)) {
            const receipt = `${row.id}.${row.receives}` as Receipt;
            deliveries.push({ receipt, body: row.body, receiveCount: row.receives, sentAt: row.sent_at });
          }
        }
        return deliveries.length - before;
      });
      return deliveries;
    });
  }

  /** When the first message can be received, milliseconds since the epoch (past: now); null if none will. */
  nextDue(): number | null {
    return this.#sql.nextDue.get({ group: this.#group }) ?? null;
  }

  /** Changes whenever another connection commits. */
  dataVersion(): number {
    return Number(this.#db.pragma('data_version'));
  }

  extend(receipts: readonly Receipt[], leaseEnd: number): ('extended' | 'lost')[] {
    return this.#write(() =>
      receipts.map((receipt) => {
        const { id, receives } = parseReceipt(receipt);
        return this.#sql.extend.run(leaseEnd, id, receives).changes === 1 ? 'extended' : 'lost';
      }),
    );
  }

  ack(receipts: readonly Receipt[]): void {
    this.#write(() => {
      const gone = new Map<number, number>();
      for (const receipt of receipts) this.#remove(receipt, gone);
      this.#shrink(gone);
    });
  }

  release(releases: readonly { readonly receipt: Receipt; readonly delay: number }[], now: number): void {
    this.#write(() => {
      for (const { receipt, delay } of releases) {
        const { id, receives } = parseReceipt(receipt);
        this.#sql.release.run(delay > 0 ? now + Math.round(delay * 1000) : 0, id, receives);
      }
    });
  }

  bury(burials: readonly { readonly delivery: Delivery; readonly reason: string }[], now: number): void {
    this.#write(() => {
      const gone = new Map<number, number>();
      for (const { delivery, reason } of burials) {
        const { id, receives } = parseReceipt(delivery.receipt);
        if (this.#sql.bury.run(reason, now, id, receives).changes === 1) this.#remove(delivery.receipt, gone);
      }
      this.#shrink(gone);
    });
  }

  releaseHeldBy(holder: string): number {
    return this.#write(() => this.#sql.releaseHeld.run(this.#group, holder).changes);
  }

  backlog(now: number): Backlog {
    return this.#db.transaction('deferred', () => {
      const row = this.#sql.backlog.get({ group: this.#group, now });
      const { total = 0, leased = 0, delayed = 0, oldest = null } = row ?? {};
      return {
        visible: Math.max(0, total - leased - delayed),
        leased,
        delayed,
        dead: this.#sql.deadCount.get(this.#group) ?? 0,
        oldestSeconds: oldest === null ? null : Math.max(0, (now - oldest) / 1000),
      };
    });
  }

  /** Messages sent from now on get this id or a higher one. */
  nextId(): number {
    return this.#sql.nextId.get() ?? 0;
  }

  lanes(): number[] {
    return this.#sql.lanes.all(this.#group);
  }

  /** Messages of a lane in a phase after (due, id), in that order. */
  waitingPage(lane: number, phase: number, after: { due: number; id: number }, limit: number): WaitingRow[] {
    return this.#sql.waitingPage.all(lane, phase, after.due, after.id, limit);
  }

  /** Deletes those that are unchanged since they were read and not leased; returns how many. */
  removeWaiting(lane: number, rows: readonly WaitingRow[], now: number): number {
    return this.#write(() => {
      let removed = 0;
      for (const row of rows) removed += this.#sql.removeWaiting.run(row.id, row.receives, now).changes;
      this.#shrink(new Map([[lane, removed]]));
      return removed;
    });
  }

  lastDeadId(): number {
    return this.#sql.lastDead.get(this.#group) ?? 0;
  }

  deadPage(after: number, limit: number): DeadRow[] {
    return this.#sql.deadPage.all(this.#group, after, limit);
  }

  /** Turns dead letters into new messages; returns how many of them still existed. */
  redrive(rows: readonly DeadRow[], now: number): number {
    return this.#write(() => {
      const redriven = rows.filter((row) => this.#sql.unbury.run(row.id).changes === 1);
      this.#insert(redriven, now);
      return redriven.length;
    });
  }

  #write<T>(work: () => T): T {
    return this.#db.transaction('immediate', work);
  }

  #insert(messages: readonly OutgoingMessage[], now: number): void {
    if (messages.length === 0) return;
    const counts = new Map<string, number>();
    for (const { tenant } of messages) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    const lanes = new Map<string, number>();
    for (const [tenant, count] of counts) lanes.set(tenant, this.#sql.growLane.get(this.#group, tenant, count) ?? 0);
    let id = (this.#sql.takeIds.get(messages.length) ?? 0) - messages.length;
    for (const { tenant, body, delay = 0 } of messages) {
      const due = delay > 0 ? now + Math.round(delay * 1000) : 0;
      this.#sql.insert.run(id, lanes.get(tenant) ?? 0, due > 0 ? TIMED : READY, due, now, body);
      id += 1;
    }
  }

  #remove(receipt: Receipt, gone: Map<number, number>): void {
    const { id, receives } = parseReceipt(receipt);
    const lane = this.#sql.ack.get(id, receives);
    if (lane !== undefined) gone.set(lane, (gone.get(lane) ?? 0) + 1);
  }

  #shrink(gone: ReadonlyMap<number, number>): void {
    for (const [lane, count] of gone) {
      this.#sql.shrinkLane.run(count, lane);
      this.#sql.dropEmptyLane.run(lane);
    }
  }
}

/** A receipt is `<message>.<delivery>`; any other text, like a stale receipt, names a message that doesn't exist. */
function parseReceipt(receipt: Receipt): { id: number; receives: number } {
  const [id, receives] = receipt.split('.').map(Number);
  return {
    id: Number.isSafeInteger(id) ? Number(id) : -1,
    receives: Number.isSafeInteger(receives) ? Number(receives) : -1,
  };
}
