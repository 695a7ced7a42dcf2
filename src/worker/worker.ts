import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { Deliveries } from '../jobs/deliver/deliver.ts';
import { countVisible } from '../jobs/grid/queues.ts';
import { NoticeSender } from '../jobs/notify/notice-sender.ts';
import { JobWatcher } from '../jobs/watch/job-watcher.ts';
import { LoopWatch } from '../lib/loop-watch.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { FailureStreaks } from '../model/breaker.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerContext, WorkerOptions } from './context.ts';
import { Denials } from './denials.ts';
import { Departure } from './departure.ts';
import { Dispatcher } from './dispatcher.ts';
import { inheritedFrom } from './environment.ts';
import { Heartbeat, journalAge, OtherWorkers } from './heartbeat.ts';
import { Intake } from './intake.ts';
import { InterruptionRisk } from './interruption-risk.ts';
import { JobCache } from './job-cache.ts';
import { JobChecks } from './job-checks.ts';
import { MachineDuty, raiseAfterLeaving } from './machine-duty.ts';
import { shortMessageOf } from './outcome.ts';
import { QueueClients } from './queue-clients.ts';
import { Recorder } from './recorder.ts';
import { publishRetryMs, Retrier } from './retrier.ts';
import { RunningElsewhere } from './running-elsewhere.ts';
import { ScaleInProtection } from './scale-in-protection.ts';
import { SecretReader } from './secrets.ts';
import { Settlements } from './settlements.ts';
import { CodeCache } from './stage-in.ts';
import { StoredLog, warnOncePerJob } from './stored-log.ts';
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

/** The parts of a worker, wired from top to bottom: each knows only those above it, and reports by events. */
class Worker {
  readonly #platform: Platform;
  readonly #options: WorkerOptions;
  readonly #ctx: WorkerContext;
  readonly #log: StoredLog;
  readonly #departure: Departure;
  readonly #tally: OutcomeTally;
  readonly #recorder: Recorder;
  readonly #noticeSender: NoticeSender;
  readonly #watcher: JobWatcher;
  readonly #deliveries: Deliveries;
  readonly #jobChecks: JobChecks;
  readonly #clients: QueueClients;
  readonly #settlements: Settlements;
  readonly #risk: InterruptionRisk;
  readonly #dispatcher: Dispatcher;
  readonly #watch: LoopWatch;
  /** Null without a machine that a group could end. */
  readonly #duty: MachineDuty | null;
  readonly #intake: Intake;
  readonly #heartbeat: Heartbeat;

  constructor(platform: Platform, setup: WorkerSetup) {
    const { options, role, inGroup } = setup;
    const { worker, groups, maxFailures, passed } = options;
    const { clock, leaseSeconds, store } = platform;
    const ledger = () => platform.ledger();
    this.#platform = platform;
    this.#options = options;
    this.#log = new StoredLog(store, worker, () => clock.now(), options.say);
    const log = this.#log;
    this.#departure = new Departure({ log, store, groups });
    const departure = this.#departure;
    const giveUp = (error: unknown): void => departure.giveUp(error);
    this.#tally = new OutcomeTally(inGroup ? null : maxFailures, leaseSeconds * 1_000);
    this.#recorder = new Recorder({ ledger, log, onError: giveUp });

    // Sends notices about changes that this worker made. Those begun before it leaves are finished, which takes
    // seconds.
    const onNoticeTrouble = ({ message }: { readonly message: string }): void => log.warn(message);
    this.#noticeSender = new NoticeSender(platform, { checksCounters: false, onTrouble: onNoticeTrouble, passed });
    this.#watcher = new JobWatcher(platform, leaseSeconds, warnOncePerJob(log), {
      raises: 'waiting',
      discards: false,
      shares: inGroup,
      onSeen: (view) => this.#noticeSender.observe(view),
      recorded: () => this.#recorder.written(),
    });
    this.#deliveries = new Deliveries(platform, departure.drain, log, passed);
    const retrier = this.#createRetrier(publishRetryMs(0));
    this.#jobChecks = new JobChecks(
      (job, published) => retrier.run(() => this.#watcher.afterOutcome(job, published)),
      giveUp,
    );

    this.#ctx = this.#createContext(setup, retrier);
    // Null where a worker that fails leaves by itself.
    const health = inGroup && maxFailures !== null ? new WorkerHealth(maxFailures, ledger) : null;
    const checkHealth = async (): Promise<void> => {
      // Tasks fail on this machine, but succeed on others.
      const reason = (await health?.verdict()) ?? null;
      if (reason === null) return;
      departure.setReason('sick');
      departure.giveUp(reason);
    };
    this.#clients = new QueueClients({ platform, onError: (message) => log.warn(`heartbeat: ${message}`) });
    this.#settlements = new Settlements({
      ctx: this.#ctx,
      clients: this.#clients,
      departure,
      jobChecks: this.#jobChecks,
      tally: this.#tally,
      health,
      onDoubt: () => void checkHealth(),
    });

    this.#risk = new InterruptionRisk({ ledger, times: setup.times, monotonic: () => clock.monotonic() });
    const runningElsewhere = new RunningElsewhere({ ledger, clock, leaseSeconds, worker });
    const otherWorkers = new OtherWorkers(worker);
    this.#dispatcher = new Dispatcher(this.#ctx, {
      code: new CodeCache(store, join(setup.scratch, 'code')),
      leaseSeconds,
      settle: (item) => this.#settlements.add(item),
      runningElsewhere: (job, step) => otherWorkers.running(job, step),
      runsElsewhere: (message) => runningElsewhere.has(message),
      deferSeconds: (task) => this.#risk.deferSeconds(task),
    });
    const dispatcher = this.#dispatcher;

    const parts = { log, departure, dispatcher, watcher: this.#watcher, deliveries: this.#deliveries };
    this.#watch = new LoopWatch(
      'the worker',
      [...groups.map((group) => `the poll of ${group}`), 'a rest', 'the drain'],
      setup.times.loopMs,
    );
    this.#duty = this.#createDuty(setup);
    this.#intake = new Intake({
      ...parts,
      platform,
      options,
      rest: this.#createRest(setup),
      watch: this.#watch,
      isTransient: role.isTransient,
      isInStandby: () => this.#duty?.isInStandby() === true,
      client: (group) => this.#clients.get(group),
      settlements: this.#settlements,
      tryLeave: async () => this.#duty === null || (await this.#duty.tryLeave()),
    });
    this.#heartbeat = new Heartbeat({
      ...parts,
      ctx: this.#ctx,
      options,
      tally: this.#tally,
      otherWorkers,
      isTransient: role.isTransient,
      recordStart: (event) => {
        if (platform.workplace.paysRequests) this.#recorder.recordStart(event);
        else void this.#recorder.record(event).catch(giveUp);
      },
      onBeat: checkHealth,
      denied: () => this.#duty?.denied() ?? null,
    });

    departure.on('leave', () => dispatcher.stopTaking());
    departure.on('end', (reason) => dispatcher.end(reason));
    this.#clients.on('lost', (receipt) => dispatcher.onLeaseLost(receipt));
    dispatcher.on('start', () => this.#heartbeat.announceLater());
    dispatcher.on('room', () => this.#intake.wake());
  }

  async run(): Promise<void> {
    const { drain, stop } = this.#options;
    const departure = this.#departure;
    const onDrain = (): void => departure.leave('asked to drain');
    const onStop = (): void => {
      departure.leave('asked to stop');
      departure.end('drain');
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
      await this.#intake.run().catch((error: unknown) => departure.giveUp(error));
      if (!departure.drain.aborted) departure.setReason('done');
      // Also after giving up: running tasks are still published or returned, as far as the service accepts it.
      this.#dispatcher.stopTaking();
      await this.#waitForDrain();
      await this.#settlements.idle();
      await this.#jobChecks.idle();
      await Promise.all([this.#deliveries.idle(), this.#noticeSender.idle()]);
    } catch (error) {
      departure.giveUp(error);
    } finally {
      ended.abort();
      drain.removeEventListener('abort', onDrain);
      stop.removeEventListener('abort', onStop);
      await Promise.all(background);
      await this.#close();
      await this.#duty?.finish().catch((error: unknown) => departure.giveUp(error));
    }
    if (departure.failure !== null) throw departure.failure;
  }

  #createContext({ options, role, scratch }: WorkerSetup, retrier: Retrier): WorkerContext {
    const platform = this.#platform;
    const { worker, total } = options;
    const executor = options.makeExecutor({ slots: total.slots, worker, directory: scratch });
    const hasCommandUser = (executor.owner?.(0) ?? null) !== null;
    return {
      platform,
      worker,
      scratch,
      total,
      log: this.#log,
      inherited: inheritedFrom(options.env ?? process.env),
      jobs: new JobCache(platform.store, journalAge(platform.leaseSeconds)),
      executor,
      secrets: new SecretReader({
        source: platform.secrets ?? null,
        who: worker,
        patienceMs: role.patienceMs,
        unavailableMs: publishRetryMs(0),
        onUnavailable: (error) => this.#log.warn(`tasks wait for their secrets: ${shortMessageOf(error)}`),
        allowed: platform.allowedSecrets?.(hasCommandUser) ?? null,
      }),
      streaks: new FailureStreaks(),
      denials: new Denials(),
      emptyDirectories: new Set(),
      retrier,
      record: (event) => this.#recorder.record(event),
      graceMs: options.graceMs ?? GRACE_MS,
      passed: options.passed ?? (() => undefined),
      faults: options.faults ?? null,
    };
  }

  #createDuty({ machine, times }: WorkerSetup): MachineDuty | null {
    if (machine === null) return null;
    const platform = this.#platform;
    const { groups } = this.#options;
    const log = this.#log;
    return new MachineDuty({
      machine,
      times,
      log,
      departure: this.#departure,
      clock: platform.clock,
      graceMs: this.#ctx.graceMs,
      busy: () => this.#dispatcher.busy,
      leavesAtRisk: groups.some((group) => platform.shouldLeaveAtRisk?.(group) === true),
      onRisk: () => this.#risk.begin(),
      // Its hook holds the machine meanwhile; after that the worker's next start looks.
      raiseAfterLeaving: (groupShrank) =>
        this.#createRetrier(times.holdMs).run(() =>
          raiseAfterLeaving({ platform, groups, log, lagMs: times.lagMs, groupShrank }),
        ),
    });
  }

  #createRest({ machine, times, role }: WorkerSetup): ScaleInProtection | null {
    const duty = this.#duty;
    if (machine === null || duty === null) return null;
    const { groups } = this.#options;
    return new ScaleInProtection({
      machine,
      times,
      log: this.#log,
      isTransient: role.isTransient,
      isInStandby: duty.isInStandby,
      monotonic: () => this.#platform.clock.monotonic(),
      backlog: () => countVisible(this.#platform, groups),
      watch: this.#watch.part(groups.length),
      onTooLate: () => this.#departure.leave('its group terminates this instance'),
    });
  }

  /** For reading jobs: a store that throttles delays the worker instead of ending it. */
  #createRetrier(limitMs: number): Retrier {
    const { clock } = this.#platform;
    const minutes = Math.round(limitMs / 60_000);
    return new Retrier({
      limitMs,
      signal: this.#departure.ended,
      monotonic: () => clock.monotonic(),
      onTrouble: (error) =>
        this.#log.warn(`can't read jobs; retrying for up to ${minutes} min: ${shortMessageOf(error)}`),
    });
  }

  async #waitForDrain(): Promise<void> {
    const part = this.#watch.part(this.#options.groups.length + 1);
    while (this.#dispatcher.busy) {
      part.mark('poll');
      await this.#intake.waitForChange();
    }
    part.done();
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
