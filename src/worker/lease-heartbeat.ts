import { jitter, within } from '../lib/wait.ts';
import type { Receipt, TaskQueue } from '../ports/task-queue.ts';

/** A lease younger than this part of its length needs no extension yet. */
const FRESH_FRACTION = 0.1;
/** An extension that takes longer than this part of a lease is abandoned and repeated. */
const TIMEOUT_FRACTION = 0.5;
const FIRST_RETRY_MS = 100;

interface LeaseHeartbeatOptions {
  /** Returns the object that extends leases; called for each extension. */
  readonly open: () => Promise<Pick<TaskQueue, 'extend'>>;
  readonly leaseMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called once for each lease that was refused, or not confirmed in time. */
  readonly onLost: (receipts: readonly Receipt[]) => void;
  /** Called for each failed extension that is repeated while there is time. */
  readonly onError: (error: unknown) => void;
  /** Called just before the leases of an extension are chosen (true), and when it has ended (false). */
  readonly onBusy: (busy: boolean) => void;
}

/**
 * Keeps leases by extending all of them in one request, each third of a lease. A lease's deadline counts from just
 * before the confirmed request; after it, the lease counts as lost, whatever the queue says (law 5).
 */
export class LeaseHeartbeat {
  readonly #options: LeaseHeartbeatOptions;
  readonly #deadlines = new Map<Receipt, number>();
  #inFlight: { readonly receipts: ReadonlySet<Receipt>; readonly over: Promise<void> } | null = null;
  #beat: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #expiryAt = Number.POSITIVE_INFINITY;
  #failures = 0;
  #stopped = false;

  constructor(options: LeaseHeartbeatOptions) {
    this.#options = options;
  }

  /** Keeps these leases from now on; `deadline` is when they expire unless extended, on the clock of `now`. */
  hold(receipts: readonly Receipt[], deadline: number): void {
    if (this.#stopped) return;
    for (const receipt of receipts) this.#deadlines.set(receipt, deadline);
    this.#scheduleExpiry(deadline);
    this.#beat ??= this.#scheduleBeat(this.#pause());
  }

  /** Stops extending them, and reports nothing more about them. */
  drop(receipts: readonly Receipt[]): void {
    for (const receipt of receipts) this.#deadlines.delete(receipt);
  }

  /** Resolves when no extension in flight holds any of them. Never rejects. */
  async awaitExtension(receipts: readonly Receipt[]): Promise<void> {
    const flight = this.#inFlight;
    if (flight !== null && receipts.some((receipt) => flight.receipts.has(receipt))) await flight.over;
  }

  /** Ends all extensions; resolves when none is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#beat);
    clearTimeout(this.#expiry);
    await this.#inFlight?.over;
  }

  /** A third of a lease, plus or minus a tenth of it, so that workers don't send in step. */
  #pause(): number {
    return jitter(this.#options.leaseMs / 3);
  }

  #retryPause(): number {
    const longest = this.#options.leaseMs / 10;
    return Math.min(longest, FIRST_RETRY_MS * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
  }

  #scheduleBeat(delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      const flight = this.#extend();
      this.#inFlight = flight;
      void flight.over.then(() => {
        this.#inFlight = null;
        const idle = this.#stopped || this.#deadlines.size === 0;
        this.#beat = idle ? undefined : this.#scheduleBeat(this.#failures > 0 ? this.#retryPause() : this.#pause());
      });
    }, delay);
  }

  #extend(): { receipts: ReadonlySet<Receipt>; over: Promise<void> } {
    const { now, leaseMs, onBusy } = this.#options;
    onBusy(true);
    const due: Receipt[] = [];
    const fresh = now() + leaseMs * (1 - FRESH_FRACTION);
    for (const [receipt, deadline] of this.#deadlines) if (deadline <= fresh) due.push(receipt);
    const over = this.#request(due).finally(() => onBusy(false));
    return { receipts: new Set(due), over };
  }

  async #request(receipts: readonly Receipt[]): Promise<void> {
    if (receipts.length === 0) return;
    try {
      const queue = await this.#options.open();
      const asked = this.#options.now();
      const limitMs = this.#options.leaseMs * TIMEOUT_FRACTION;
      const verdicts = await within(queue.extend(receipts), limitMs, () => {
        throw new Error(`extending leases took longer than ${Math.round(limitMs)} ms`);
      });
      this.#failures = 0;
      const lost = receipts.filter((receipt, index) => {
        if (!this.#deadlines.has(receipt)) return false;
        if (verdicts[index] === 'extended') this.#deadlines.set(receipt, asked + this.#options.leaseMs);
        return verdicts[index] !== 'extended';
      });
      this.#reportLost(lost);
    } catch (error) {
      this.#failures += 1;
      this.#options.onError(error);
    }
  }

  #reportLost(receipts: readonly Receipt[]): void {
    if (receipts.length === 0) return;
    this.drop(receipts);
    this.#options.onLost(receipts);
  }

  /** One timer for the earliest deadline; it rearms itself. */
  #scheduleExpiry(deadline: number): void {
    if (this.#stopped || deadline >= this.#expiryAt) return;
    clearTimeout(this.#expiry);
    this.#expiryAt = deadline;
    this.#expiry = setTimeout(
      () => {
        this.#expiryAt = Number.POSITIVE_INFINITY;
        const now = this.#options.now();
        this.#reportLost([...this.#deadlines].filter(([, end]) => end <= now).map(([receipt]) => receipt));
        let next = Number.POSITIVE_INFINITY;
        for (const end of this.#deadlines.values()) next = Math.min(next, end);
        if (next !== Number.POSITIVE_INFINITY) this.#scheduleExpiry(next);
      },
      Math.max(0, deadline - this.#options.now()),
    );
  }
}
