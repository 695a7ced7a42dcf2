import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { BatchctlError, isKind } from '../errors.ts';
import { Deliveries } from '../jobs/deliver/deliveries.ts';
import { Onlooker } from '../jobs/onlooker.ts';
import { Batcher } from '../lib/batcher.ts';
import { isEc2 } from '../lib/is-ec2.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { AttemptEvent, LedgerWorker } from '../ports/ledger.ts';
import type { Platform } from '../ports/platform.ts';
import { CodeCache } from './code.ts';
import type { WorkerContext } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { Glances } from './glances.ts';
import { Intake } from './intake.ts';
import { JobCache } from './job-cache.ts';
import { messageOf } from './judge.ts';
import { LeaseKeeper } from './lease.ts';
import { countElsewhere, heedJournals, readOrders, signOf } from './pulse.ts';
import { QueueClient } from './queue-client.ts';
import { SecretReader } from './secret-reader.ts';
import { type Settling, settle, startEvent } from './settle.ts';
import { Tally } from './tally.ts';
import { StoredLog } from './worker-log.ts';
import type { WorkerOptions } from './worker-options.ts';

/** Attempts that run this long are told to the ledger as running, milliseconds. */
const ANNOUNCE_MS = 200;
const GRACE_MS = 10_000;
/** For so long a new instance's role may not be known everywhere, milliseconds. */
const NEW_ROLE_MS = 60_000;

/**
 * The task loop (law 6: stop taking, then stop working). Resolves when the worker has drained or is done; throws
 * `unavailable` when it gave up on a service, `notFinished` when work upstream has no worker, `refused` past
 * `maxFailures`. Whatever it held is given back by then.
 */
export async function runWorker(platform: Platform, options: WorkerOptions): Promise<void> {
  await new Worker(platform, options, await platform.scratch(options.worker)).run();
}

class Worker {
  readonly #platform: Platform;
  readonly #options: WorkerOptions;
  readonly #ctx: WorkerContext;
  readonly #log: StoredLog;
  readonly #onlooker: Onlooker;
  readonly #deliveries: Deliveries;
  readonly #dispatcher: Dispatcher;
  readonly #recorder: Batcher<AttemptEvent>;
  readonly #clients = new Map<string, QueueClient>();
  readonly #settling = new Set<Promise<void>>();
  readonly #drain = new AbortController();
  readonly #startedAt: number;
  readonly #tally: Tally;
  readonly #glances: Glances;
  #elsewhere: readonly LedgerWorker[] = [];
  #failure: BatchctlError | null = null;

  constructor(platform: Platform, options: WorkerOptions, scratch: string) {
    this.#platform = platform;
    this.#options = options;
    this.#startedAt = platform.clock.now();
    this.#tally = new Tally(options.maxFailures, platform.leaseSeconds * 1_000);
    this.#log = new StoredLog(platform.store, options.worker, () => platform.clock.now(), options.say);
    this.#onlooker = new Onlooker(platform, platform.leaseSeconds, (job, error) =>
      this.#log.warn(`job ${job}: ${messageOf(error)}`),
    );
    this.#deliveries = new Deliveries(platform, this.#drain.signal, this.#log, options.passed);
    this.#glances = new Glances(
      (job, published) => this.#onlooker.afterOutcome(job, published),
      (error) => this.#giveUp(error),
    );
    this.#recorder = new Batcher({
      max: 500,
      lingerMs: 4,
      busyMs: 20,
      flush: async (events) => (await platform.ledger()).record(events),
    });
    this.#ctx = {
      platform,
      worker: options.worker,
      jobs: new JobCache(platform.store, (platform.leaseSeconds * 1_000) / 3),
      executor: options.makeExecutor({ slots: options.total.slots, worker: options.worker, directory: scratch }),
      secrets: new SecretReader({ source: platform.secrets ?? null, patienceMs: isEc2() ? NEW_ROLE_MS : 0 }),
      scratch,
      total: options.total,
      record: (event) => this.#recorder.add(event),
      log: this.#log,
      graceMs: options.graceMs ?? GRACE_MS,
      passed: options.passed ?? (() => undefined),
      faults: options.faults ?? null,
    };
    this.#dispatcher = new Dispatcher(this.#ctx, {
      code: new CodeCache(platform.store, join(scratch, 'code')),
      leaseSeconds: platform.leaseSeconds,
      settle: (item) => this.#settle(item),
      runningElsewhere: (job, step) => countElsewhere(this.#elsewhere, options.worker, job, step),
      onRoom: () => intake.wake(),
    });
    const intake = new Intake({
      platform,
      options,
      dispatcher: this.#dispatcher,
      onlooker: this.#onlooker,
      deliveries: this.#deliveries,
      client: (group) => this.#client(group),
      settled: () => this.#settled(),
      drain: this.#drain.signal,
    });
    this.#intake = intake;
  }

  readonly #intake: Intake;

  async run(): Promise<void> {
    const { drain, stop } = this.#options;
    const onDrain = (): void => this.#leave('asked to drain');
    const onStop = (): void => {
      this.#leave('asked to stop');
      this.#dispatcher.end('drain');
    };
    drain.addEventListener('abort', onDrain, { once: true });
    stop.addEventListener('abort', onStop, { once: true });
    if (drain.aborted) onDrain();
    this.#log.info(
      `worker ${this.#options.worker} starts: ${this.#options.total.slots} slots, groups ${this.#options.groups.join(', ')}`,
    );
    await this.#requireAccess();
    const ended = new AbortController();
    const pulse = this.#pulse(ended.signal);
    try {
      await this.#intake.run().catch((error: unknown) => this.#giveUp(error));
      // Also when it gives up: what runs is published or given back, whatever the service still takes.
      this.#dispatcher.stopTaking();
      while (this.#dispatcher.busy) await this.#intake.change();
      await this.#settled();
      await this.#glances.idle();
      await this.#deliveries.idle();
    } catch (error) {
      this.#giveUp(error);
    } finally {
      ended.abort();
      drain.removeEventListener('abort', onDrain);
      stop.removeEventListener('abort', onStop);
      await pulse;
      await this.#close();
    }
    if (this.#failure !== null) throw this.#failure;
  }

  #leave(why: string): void {
    if (!this.#drain.signal.aborted) this.#log.info(`${why}: takes no more`);
    this.#drain.abort();
    this.#dispatcher.stopTaking();
  }

  /** A service stays away: take no more, give back what can't be finished, and say so with the exit code. */
  #giveUp(error: unknown): void {
    this.#failure ??=
      error instanceof BatchctlError ? error : new BatchctlError('unexpected', messageOf(error), { cause: error });
    this.#leave(`gives up: ${messageOf(error)}`);
  }

  #settle(item: Settling): void {
    const work = settle(this.#ctx, item, (group, body, tenant) => this.#send(group, body, tenant))
      .then(() => this.#noteOutcome(item))
      .catch(async (error: unknown) => {
        this.#giveUp(error);
        await item.queue.release(item.delivery.receipt, 0).catch(() => undefined);
      })
      .finally(() => this.#settling.delete(work));
    this.#settling.add(work);
  }

  #noteOutcome({ outcome, task, queue, delivery }: Settling): void {
    const reason = this.#tally.note(outcome, this.#platform.clock.monotonic());
    if (reason !== null) this.#giveUp(reason);
    if (outcome.kind === 'leaseLost') queue.forget(delivery.receipt);
    if (task === null) return;
    if (outcome.kind === 'declined' && outcome.why === 'unfit') {
      const name = `${task.message.job}/${task.step.name}`;
      if (!this.#intake.unfit.has(name)) this.#log.warn(`${name} needs more than this worker has: given back`);
      this.#intake.unfit.add(name);
    }
    const decided = ['published', 'twin', 'failed', 'failedBefore'].includes(outcome.kind);
    if (decided) this.#glances.soon(task.message.job, outcome.kind === 'published' || outcome.kind === 'twin');
  }

  async #send(group: string, body: string, tenant: string): Promise<void> {
    await (await this.#client(group)).send({ body, tenant });
  }

  async #client(group: string): Promise<QueueClient> {
    const known = this.#clients.get(group);
    if (known !== undefined) return known;
    const queue = await this.#platform.queue(group);
    const leases = new LeaseKeeper({
      queue: this.#platform.queueModule(group),
      leaseSeconds: queue.leaseSeconds,
      onLost: (receipt) => this.#dispatcher.lost(receipt),
      onError: (message) => this.#log.warn(`heartbeat: ${message}`),
    });
    const client = this.#clients.get(group) ?? new QueueClient(queue, leases);
    this.#clients.set(group, client);
    return client;
  }

  async #settled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  /** Every third of a lease: journals, orders, a sign of life, and a round over the open jobs when idle. */
  async #pulse(signal: AbortSignal): Promise<void> {
    const everyMs = (this.#platform.leaseSeconds * 1_000) / 3;
    let next = this.#platform.clock.monotonic();
    while (!signal.aborted) {
      this.#announce();
      if (this.#platform.clock.monotonic() >= next) {
        next = this.#platform.clock.monotonic() + jitter(everyMs);
        try {
          await this.#beat();
        } catch (error) {
          this.#log.warn(`heartbeat: ${messageOf(error)}`);
          if (!isKind(error, 'unavailable', 'full', 'newer', 'corrupt')) this.#giveUp(error);
        }
      }
      await wait(Math.min(ANNOUNCE_MS, everyMs), signal);
    }
  }

  async #beat(): Promise<void> {
    const { store } = this.#platform;
    await this.#requireAccess();
    await heedJournals(store, this.#ctx.jobs, this.#dispatcher, (job, error) =>
      this.#log.warn(`heartbeat: job ${job}: ${messageOf(error)}`),
    );
    const order = await readOrders(store, this.#options.worker);
    if (order !== null) this.#leave(`ordered to ${order}`);
    if (order === 'stop') this.#dispatcher.end('drain');
    const ledger = await this.#platform.ledger();
    await ledger.heartbeat(this.#sign(null));
    this.#elsewhere = await ledger.workers({ since: this.#platform.clock.now() - 4_000 * this.#platform.leaseSeconds });
    await this.#log.flush();
    // What ran elsewhere may have ended, or a person may have raised the limit.
    this.#dispatcher.reconsider();
    if (this.#drain.signal.aborted || this.#options.untilEmpty) return;
    if (!this.#dispatcher.busy) await this.#onlooker.round();
    await this.#deliveries.look(this.#dispatcher.busy);
  }

  /** Credentials that end: what runs is given back while they still hold. Later it could only lose its leases. */
  async #requireAccess(): Promise<void> {
    const { leaseSeconds, requireAccess } = this.#platform;
    try {
      await requireAccess?.((2 / 3) * leaseSeconds + this.#ctx.graceMs / 1_000);
    } catch (error) {
      this.#giveUp(error);
      this.#dispatcher.end('drain');
    }
  }

  /** Tells the ledger of attempts that have run for a while. Short ones are told of when they end. */
  #announce(): void {
    const now = this.#platform.clock.now();
    for (const running of this.#dispatcher.running()) {
      if (running.announced || now - running.startedAt < ANNOUNCE_MS) continue;
      running.announced = true;
      const { queue, task, attempt, slots } = running;
      const event = startEvent(
        this.#ctx,
        { queue, delivery: task.delivery, task, number: task.number, slot: slots[0] ?? 0, attempt },
        running.startedAt,
      );
      this.#recorder.add(event).catch((error: unknown) => this.#giveUp(error));
    }
  }

  #sign(state: LedgerWorker['state'] | null): LedgerWorker {
    const { done, failed } = this.#tally;
    const times = { startedAt: this.#startedAt, seenAt: this.#platform.clock.now() };
    const sign = signOf(this.#options, this.#dispatcher, { done, failed, ...times });
    if (state !== null) return { ...sign, state };
    return this.#drain.signal.aborted ? { ...sign, state: 'draining' } : sign;
  }

  async #close(): Promise<void> {
    await this.#ctx.executor.close();
    rmSync(this.#ctx.scratch, { recursive: true, force: true });
    for (const client of this.#clients.values()) await client.close();
    await this.#recorder.idle();
    this.#log.info(
      `worker ${this.#options.worker} leaves: ${this.#tally.done} done, ${this.#tally.failed} failed for good`,
    );
    await Promise.allSettled([
      this.#log.flush(),
      this.#platform.ledger().then((ledger) => ledger.heartbeat(this.#sign('gone'))),
    ]);
  }
}
