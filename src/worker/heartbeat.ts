import { EventEmitter } from 'node:events';
import { isKind } from '../errors.ts';
import { CostGuard } from '../jobs/cost/cost-guard.ts';
import type { Deliveries } from '../jobs/deliver/deliver.ts';
import type { JobWatcher } from '../jobs/watch/job-watcher.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { AttemptEvent, LedgerWorker } from '../model/ledger/records.ts';
import { taskName } from '../model/message.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerContext, WorkerOptions } from './context.ts';
import { obeyJournals, readOrders } from './decisions.ts';
import type { Departure } from './departure.ts';
import type { Dispatcher } from './dispatcher.ts';
import { shortMessageOf } from './outcome.ts';
import { startEvent } from './settle.ts';
import { warnOncePerJob } from './stored-log.ts';
import type { OutcomeTally } from './worker-health.ts';

/** Attempts that run longer than this are written to the ledger as running, milliseconds. */
const ANNOUNCE_MS = 200;
/** Minimum rest between two heartbeats, milliseconds, however long one takes. */
const REST_MS = 200;
/** The longest time, milliseconds, after which a worker obeys what a person decided about a job that it runs. */
const MAX_JOURNAL_AGE_MS = 15_000;

/** How old a worker's copy of a journal may be, milliseconds: a third of a lease, at most 15 s. */
export const journalAge = (leaseSeconds: number): number => Math.min(MAX_JOURNAL_AGE_MS, (leaseSeconds * 1_000) / 3);

interface HeartbeatOptions {
  readonly ctx: Omit<WorkerContext, 'log'>;
  readonly log: WorkerContext['log'] & { flush(): Promise<void> };
  readonly options: WorkerOptions;
  readonly dispatcher: Dispatcher;
  readonly watcher: JobWatcher;
  readonly deliveries: Deliveries;
  readonly tally: OutcomeTally;
  readonly departure: Departure;
  readonly otherWorkers: OtherWorkers;
  /** Writes the start of an attempt that lasts. */
  readonly recordStart: (event: AttemptEvent) => void;
  /** Whether a refusal may pass, as it does for a new role. */
  readonly isTransient: (error: unknown) => boolean;
  /** The permission without which an idle worker can't end its machine; null: it lacks none. */
  readonly denied: () => string | null;
  /** Called with each heartbeat. */
  readonly onBeat: () => Promise<void>;
}

/**
 * A worker's heartbeat, every third of a lease: journals, orders, its ledger record and, when idle, the open jobs. The
 * journals of jobs that run here are read every 15 s at least.
 */
export class Heartbeat {
  readonly #o: HeartbeatOptions;
  readonly #startedAt: number;
  readonly #costCheck: BusyCostCheck;
  readonly #onJournalTrouble: (job: string, error: unknown) => void;
  /** Runs while an attempt is to be announced once it has lasted. */
  #announcing: NodeJS.Timeout | undefined;

  constructor(options: HeartbeatOptions) {
    this.#o = options;
    this.#costCheck = new BusyCostCheck(options.ctx.platform, warnOncePerJob(options.log));
    this.#onJournalTrouble = warnOncePerJob(options.log, 'heartbeat: ');
    this.#startedAt = options.ctx.platform.clock.now();
    options.otherWorkers.on('unknown', () => void this.#loadOtherWorkers());
  }

  /** Sends heartbeats until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, leaseSeconds } = this.#o.ctx.platform;
    const everyMs = (leaseSeconds * 1_000) / 3;
    while (!signal.aborted) {
      const next = clock.monotonic() + jitter(everyMs);
      try {
        await this.#beat();
      } catch (error) {
        this.#o.log.warn(`heartbeat: ${shortMessageOf(error)}`);
        const passes = isKind(error, 'unavailable', 'full', 'newer', 'corrupt') || this.#o.isTransient(error);
        if (!passes) this.#o.departure.giveUp(error);
      }
      await this.#readJournalsUntil(next, signal);
      await wait(Math.max(REST_MS, next - clock.monotonic()), signal);
    }
    clearTimeout(this.#announcing);
  }

  /** An attempt has begun: it is announced if it lasts. */
  announceLater(): void {
    this.#announcing ??= setTimeout(() => this.#announce(), ANNOUNCE_MS);
  }

  /** Returns running tasks while expiring credentials are still valid. Later their leases would just expire. */
  async requireAccess(): Promise<void> {
    const { ctx, departure, dispatcher, isTransient } = this.#o;
    const { leaseSeconds, requireLastingAccess } = ctx.platform;
    try {
      await requireLastingAccess?.((2 / 3) * leaseSeconds + ctx.graceMs / 1_000);
    } catch (error) {
      if (isTransient(error)) return;
      departure.giveUp(error);
      dispatcher.end('drain');
    }
  }

  workerRecord(state: LedgerWorker['state'] | null): LedgerWorker {
    const { ctx, departure, dispatcher, options, tally } = this.#o;
    const { done, failed } = tally;
    const times = { startedAt: this.#startedAt, seenAt: ctx.platform.clock.now() };
    const denied = this.#o.denied();
    const machine = options.machine ? { ...options.machine, ...(denied !== null && { denied }) } : null;
    const sign = workerRecordOf({ ...options, machine }, dispatcher, { done, failed, ...times });
    if (state !== null) return { ...sign, state };
    return departure.drain.aborted ? { ...sign, state: 'draining' } : sign;
  }

  async #beat(): Promise<void> {
    const { ctx, deliveries, departure, dispatcher, log, onBeat, watcher, options } = this.#o;
    const { store, ...platform } = ctx.platform;
    await this.requireAccess();
    await obeyJournals(store, ctx.jobs, dispatcher, this.#onJournalTrouble);
    const order = await readOrders(store, options.worker);
    if (order !== null) departure.obey(order);
    try {
      const ledger = await platform.ledger();
      await ledger.heartbeat(this.workerRecord(null));
      await this.#refreshOtherWorkers();
    } catch (error) {
      // Nothing below depends on the ledger.
      if (!isKind(error, 'unavailable')) throw error;
      log.warn(`heartbeat: ${shortMessageOf(error)}`);
    }
    await log.flush();
    // Attempts elsewhere may have ended, or a person may have raised the limit.
    dispatcher.admitLimited();
    await onBeat();
    if (departure.drain.aborted || options.untilEmpty) return;
    if (!dispatcher.busy) await watcher.round();
    else await this.#costCheck.round(distinct(Array.from(dispatcher.running(), ({ task: { view } }) => view)));
    await deliveries.look(dispatcher.busy);
  }

  /**
   * Reads journals between two heartbeats that are far apart. The next heartbeat reports a journal that can't be read.
   */
  async #readJournalsUntil(next: number, signal: AbortSignal): Promise<void> {
    const { ctx, dispatcher } = this.#o;
    const { clock, store } = ctx.platform;
    while (!signal.aborted && next - clock.monotonic() > MAX_JOURNAL_AGE_MS) {
      await wait(MAX_JOURNAL_AGE_MS, signal);
      await obeyJournals(store, ctx.jobs, dispatcher).catch(() => undefined);
    }
  }

  async #refreshOtherWorkers(): Promise<void> {
    const { clock, leaseSeconds, ledger } = this.#o.ctx.platform;
    const since = clock.now() - 4_000 * leaseSeconds;
    await this.#o.otherWorkers.refresh(async () => (await ledger()).workers({ since, shared: true }));
  }

  /** A job that limits its running tasks is held back until their number is known. Never rejects. */
  async #loadOtherWorkers(): Promise<void> {
    const { dispatcher, log } = this.#o;
    await this.#refreshOtherWorkers().catch((error: unknown) => log.warn(shortMessageOf(error)));
    dispatcher.admitLimited();
  }

  /** Writes attempts that have run for a while to the ledger. Short ones are written when they end. */
  #announce(): void {
    const { ctx, dispatcher, log, recordStart } = this.#o;
    const now = ctx.platform.clock.now();
    this.#announcing = undefined;
    for (const running of dispatcher.running()) {
      if (running.announced) continue;
      if (now - running.startedAt < ANNOUNCE_MS) {
        this.announceLater();
        continue;
      }
      running.announced = true;
      const { queue, task, attempt, slots } = running;
      const event = startEvent(
        { ...ctx, log },
        { queue, delivery: task.delivery, task, number: task.number, slot: slots[0] ?? 0, attempt },
        running.startedAt,
      );
      recordStart(event);
    }
  }
}

const distinct = (views: readonly JobView[]): readonly JobView[] => [
  ...new Map(views.map((view) => [view.record.job, view])).values(),
];

/** The maximum number of tasks in a heartbeat. */
const MAX_BUSY_TASKS = 64;

/** A worker's heartbeat record, idle or busy as its dispatcher is. */
export function workerRecordOf(
  options: Pick<WorkerOptions, 'worker' | 'groups' | 'host' | 'version' | 'total' | 'machine'>,
  dispatcher: Dispatcher,
  facts: Pick<LedgerWorker, 'done' | 'failed' | 'startedAt' | 'seenAt'>,
): LedgerWorker {
  const running = [...dispatcher.running()].slice(0, MAX_BUSY_TASKS);
  const busy = running.map(({ task }) => taskName(task.message));
  const { worker, groups, host, version, total, machine } = options;
  const runs = [...dispatcher.running()].map(({ task, slots, startedAt }): [string, number] => [
    task.message.job,
    (Math.max(0, facts.seenAt - startedAt) / 1_000) * slots.length,
  ]);
  const state = busy.length > 0 ? 'busy' : 'idle';
  return {
    worker,
    group: groups.join(','),
    host,
    pid: process.pid,
    version,
    state,
    slots: total.slots,
    memory: total.memory,
    disk: total.disk,
    busy,
    spent: dispatcher.spent.with(runs),
    ...(machine && { machine }),
    ...facts,
  };
}

/**
 * The tasks running on other workers, by their last heartbeats. Read only for a job that limits its running tasks: each
 * heartbeat is an object in the `store` ledger, and a thousand workers that each read a thousand at startup would make
 * thousands of requests per second (S3 takes 5,500 per prefix: optimizing performance). Emits `unknown` when an unknown value
 * is asked for: a refresh should follow.
 */
export class OtherWorkers extends EventEmitter<{ unknown: [] }> {
  readonly #self: string;
  /** Null: unknown, as it was not asked for lately. */
  #workers: readonly LedgerWorker[] | null = null;
  /** Whether the value was asked for since the last refresh. */
  #asked = false;

  /** `self`: the id of this worker. */
  constructor(self: string) {
    super();
    this.#self = self;
  }

  /** Approximate number of attempts of a job, or one step of it, in other workers; infinity while unknown. */
  running(job: string, step: string | null): number {
    const first = !this.#asked;
    this.#asked = true;
    if (this.#workers === null) {
      if (first) this.emit('unknown');
      return Number.POSITIVE_INFINITY;
    }
    const prefix = step === null ? `${job}/` : `${job}/${step}/`;
    let count = 0;
    for (const { worker, state, busy } of this.#workers) {
      if (worker === this.#self || state === 'gone') continue;
      count += busy.filter((task) => task.startsWith(prefix)).length;
    }
    return count;
  }

  /** Reads if the value was asked for since the last time. A failed read holds nothing up: the value is then 0. */
  async refresh(read: () => Promise<readonly LedgerWorker[]>): Promise<void> {
    const asked = this.#asked;
    this.#asked = false;
    if (!asked) {
      this.#workers = null;
      return;
    }
    try {
      this.#workers = await read();
    } catch (error) {
      this.#workers ??= [];
      throw error;
    }
  }
}

/** Approximate interval between checks by a busy worker, milliseconds. */
const COST_CHECK_MS = 3_600_000;

/**
 * A busy worker enforces cost limits about once an hour, in case nothing else does. With any number of instances this
 * makes about one check per instance-hour, which bounds the overrun and keeps the reads in proportion.
 */
export class BusyCostCheck {
  readonly #guard: CostGuard;
  readonly #clock: Platform['clock'];
  #next: number;

  /** `random`: from 0 to below 1; spreads the checks of a thousand workers that start together. */
  constructor(platform: Platform, onTrouble: (job: string, error: Error) => void, random: () => number = Math.random) {
    this.#guard = new CostGuard(platform, onTrouble);
    this.#clock = platform.clock;
    this.#next = this.#clock.monotonic() + COST_CHECK_MS * random();
  }

  /** `views`: the jobs that it works for. */
  async round(views: readonly JobView[]): Promise<void> {
    const now = this.#clock.monotonic();
    if (views.length === 0 || now < this.#next) return;
    this.#next = now + COST_CHECK_MS;
    await this.#guard.round(views);
  }
}
