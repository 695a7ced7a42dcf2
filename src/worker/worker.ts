import { join } from 'node:path';
import { BatchctlError, isFull, messageOf } from '../errors.ts';
import { Deliveries } from '../jobs/deliver/deliver.ts';
import { countVisible } from '../jobs/grid/queues.ts';
import { NoticeSender } from '../jobs/notify/notice-sender.ts';
import { JobWatcher } from '../jobs/watch/job-watcher.ts';
import { LoopWatch } from '../lib/loop-watch.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { FailureStreaks } from '../model/breaker.ts';
import { workerLogKey } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerContext, WorkerLog, WorkerOptions } from './context.ts';
import type { Order } from './decisions.ts';
import { Denials, withGrantHint } from './denials.ts';
import { Dispatcher } from './dispatcher.ts';
import { inheritedFrom } from './environment.ts';
import { Heartbeat, journalAge } from './heartbeat.ts';
import { Intake } from './intake.ts';
import { InterruptionRisk } from './interruption-risk.ts';
import { JobCache } from './job-cache.ts';
import { JobChecks } from './job-checks.ts';
import { warnOncePerJob } from './job-troubles.ts';
import { MachineDuty, raiseAfterLeaving } from './machine-duty.ts';
import { type EndReason, shortMessageOf } from './outcome.ts';
import { QueueClients } from './queue-clients.ts';
import { Recorder } from './recorder.ts';
import { publishRetryMs, Retrier } from './retrier.ts';
import { RunningElsewhere } from './running-elsewhere.ts';
import { ScaleInProtection } from './scale-in-protection.ts';
import { SecretReader } from './secrets.ts';
import { type SettleItem, settle } from './settle.ts';
import { CodeCache } from './stage-in.ts';
import { OutcomeTally, WorkerHealth } from './worker-health.ts';
import { setUpWorker, type WorkerSetup } from './worker-setup.ts';

const GRACE_MS = 10_000;

/**
 * The task loop (law 6: stop taking, then stop working). Resolves when the worker has drained or is done; throws
 * `unavailable` when it gave up on a service, `notFinished` when work upstream has no worker, `refused` past
 * `maxFailures`. By then it has returned every task that it held.
 */
export async function runWorker(platform: Platform, options: WorkerOptions): Promise<void> {
  await new Worker(platform, await setUpWorker(platform, options)).run();
}

class Worker {
  readonly #platform: Platform;
  readonly #options: WorkerOptions;
  readonly #ctx: WorkerContext;
  readonly #log: StoredLog;
  readonly #watcher: JobWatcher;
  readonly #deliveries: Deliveries;
  readonly #noticeSender: NoticeSender;
  readonly #dispatcher: Dispatcher;
  readonly #recorder: Recorder;
  readonly #clients: QueueClients;
  readonly #settling = new Set<Promise<void>>();
  readonly #drain = new AbortController();
  /** Aborts when running tasks must be returned at once: services are not retried after that. */
  readonly #stopWaiting = new AbortController();
  readonly #tally: OutcomeTally;
  readonly #jobChecks: JobChecks;
  /** Groups whose queue has messages of jobs that are not in this store. */
  readonly #sharedQueues = new Set<string>();
  readonly #heartbeat: Heartbeat;
  readonly #intake: Intake;
  readonly #watch: LoopWatch;
  /** Null without a machine that a group could end. */
  readonly #duty: MachineDuty | null;
  /** Null where a worker that fails leaves by itself. */
  readonly #health: WorkerHealth | null;
  #failure: BatchctlError | null = null;

  constructor(platform: Platform, ground: WorkerSetup) {
    this.#platform = platform;
    const { options, role, machine, times, inGroup, scratch } = ground;
    const { maxFailures } = options;
    this.#options = options;
    this.#tally = new OutcomeTally(inGroup ? null : maxFailures, platform.leaseSeconds * 1_000);
    this.#health = inGroup && maxFailures !== null ? new WorkerHealth(maxFailures, () => platform.ledger()) : null;
    this.#watch = new LoopWatch(
      'the worker',
      [...options.groups.map((group) => `the poll of ${group}`), 'a rest', 'the drain'],
      times.loopMs,
    );
    this.#log = new StoredLog(platform.store, options.worker, () => platform.clock.now(), options.say);
    const onTrouble = warnOncePerJob(this.#log);
    const { passed } = options;
    // Sends notices about changes that this worker made. Those begun before it leaves are finished, which takes
    // seconds.
    const onNoticeTrouble = ({ message }: { readonly message: string }): void => this.#log.warn(message);
    this.#noticeSender = new NoticeSender(platform, { checksCounters: false, onTrouble: onNoticeTrouble, passed });
    const onSeen = (view: JobView): void => this.#noticeSender.observe(view);
    const recorded = (): Promise<void> => this.#recorder.written();
    const watcherOptions = { raises: 'waiting', discards: false, shares: inGroup, onSeen, recorded } as const;
    this.#watcher = new JobWatcher(platform, platform.leaseSeconds, onTrouble, watcherOptions);
    this.#deliveries = new Deliveries(platform, this.#drain.signal, this.#log, passed);
    const jobRetrier = this.#createRetrier(publishRetryMs(0));
    this.#jobChecks = new JobChecks(
      (job, published) => jobRetrier.run(() => this.#watcher.afterOutcome(job, published)),
      (error) => this.#giveUp(error),
    );
    this.#recorder = new Recorder({
      ledger: () => platform.ledger(),
      log: this.#log,
      onError: (error) => this.#giveUp(error),
    });
    const executor = options.makeExecutor({ slots: options.total.slots, worker: options.worker, directory: scratch });
    const hasCommandUser = (executor.owner?.(0) ?? null) !== null;
    this.#ctx = {
      platform,
      worker: options.worker,
      scratch,
      total: options.total,
      log: this.#log,
      inherited: inheritedFrom(options.env ?? process.env),
      jobs: new JobCache(platform.store, journalAge(platform.leaseSeconds)),
      executor,
      secrets: new SecretReader({
        source: platform.secrets ?? null,
        who: options.worker,
        patienceMs: role.patienceMs,
        unavailableMs: publishRetryMs(0),
        onUnavailable: (error) => this.#log.warn(`tasks wait for their secrets: ${shortMessageOf(error)}`),
        allowed: platform.allowedSecrets?.(hasCommandUser) ?? null,
      }),
      streaks: new FailureStreaks(),
      denials: new Denials(),
      emptyDirectories: new Set(),
      retrier: jobRetrier,
      record: (event) => this.#recorder.record(event),
      graceMs: options.graceMs ?? GRACE_MS,
      passed: options.passed ?? (() => undefined),
      faults: options.faults ?? null,
    };
    const { leaseSeconds, clock } = platform;
    const ledger = () => platform.ledger();
    const risk = new InterruptionRisk({
      ledger,
      times,
      monotonic: () => platform.clock.monotonic(),
    });
    const elsewhere = new RunningElsewhere({ ledger, clock, leaseSeconds, worker: options.worker });
    const dispatcher = new Dispatcher(this.#ctx, {
      code: new CodeCache(platform.store, join(scratch, 'code')),
      leaseSeconds,
      settle: (item) => this.#settle(item),
      runningElsewhere: (job, step) => this.#heartbeat.runningElsewhere(job, step),
      runsElsewhere: (message) => elsewhere.has(message),
      deferSeconds: (task) => risk.deferSeconds(task),
      onStart: () => this.#heartbeat.announceLater(),
      onRoom: () => this.#intake.wake(),
    });
    this.#dispatcher = dispatcher;
    this.#clients = new QueueClients({
      platform,
      onLost: (receipt) => dispatcher.onLeaseLost(receipt),
      onError: (message) => this.#log.warn(`heartbeat: ${message}`),
    });
    const parts = { log: this.#log, dispatcher, watcher: this.#watcher, deliveries: this.#deliveries };
    const { graceMs } = this.#ctx;
    const leave = (why: string): void => this.#leave(why);
    const end = (reason: EndReason): void => this.#end(reason);
    const duty =
      machine === null
        ? null
        : new MachineDuty({
            ...parts,
            machine,
            times,
            clock: platform.clock,
            graceMs,
            leave,
            end,
            busy: () => dispatcher.busy,
            leavesAtRisk: options.groups.some((group) => platform.shouldLeaveAtRisk?.(group) === true),
            onRisk: () => risk.begin(),
            // Its hook holds the machine meanwhile; after that the worker's next start looks.
            raiseAfterLeaving: (groupShrank) =>
              this.#createRetrier(times.holdMs).run(() =>
                raiseAfterLeaving({
                  platform,
                  groups: options.groups,
                  log: this.#log,
                  lagMs: times.lagMs,
                  groupShrank,
                }),
              ),
          });
    this.#duty = duty;
    const rest =
      machine === null || duty === null
        ? null
        : new ScaleInProtection({
            machine,
            times,
            log: this.#log,
            isTransient: role.isTransient,
            isInStandby: duty.isInStandby,
            monotonic: () => platform.clock.monotonic(),
            idleSince: () => this.#intake.idleSince,
            backlog: () => countVisible(platform, options.groups),
            considerLeaving: () => this.#intake.considerLeaving(),
            watch: this.#watch.part(options.groups.length),
            onTooLate: () => leave('its group terminates this instance'),
          });
    this.#intake = new Intake({
      ...parts,
      platform,
      options,
      rest,
      watch: this.#watch,
      drain: this.#drain.signal,
      isTransient: role.isTransient,
      isInStandby: () => duty?.isInStandby() === true,
      client: (group) => this.#clients.get(group),
      settled: () => this.#waitForSettling(),
      tryLeave: async () => duty === null || (await duty.tryLeave()),
    });
    this.#heartbeat = new Heartbeat({
      ...parts,
      ctx: this.#ctx,
      options,
      tally: this.#tally,
      drain: this.#drain.signal,
      isTransient: role.isTransient,
      recordStart: (event) => {
        if (platform.workplace.paysRequests) this.#recorder.recordStart(event);
        else void this.#recorder.record(event).catch((error: unknown) => this.#giveUp(error));
      },
      onOrder: (order) => this.#obeyOrder(order),
      onBeat: () => this.#checkHealth(),
      denied: () => duty?.denied() ?? null,
      giveUp: (error) => this.#giveUp(error),
    });
  }

  async run(): Promise<void> {
    const { drain, stop } = this.#options;
    const onDrain = (): void => this.#leave('asked to drain');
    const onStop = (): void => {
      this.#leave('asked to stop');
      this.#end('drain');
    };
    drain.addEventListener('abort', onDrain, { once: true });
    stop.addEventListener('abort', onStop, { once: true });
    if (drain.aborted) onDrain();
    this.#log.info(
      `worker ${this.#options.worker} starts: ${this.#options.total.slots} slots, groups ${this.#options.groups.join(', ')}`,
    );
    await this.#heartbeat.requireAccess();
    const ended = new AbortController();
    // An instance that is being terminated, or is in standby, never starts receiving.
    await this.#duty?.checkNotice();
    const background = [this.#heartbeat.run(ended.signal), this.#duty?.watch(ended.signal)];
    try {
      await this.#intake.run().catch((error: unknown) => this.#giveUp(error));
      if (!this.#drain.signal.aborted) this.#duty?.setLeaveReason('done');
      // Also after giving up: running tasks are still published or returned, as far as the service accepts it.
      this.#dispatcher.stopTaking();
      await this.#waitForDrain();
      await this.#waitForSettling();
      await this.#jobChecks.idle();
      await Promise.all([this.#deliveries.idle(), this.#noticeSender.idle()]);
    } catch (error) {
      this.#giveUp(error);
    } finally {
      ended.abort();
      drain.removeEventListener('abort', onDrain);
      stop.removeEventListener('abort', onStop);
      await Promise.all(background);
      await this.#close();
      await this.#duty?.finish().catch((error: unknown) => this.#giveUp(error));
    }
    if (this.#failure !== null) throw this.#failure;
  }

  async #waitForDrain(): Promise<void> {
    const part = this.#watch.part(this.#options.groups.length + 1);
    while (this.#dispatcher.busy) {
      part.mark('poll');
      await this.#intake.waitForChange();
    }
    part.done();
  }

  #obeyOrder(order: Order): void {
    this.#duty?.setLeaveReason(order === 'replace' ? 'replace' : 'ordered');
    this.#leave(`ordered to ${order}`);
    if (order === 'stop') this.#end('drain');
  }

  #leave(why: string): void {
    if (!this.#drain.signal.aborted) this.#log.info(`${why}: taking no more tasks`);
    this.#drain.abort();
    this.#dispatcher.stopTaking();
  }

  #end(reason: EndReason): void {
    this.#stopWaiting.abort();
    this.#dispatcher.end(reason);
  }

  /** For reading jobs: a store that throttles delays the worker instead of ending it. */
  #createRetrier(limitMs: number): Retrier {
    const { clock } = this.#platform;
    const minutes = Math.round(limitMs / 60_000);
    return new Retrier({
      limitMs,
      signal: this.#stopWaiting.signal,
      monotonic: () => clock.monotonic(),
      onTrouble: (error) =>
        this.#log.warn(`can't read jobs; retrying for up to ${minutes} min: ${shortMessageOf(error)}`),
    });
  }

  /** A service stays unavailable: stop taking tasks, return those that can't finish, and exit with the error's code. */
  #giveUp(error: unknown): void {
    const [group = ''] = this.#options.groups;
    this.#failure ??=
      error instanceof BatchctlError
        ? withGrantHint(error, { group, store: this.#platform.store })
        : new BatchctlError(isFull(error) ? 'full' : 'unexpected', shortMessageOf(error), { cause: error });
    this.#leave(`giving up: ${shortMessageOf(error)}`);
  }

  #settle(item: SettleItem): void {
    const work = settle(this.#ctx, item, async (group, body, tenant) =>
      (await this.#clients.get(group)).send({ body, tenant }),
    )
      .then(() => this.#noteOutcome(item))
      .catch(async (error: unknown) => {
        this.#giveUp(error);
        await item.queue.release(item.delivery.receipt, 0).catch(() => undefined);
      })
      .finally(() => this.#settling.delete(work));
    this.#settling.add(work);
  }

  #noteOutcome({ outcome, task, queue, delivery }: SettleItem): void {
    const reason = this.#tally.note(outcome, this.#platform.clock.monotonic());
    if (reason !== null) this.#giveUp(reason);
    if (this.#health?.note({ outcome, task }) === true) void this.#checkHealth();
    if (outcome.kind === 'leaseLost') queue.forget(delivery.receipt);
    if (outcome.kind === 'declined' && outcome.why === 'elsewhere')
      this.#warnOfElsewhere(queue.queue.group, outcome.job);
    if (task === null) return;
    if (outcome.kind === 'declined' && outcome.why === 'unfit') {
      const name = `${task.message.job}/${task.step.name}`;
      if (!this.#intake.unfit.has(name)) this.#log.warn(`${name} needs more than this worker has: returned`);
      this.#intake.unfit.add(name);
    }
    const decided = ['published', 'twin', 'failed', 'failedBefore'].includes(outcome.kind);
    if (decided) this.#jobChecks.checkSoon(task.message.job, outcome.kind === 'published' || outcome.kind === 'twin');
  }

  /** Once for each queue: there may be thousands of such messages. */
  #warnOfElsewhere(group: string, job: string): void {
    if (this.#sharedQueues.has(group)) return;
    this.#sharedQueues.add(group);
    this.#log.warn(
      `the queue of group ${group} has messages of jobs that are not in this store, such as ${job}: they are returned to it. Another stack may use this queue; on AWS, batchctl infra plan says whose it is`,
    );
  }

  /** Leaves if tasks fail on this machine but succeed on others. */
  async #checkHealth(): Promise<void> {
    const reason = (await this.#health?.verdict()) ?? null;
    if (reason === null) return;
    this.#duty?.setLeaveReason('sick');
    this.#giveUp(reason);
  }

  async #waitForSettling(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  #removeScratch(): void {
    const { scratch } = this.#ctx;
    try {
      removeTree(scratch);
    } catch (error) {
      this.#log.warn(`could not remove everything in ${scratch}, remove it: ${messageOf(error)}`);
    }
  }

  async #close(): Promise<void> {
    await this.#watch.close();
    await this.#ctx.executor.close();
    this.#removeScratch();
    await this.#clients.close();
    await this.#recorder.close();
    this.#log.info(
      `worker ${this.#options.worker} leaves: ${this.#tally.done} done, ${this.#tally.failed} failed for good`,
    );
    await Promise.allSettled([
      this.#log.flush(),
      this.#platform.ledger().then((ledger) => ledger.heartbeat(this.#heartbeat.workerRecord('gone'))),
    ]);
  }
}

const LINES_KEPT = 2_000;

/** A worker's own log: its last lines, printed to the caller and written to the store for `workers logs`. */
export class StoredLog implements WorkerLog {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #say: (line: string) => void;
  readonly #now: () => number;
  #lines: string[] = [];
  #storedCount = 0;
  #lineCount = 0;

  constructor(store: ObjectStore, worker: string, now: () => number, say: (line: string) => void) {
    this.#store = store;
    this.#key = workerLogKey(worker);
    this.#now = now;
    this.#say = say;
  }

  info(message: string): void {
    this.#add(message);
  }

  warn(message: string): void {
    this.#add(`warning: ${message}`);
  }

  /** Puts the log into the store if it grew. */
  async flush(): Promise<void> {
    if (this.#storedCount === this.#lineCount) return;
    this.#storedCount = this.#lineCount;
    await this.#store.put(this.#key, `${this.#lines.join('\n')}\n`);
  }

  #add(message: string): void {
    const line = `${new Date(this.#now()).toISOString()} ${message}`;
    this.#lineCount += 1;
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines = this.#lines.slice(-LINES_KEPT / 2);
    this.#say(line);
  }
}
