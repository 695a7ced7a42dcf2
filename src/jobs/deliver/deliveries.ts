import { isKind } from '../../errors.ts';
import { deliveryOf, isDeliveryDue, nextTry } from '../../model/delivery.ts';
import { DUE, dueOf } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { PlacePassed } from '../fetch/fill-place.ts';
import { readView } from '../journal.ts';
import type { Seen } from '../seen.ts';
import { deliver, deliversHere, marksDelivery, readDueMark } from './deliver.ts';
import { deliveryLine } from './delivery-line.ts';

/** Between two looks of a busy process. */
const SELDOM_MS = 60_000;

/**
 * Deliveries by an onlooker, one after another, beside all that it does otherwise. A delivery that nobody has begun it
 * begins at its second look, so that whoever watches the job comes first; one that somebody began, once its mark was not
 * touched for two leases. As a rule then one process delivers; of two, the one that came last goes on.
 */
export class Deliveries {
  readonly #platform: Platform;
  readonly #signal: AbortSignal;
  readonly #log: { info(line: string): void; warn(line: string): void };
  readonly #passed: PlacePassed | undefined;
  readonly #queue = new Map<string, JobView>();
  /** Marks as they were seen first. */
  #seen: ReadonlyMap<string, Seen>;
  #running: Promise<void> | null = null;
  #current: string | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;

  /**
   * Aborted, `signal` leaves what is being delivered as it is: others finish it. `passed` is for crash tests. `seen` is
   * what `seen()` of an earlier process answered.
   */
  constructor(
    platform: Platform,
    signal: AbortSignal,
    log: { info(line: string): void; warn(line: string): void },
    passed?: PlacePassed,
    seen: ReadonlyMap<string, Seen> = new Map(),
  ) {
    this.#seen = seen;
    this.#platform = platform;
    this.#signal = signal;
    this.#log = log;
    this.#passed = passed;
  }

  /** A round of an onlooker that does other things too: of a busy one seldom, so that no job waits for an idle grid. */
  async look(busy: boolean): Promise<void> {
    const now = this.#platform.clock.monotonic();
    if (busy && now - this.#lookedAt < SELDOM_MS) return;
    this.#lookedAt = now;
    await this.round();
  }

  /**
   * Looks for due deliveries, and takes up those that are nobody's. Answers how many there are that somebody delivers, or
   * soon will: none of those that failed and wait.
   */
  async round(): Promise<number> {
    let left = 0;
    const seen = new Map<string, Seen>();
    for await (const key of this.#platform.store.keys(DUE)) {
      const mark = dueOf(key);
      if (mark !== null && (await this.#consider(key, mark, seen))) left += 1;
    }
    this.#seen = seen;
    return left;
  }

  /** The marks of the last round, for a process that comes after this one. */
  seen(): ReadonlyMap<string, Seen> {
    return this.#seen;
  }

  /** Resolves when nothing is being delivered here. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** True for a delivery that is worth waiting for. */
  async #consider(
    key: string,
    { job, after }: { readonly job: string; readonly after: number },
    seen: Map<string, Seen>,
  ): Promise<boolean> {
    if (job === this.#current || this.#queue.has(job)) return true;
    const { store, clock } = this.#platform;
    try {
      const [mark, view] = await Promise.all([readDueMark(this.#platform, key), readView(store, job)]);
      if (mark === null) return false;
      const due = view !== null && isDeliveryDue(view) && view.delivery?.after === after;
      // One whose close is not there yet belongs to whoever is about to write it.
      const over = view === null || (view.next > after && !due);
      const givenUp = view !== null && due && view.delivery !== null && nextTry(view.delivery) === null;
      if (over || givenUp) await store.delete([key]);
      if (view === null || !due || !this.#mayTry(view)) return false;
      const known = this.#seen.get(key);
      const first = known?.is === mark.text ? known : { is: mark.text, since: clock.monotonic() };
      seen.set(key, first);
      const patience = mark.begun ? 2_000 * this.#platform.leaseSeconds : 0;
      if (first === known && clock.monotonic() - first.since >= patience) this.#begin(job, view);
      return true;
    } catch (error) {
      if (isKind(error, 'unavailable', 'full', 'credentials')) throw error;
      this.#tell(job, error);
      return false;
    }
  }

  #mayTry(view: JobView): boolean {
    if (!deliversHere(view) || !marksDelivery(this.#platform, view) || view.delivery === null) return false;
    const next = nextTry(view.delivery);
    return next !== null && next <= this.#platform.clock.now();
  }

  #begin(job: string, view: JobView): void {
    this.#queue.set(job, view);
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  async #run(): Promise<void> {
    const signal = this.#signal;
    const options = { signal, ...(this.#passed && { passed: this.#passed }) };
    for (const [job, view] of this.#queue) {
      this.#current = job;
      this.#queue.delete(job);
      try {
        if (signal.aborted) continue;
        const delivery = deliveryOf(await deliver(this.#platform, view, options));
        if (delivery?.state === 'delivered') this.#log.info(`job ${job}: ${deliveryLine(delivery)}`);
      } catch (error) {
        if (!signal.aborted) this.#tell(job, error);
      } finally {
        this.#current = null;
      }
    }
  }

  #tell(job: string, error: unknown): void {
    this.#log.warn(`job ${job}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
