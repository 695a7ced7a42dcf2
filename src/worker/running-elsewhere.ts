import type { Clock } from '../lib/clock.ts';
import type { LedgerWorker } from '../model/ledger/records.ts';
import { type TaskMessage, taskName } from '../model/message.ts';
import type { Ledger } from '../ports/ledger.ts';

interface RunningElsewhereOptions {
  readonly ledger: () => Promise<Pick<Ledger, 'attempts' | 'workers'>>;
  readonly clock: Pick<Clock, 'now'>;
  readonly leaseSeconds: number;
  /** This worker's id. */
  readonly worker: string;
}

/**
 * Parts of a lease. A worker sends a heartbeat every third, so the last one of a live worker is younger than half a lease.
 * A dead worker's task returns when its lease expires: at least 0.6 of a lease after its last heartbeat, as it extended the
 * lease every third, too. A heartbeat from the future proves nothing: that worker's clock is wrong.
 */
const [ALIVE, AHEAD] = [1 / 2, 1 / 6];
/** How long a reading of the workers is used, as a part of a lease: thousands of tasks may return at once. */
const KEPT = 1 / 12;

/** What live workers run, by the ledger. Asked only about a task whose earlier delivery is unaccounted for. */
export class RunningElsewhere {
  readonly #o: RunningElsewhereOptions;
  #workers: { readonly at: number; readonly read: Promise<readonly LedgerWorker[]> } | null = null;

  constructor(options: RunningElsewhereOptions) {
    this.#o = options;
  }

  /**
   * True if another worker that lives runs an attempt of the task in its round. False if that is unknown: one more attempt
   * is better than a task that waits. Never rejects.
   */
  async has(message: TaskMessage): Promise<boolean> {
    try {
      const name = taskName(message);
      const holders = new Set<string>();
      for (const { worker, state, busy, seenAt } of await this.#read()) {
        const lives = state !== 'gone' && this.#isFresh(seenAt);
        if (worker !== this.#o.worker && lives && busy.includes(name)) holders.add(worker);
      }
      if (holders.size === 0) return false;
      // A heartbeat may be older than the end of the attempt, which is recorded before the task is returned.
      const attempts = await (await this.#o.ledger()).attempts(message.job, message.step, message.task);
      return attempts.some(
        ({ outcome, round, worker }) => outcome === 'running' && round === message.round && holders.has(worker),
      );
    } catch {
      return false;
    }
  }

  #isFresh(seenAt: number): boolean {
    const age = (this.#o.clock.now() - seenAt) / (this.#o.leaseSeconds * 1_000);
    return age < ALIVE && age > -AHEAD;
  }

  #read(): Promise<readonly LedgerWorker[]> {
    const { clock, leaseSeconds, ledger } = this.#o;
    const now = clock.now();
    const leaseMs = leaseSeconds * 1_000;
    const age = this.#workers === null ? Number.POSITIVE_INFINITY : now - this.#workers.at;
    if (this.#workers !== null && age >= 0 && age < leaseMs * KEPT) return this.#workers.read;
    const read = ledger().then((each) => each.workers({ since: now - leaseMs * ALIVE, shared: true }));
    this.#workers = { at: now, read };
    return read;
  }
}
