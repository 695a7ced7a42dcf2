import { isKind } from '../errors.ts';
import type { Deliveries } from '../jobs/deliver/deliveries.ts';
import type { Onlooker } from '../jobs/onlooker.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { JobView } from '../model/view.ts';
import type { AttemptEvent, LedgerWorker } from '../ports/ledger.ts';
import { BusyCosts } from './busy-costs.ts';
import type { WorkerContext } from './context.ts';
import type { Dispatcher } from './dispatcher.ts';
import { Elsewhere } from './elsewhere.ts';
import { messageOf } from './judge.ts';
import { heedJournals, type Order, readOrders, signOf } from './pulse.ts';
import { startEvent } from './settle.ts';
import type { Tally } from './tally.ts';
import type { WorkerOptions } from './worker-options.ts';

/** Attempts that run longer than this are written to the ledger as running, milliseconds. */
const ANNOUNCE_MS = 200;
export interface PulseOptions {
  readonly ctx: Omit<WorkerContext, 'log'>;
  readonly log: WorkerContext['log'] & { flush(): Promise<void> };
  readonly options: WorkerOptions;
  readonly dispatcher: Dispatcher;
  readonly onlooker: Onlooker;
  readonly deliveries: Deliveries;
  readonly tally: Tally;
  readonly drain: AbortSignal;
  readonly record: (event: AttemptEvent) => Promise<void>;
  readonly onOrder: (order: Order) => void;
  readonly giveUp: (error: unknown) => void;
  /** Refusals for a new role pass. */
  readonly mayPass: (error: unknown) => boolean;
  /** Called with each heartbeat. */
  readonly onBeat: () => Promise<void>;
}

/**
 * A worker's heartbeat, every third of a lease: journals, orders, its record in the ledger, and, when idle, a round
 * over the open jobs.
 */
export class Pulse {
  readonly #o: PulseOptions;
  readonly #startedAt: number;
  readonly #elsewhere: Elsewhere;
  readonly #costs: BusyCosts;

  constructor(options: PulseOptions) {
    this.#o = options;
    this.#costs = new BusyCosts(options.ctx.platform, (job, error) =>
      options.log.warn(`job ${job}: ${messageOf(error)}`),
    );
    this.#startedAt = options.ctx.platform.clock.now();
    this.#elsewhere = new Elsewhere(options.options.worker, () => void this.#learnElsewhere());
  }

  /** Approximate number of attempts of a job, or one of its steps, in other workers. */
  runningElsewhere(job: string, step: string | null): number {
    return this.#elsewhere.running(job, step);
  }

  /** Sends heartbeats until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, leaseSeconds } = this.#o.ctx.platform;
    const everyMs = (leaseSeconds * 1_000) / 3;
    let next = clock.monotonic();
    while (!signal.aborted) {
      this.#announce();
      if (clock.monotonic() >= next) {
        next = clock.monotonic() + jitter(everyMs);
        try {
          await this.#beat();
        } catch (error) {
          this.#o.log.warn(`heartbeat: ${messageOf(error)}`);
          const passes = isKind(error, 'unavailable', 'full', 'newer', 'corrupt') || this.#o.mayPass(error);
          if (!passes) this.#o.giveUp(error);
        }
      }
      await wait(Math.min(ANNOUNCE_MS, everyMs), signal);
    }
  }

  /**
   * Expiring credentials: running tasks are returned while they are still valid. Later their leases would just expire.
   */
  async requireAccess(): Promise<void> {
    const { ctx, giveUp, mayPass, dispatcher } = this.#o;
    const { leaseSeconds, requireAccess } = ctx.platform;
    try {
      await requireAccess?.((2 / 3) * leaseSeconds + ctx.graceMs / 1_000);
    } catch (error) {
      if (mayPass(error)) return;
      giveUp(error);
      dispatcher.end('drain');
    }
  }

  /** The worker's record in the ledger. */
  sign(state: LedgerWorker['state'] | null): LedgerWorker {
    const { ctx, dispatcher, drain, options, tally } = this.#o;
    const { done, failed } = tally;
    const times = { startedAt: this.#startedAt, seenAt: ctx.platform.clock.now() };
    const sign = signOf(options, dispatcher, { done, failed, ...times });
    if (state !== null) return { ...sign, state };
    return drain.aborted ? { ...sign, state: 'draining' } : sign;
  }

  async #beat(): Promise<void> {
    const { ctx, deliveries, dispatcher, drain, log, onBeat, onlooker, onOrder, options } = this.#o;
    const { store, ...platform } = ctx.platform;
    await this.requireAccess();
    await heedJournals(store, ctx.jobs, dispatcher, (job, error) =>
      log.warn(`heartbeat: job ${job}: ${messageOf(error)}`),
    );
    const order = await readOrders(store, options.worker);
    if (order !== null) onOrder(order);
    try {
      const ledger = await platform.ledger();
      await ledger.heartbeat(this.sign(null));
      await this.#refreshElsewhere();
    } catch (error) {
      // Nothing below depends on the ledger.
      if (!isKind(error, 'unavailable')) throw error;
      log.warn(`heartbeat: ${messageOf(error)}`);
    }
    await log.flush();
    // Attempts elsewhere may have ended, or a person may have raised the limit.
    dispatcher.reconsider();
    await onBeat();
    if (drain.aborted || options.untilEmpty) return;
    if (!dispatcher.busy) await onlooker.round();
    else await this.#costs.round(distinct(Array.from(dispatcher.running(), ({ task: { view } }) => view)));
    await deliveries.look(dispatcher.busy);
  }

  async #refreshElsewhere(): Promise<void> {
    const { clock, leaseSeconds, ledger } = this.#o.ctx.platform;
    const since = clock.now() - 4_000 * leaseSeconds;
    await this.#elsewhere.refresh(async () => (await ledger()).workers({ since, shared: true }));
  }

  /** A job that limits its running tasks is held back until their number is known. Never rejects. */
  async #learnElsewhere(): Promise<void> {
    const { dispatcher, log } = this.#o;
    await this.#refreshElsewhere().catch((error: unknown) => log.warn(messageOf(error)));
    dispatcher.reconsider();
  }

  /** Writes attempts that have run for a while to the ledger. Short ones are written when they end. */
  #announce(): void {
    const { ctx, dispatcher, giveUp, log, record } = this.#o;
    const now = ctx.platform.clock.now();
    for (const running of dispatcher.running()) {
      if (running.announced || now - running.startedAt < ANNOUNCE_MS) continue;
      running.announced = true;
      const { queue, task, attempt, slots } = running;
      const event = startEvent(
        { ...ctx, log },
        { queue, delivery: task.delivery, task, number: task.number, slot: slots[0] ?? 0, attempt },
        running.startedAt,
      );
      record(event).catch(giveUp);
    }
  }
}

const distinct = (views: readonly JobView[]): readonly JobView[] => [
  ...new Map(views.map((view) => [view.record.job, view])).values(),
];
