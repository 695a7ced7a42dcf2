import { join } from 'node:path';
import { BatchctlError, isKind } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Durability, Sqlite } from '../../lib/sqlite.ts';
import type { Backlog, QueueCounts, TenantBacklog } from '../../model/backlog.ts';
import type {
  DeadLetter,
  Delivery,
  OutgoingMessage,
  Receipt,
  ReceiveOptions,
  TaskQueue,
} from '../../ports/task-queue.ts';
import { SqliteMessages } from './sqlite-messages.ts';
import { openVersioned, retryBusy } from './sqlite-open.ts';
import { LEASED, QUEUE_SCHEMA, READY, TIMED } from './sqlite-queue-statements.ts';

/** Waits that a call can end early, so that a receive sees what this process sends before the next poll. */
class Wakeup {
  readonly #waiting = new Set<() => void>();
  #count = 0;

  /** Grows with every wake, so that a waiter notices what happened while it was busy. */
  get count(): number {
    return this.#count;
  }

  wake(): void {
    this.#count += 1;
    for (const end of [...this.#waiting]) end();
  }

  /** Resolves after `ms`, at the next `wake`, or when the signal aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waiting.add(end);
      signal?.addEventListener('abort', end);
    });
  }
}

/** How many bodies of delayed messages are shown. */
const SHOWN = 20;

interface CountRow {
  readonly total: number;
  readonly leased: number;
  readonly lease_end: number | null;
  readonly delayed: number;
  readonly due: number | null;
  readonly last_due: number | null;
}

const selectInPhase = (phase: number, what: string): string =>
  `(SELECT ${what} FROM messages WHERE lane = lanes.id AND phase = ${phase} AND due > @now)`;

/** One tenant's messages in a group's queue, counted by the index of lane and phase. Throws SQLite's own errors. */
function tenantBacklog(db: Sqlite, group: string, tenant: string, now: number): TenantBacklog {
  const counts = db.prepare<[{ group: string; tenant: string; now: number }], CountRow>(
    `SELECT total, ${selectInPhase(LEASED, 'count(*)')} AS leased, ${selectInPhase(LEASED, 'min(due)')} AS lease_end,
       ${selectInPhase(TIMED, 'count(*)')} AS delayed, ${selectInPhase(TIMED, 'min(due)')} AS due, ${selectInPhase(TIMED, 'max(due)')} AS last_due
     FROM lanes WHERE grp = @group AND tenant = @tenant`,
  );
  const bodies = db
    .prepare<[{ group: string; tenant: string; now: number }], string>(
      `SELECT body FROM lanes JOIN messages ON lane = lanes.id AND phase = ${TIMED} AND due > @now
       WHERE grp = @group AND tenant = @tenant ORDER BY due LIMIT ${SHOWN}`,
    )
    .pluck();
  return db.transaction('deferred', (): TenantBacklog => {
    const row = counts.get({ group, tenant, now });
    const { total = 0, leased = 0, delayed = 0 } = row ?? {};
    return {
      visible: Math.max(0, total - leased - delayed),
      leased,
      leaseEnd: row?.lease_end ?? null,
      delayed,
      nextDue: row?.due ?? null,
      lastDue: row?.last_due ?? null,
      delayedBodies: delayed === 0 ? [] : bodies.all({ group, tenant, now }),
    };
  });
}

/** Messages per transaction: enough to be fast, few enough that others wait some milliseconds at most. */
const BATCH = 1000;
/** Wait between looks for work, from first to longest, milliseconds, with jitter. */
const POLL_MS = { first: 5, last: 50 } as const;
/** SQS's limit (SendMessage: DelaySeconds), so that jobs that run here also run there. */
const MAX_DELAY_SECONDS = 900;

export interface SqliteQueueOptions {
  /** The profile's root; `queue.db` in it holds the queues of all groups. */
  readonly root: string;
  readonly group: string;
  /** The worker's id. Its messages can be released when it dies. */
  readonly holder: string;
  /** How long a lease lasts, seconds; 15 by default. */
  readonly leaseSeconds?: number;
  readonly durability?: Durability;
  readonly clock?: Clock;
  /** How long to wait for a locked database before it counts as `unavailable`, milliseconds; 10,000 by default. */
  readonly lockWaitMs?: number;
}

/** Opens the queue of one group, creating the file if need be. Throws `newer`, `unavailable`, `full`, `corrupt`. */
export async function openSqliteQueue(options: SqliteQueueOptions): Promise<SqliteQueue> {
  const file = join(options.root, 'queue.db');
  const { durability = 'process', lockWaitMs = 10_000 } = options;
  const db = await openVersioned(file, QUEUE_SCHEMA, { durability, waitMs: lockWaitMs });
  return new SqliteQueue(db, file, options);
}

/** The queue of one group in a SQLite file that many processes share. Every method throws `unavailable` or `full`. */
export class SqliteQueue implements TaskQueue {
  readonly group: string;
  readonly leaseSeconds: number;
  readonly #db: Sqlite;
  readonly #file: string;
  readonly #messages: SqliteMessages;
  readonly #holder: string;
  readonly #clock: Clock;
  readonly #lockWaitMs: number;
  readonly #wakeup = new Wakeup();

  constructor(db: Sqlite, file: string, options: SqliteQueueOptions) {
    this.group = options.group;
    this.leaseSeconds = options.leaseSeconds ?? 15;
    this.#db = db;
    this.#file = file;
    this.#messages = new SqliteMessages(db, options.group);
    this.#holder = options.holder;
    this.#clock = options.clock ?? systemClock;
    this.#lockWaitMs = options.lockWaitMs ?? 10_000;
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    const late = messages.find(({ delay = 0 }) => !(delay >= 0 && delay <= MAX_DELAY_SECONDS));
    if (late !== undefined) {
      throw new BatchctlError('unexpected', `a message's delay is 0 to ${MAX_DELAY_SECONDS} s, not ${late.delay}`);
    }
    for (let at = 0; at < messages.length; at += BATCH) {
      const batch = messages.slice(at, at + BATCH);
      await this.#write(() => this.#messages.send(batch, this.#clock.now()));
    }
  }

  async receive({ max, waitSeconds, signal }: ReceiveOptions): Promise<readonly Delivery[]> {
    const end = this.#clock.monotonic() + waitSeconds * 1000;
    try {
      while (this.#db.open && max > 0 && !signal?.aborted) {
        const taken = await this.#run(
          () => this.#messages.claim(max, this.#holder, this.#clock.now(), this.#leaseEnd()),
          signal,
        );
        if (taken.length > 0 || !(await this.#waitForWork(end, signal))) return taken;
      }
    } catch (error) {
      // The caller aborted while another process held the lock.
      if (signal?.aborted !== true || !isKind(error, 'unavailable')) throw error;
    }
    return [];
  }

  async extend(receipts: readonly Receipt[]): Promise<readonly ('extended' | 'lost')[]> {
    return receipts.length === 0 ? [] : await this.#run(() => this.#messages.extend(receipts, this.#leaseEnd()));
  }

  async ack(receipts: readonly Receipt[]): Promise<void> {
    if (receipts.length > 0) await this.#run(() => this.#messages.ack(receipts));
  }

  async release(releases: readonly { readonly receipt: Receipt; readonly delay: number }[]): Promise<void> {
    if (releases.length > 0) await this.#write(() => this.#messages.release(releases, this.#clock.now()));
  }

  async bury(burials: readonly { readonly delivery: Delivery; readonly reason: string }[]): Promise<void> {
    if (burials.length > 0) await this.#run(() => this.#messages.bury(burials, this.#clock.now()));
  }

  async backlog(): Promise<Backlog> {
    return await this.#run(() => this.#messages.backlog(this.#clock.now()));
  }

  async readCounts(): Promise<QueueCounts> {
    return await this.#run(() => this.#messages.backlog(this.#clock.now()));
  }

  async ofTenant(tenant: string): Promise<TenantBacklog> {
    return await this.#run(() => tenantBacklog(this.#db, this.group, tenant, this.#clock.now()));
  }

  /** Releases the messages of a worker that is known to be dead; returns how many. */
  async releaseHeldBy(holder: string): Promise<number> {
    return await this.#write(() => this.#messages.releaseHeldBy(holder));
  }

  async *dead(options: { readonly limit?: number } = {}): AsyncIterable<DeadLetter> {
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    let after = 0;
    while (left > 0) {
      const from = after;
      const page = await this.#run(() => this.#messages.deadPage(from, Math.min(left, BATCH)));
      for (const { body, reason, buried_at } of page) yield { body, reason, buriedAt: buried_at };
      left -= page.length;
      after = page.at(-1)?.id ?? after;
      if (page.length === 0) return;
    }
  }

  async redrive(options: { readonly match?: (body: string) => boolean; readonly limit?: number }): Promise<number> {
    const { match = () => true, limit = Number.POSITIVE_INFINITY } = options;
    // Letters buried from here on stay: one that fails again at once isn't sent in circles.
    const last = await this.#run(() => this.#messages.lastDeadId());
    let after = 0;
    let sent = 0;
    while (after < last && sent < limit) {
      const from = after;
      const page = await this.#run(() => this.#messages.deadPage(from, BATCH));
      const rows = page.filter(({ id, body }) => id <= last && match(body)).slice(0, limit - sent);
      if (rows.length > 0) sent += await this.#write(() => this.#messages.redrive(rows, this.#clock.now()));
      after = page.at(-1)?.id ?? last;
    }
    return sent;
  }

  /** Leased messages stay, and so do those sent after this began. */
  async purge(options: { readonly match?: (body: string) => boolean }): Promise<number> {
    const { match = () => true } = options;
    const bound = await this.#run(() => this.#messages.nextId());
    let purged = 0;
    for (const lane of await this.#run(() => this.#messages.lanes())) {
      for (const phase of [READY, TIMED, LEASED]) {
        let after = { due: -1, id: -1 };
        for (;;) {
          const from = after;
          const page = await this.#run(() => this.#messages.waitingPage(lane, phase, from, BATCH));
          const rows = page.filter(({ id, body }) => id < bound && match(body));
          if (rows.length > 0)
            purged += await this.#run(() => this.#messages.removeWaiting(lane, rows, this.#clock.now()));
          const last = page.at(-1);
          // Ready messages are in the order of their ids.
          if (last === undefined || (phase === READY && last.id >= bound)) break;
          after = last;
        }
      }
    }
    return purged;
  }

  /** Ends waits and closes the file; leases stay until they expire. */
  async close(): Promise<void> {
    this.#db.close();
    this.#wakeup.wake();
  }

  /** False when the time is over, the signal aborted or the queue is closed before anything seems receivable. */
  async #waitForWork(end: number, signal: AbortSignal | undefined): Promise<boolean> {
    let looked = '';
    let due: number | null = null;
    let pause: number = POLL_MS.first;
    while (this.#db.open && !signal?.aborted && this.#clock.monotonic() < end) {
      // Cheap check first: nothing is read unless another connection has committed.
      const seen = `${await this.#run(() => this.#messages.dataVersion(), signal)}/${this.#wakeup.count}`;
      if (seen !== looked) due = await this.#run(() => this.#messages.nextDue(), signal);
      looked = seen;
      if (due !== null && due <= this.#clock.now()) return true;
      const left = Math.max(1, end - this.#clock.monotonic());
      await this.#wakeup.pause(Math.min(left, pause * (0.75 + Math.random() / 2)), signal);
      pause = Math.min(pause * 1.5, POLL_MS.last);
    }
    return false;
  }

  #leaseEnd(): number {
    return this.#clock.now() + this.leaseSeconds * 1000;
  }

  async #run<T>(work: () => T, signal?: AbortSignal): Promise<T> {
    return await retryBusy(this.#file, this.#lockWaitMs, work, signal);
  }

  /** As `run`, for work that may make messages receivable: waiting receives in this process look at once. */
  async #write<T>(work: () => T): Promise<T> {
    const result = await this.#run(work);
    this.#wakeup.wake();
    return result;
  }
}
