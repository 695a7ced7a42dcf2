import { join } from 'node:path';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { FailureStreaks } from '../../../src/model/breaker.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Delivery, Receipt, TaskQueue } from '../../../src/ports/task-queue.ts';
import type { WorkerContext } from '../../../src/worker/context.ts';
import { obeyJournals } from '../../../src/worker/decisions.ts';
import { Denials } from '../../../src/worker/denials.ts';
import { Dispatcher } from '../../../src/worker/dispatcher.ts';
import { JobCache } from '../../../src/worker/job-cache.ts';
import { type Leases, QueueClient } from '../../../src/worker/queue-clients.ts';
import { SecretReader } from '../../../src/worker/secrets.ts';
import { type SettleItem, settle } from '../../../src/worker/settle.ts';
import { CodeCache } from '../../../src/worker/stage-in.ts';
import { fuzzExecutor } from './programs.ts';
import type { Actor } from './scheduler.ts';
import { LEASE, type World } from './world.ts';

/** Calls the queue for each message at once: batches would wait by the real clock. */
class DirectClient extends QueueClient {
  readonly #leases: Leases;

  constructor(queue: TaskQueue, leases: Leases) {
    super(queue, leases);
    this.#leases = leases;
  }

  override async ack(receipt: Receipt): Promise<void> {
    this.#leases.drop([receipt]);
    await this.queue.ack([receipt]);
  }

  override async release(receipt: Receipt, delay: number): Promise<void> {
    this.#leases.drop([receipt]);
    await this.queue.release([{ receipt, delay }]);
  }

  override async bury(delivery: Delivery, reason: string): Promise<void> {
    this.#leases.drop([delivery.receipt]);
    await this.queue.bury([{ delivery, reason }]);
  }

  override send(message: Parameters<QueueClient['send']>[0]): Promise<void> {
    return this.queue.send([message]);
  }
}

/**
 * A worker made of the real parts (admit, attempt, publish, settle, the watcher), without its timers: the sequence calls
 * its polls and heartbeats.
 */
export class FuzzWorker {
  readonly actor: Actor;
  readonly #world: World;
  readonly #ctx: WorkerContext;
  readonly #dispatcher: Dispatcher;
  readonly #client: DirectClient;
  readonly #watcher: JobWatcher;
  /** The receipts that it holds, and when each was received, in acts. */
  readonly #held = new Map<Receipt, number>();
  readonly #platform: Platform;

  static async start(world: World): Promise<FuzzWorker> {
    const { actor, platform } = world.addActor('w');
    return new FuzzWorker(world, actor, platform, {
      scratch: await platform.scratch(actor.name),
      queue: await platform.queue('default'),
    });
  }

  private constructor(
    world: World,
    actor: Actor,
    platform: Platform,
    { scratch, queue }: { readonly scratch: string; readonly queue: TaskQueue },
  ) {
    this.#world = world;
    this.actor = actor;
    this.#platform = platform;
    this.#watcher = new JobWatcher(platform, LEASE, (_, error) => actor.fail(error));
    const executor = fuzzExecutor(world.programs, actor, (attempt) => this.#checkMayRun(attempt));
    this.#ctx = {
      platform,
      worker: actor.name,
      executor,
      scratch,
      inherited: {},
      graceMs: 1,
      // A slow worker has an old journal: it reads it again only at heartbeats. Others read it before each task.
      jobs: new JobCache(platform.store, world.chance.is(0.5) ? Number.POSITIVE_INFINITY : 0),
      streaks: new FailureStreaks(),
      denials: new Denials(),
      emptyDirectories: new Set(),
      retrier: { run: (act) => act() },
      total: { slots: world.chance.whole(1, 3), memory: 2 ** 30, disk: 2 ** 30 },
      record: async (event) => (await platform.ledger()).record([event]),
      log: { info: () => undefined, warn: (line) => world.log(`${actor.name} warns: ${line}`) },
      passed: () => undefined,
      secrets: new SecretReader({ source: null }),
    };
    this.#dispatcher = new Dispatcher(this.#ctx, {
      code: new CodeCache(platform.store, join(scratch, 'code')),
      leaseSeconds: LEASE,
      settle: (item) => actor.begin(() => this.#settle(item)),
      runningElsewhere: () => 0,
    });
    const drop = (receipts: readonly Receipt[]): void => {
      for (const receipt of receipts) this.#held.delete(receipt);
    };
    this.#client = new DirectClient(queue, {
      hold: (receipts) => {
        for (const receipt of receipts) this.#held.set(receipt, world.scheduler.acts);
      },
      drop,
      dropAndWait: async (receipts) => drop(receipts),
      close: async () => undefined,
    });
    actor.isBusyElsewhere = () => [...this.#dispatcher.running()].length > 0;
  }

  /** Receives as many messages as it has room for. */
  poll(): void {
    const max = Math.min(this.#dispatcher.room, 4);
    if (max === 0) return;
    this.actor.begin(async () => {
      const deliveries = await this.#client.receive({ max, waitSeconds: 0 });
      if (deliveries.length > 0) await this.#dispatcher.offer(this.#client, deliveries);
    });
  }

  /** Obeys journals, extends leases, and ends attempts whose lease is lost. */
  beat(): void {
    this.actor.begin(async () => {
      const receipts = [...this.#held.keys()];
      const verdicts = receipts.length === 0 ? [] : await this.#client.queue.extend(receipts);
      for (const [index, receipt] of receipts.entries()) {
        if (verdicts[index] !== 'lost') continue;
        this.#held.delete(receipt);
        this.#dispatcher.onLeaseLost(receipt);
      }
      await obeyJournals(this.#platform.store, this.#ctx.jobs, this.#dispatcher, (_, error) => this.actor.fail(error));
      this.#dispatcher.admitLimited();
    });
  }

  /** Makes an idle worker's round. */
  look(exact: boolean): void {
    this.actor.begin(() => this.#watcher.round(exact));
  }

  async #settle(item: SettleItem): Promise<void> {
    await settle(this.#ctx, item, (_, body, tenant) => this.#client.send({ body, tenant }));
    const { outcome, task, delivery } = item;
    if (outcome.kind === 'leaseLost') this.#client.forget(delivery.receipt);
    if (outcome.kind === 'poison') this.actor.fail(new Error(`poison: ${outcome.reason}`));
    if (task === null || !['published', 'twin', 'failed', 'failedBefore'].includes(outcome.kind)) return;
    await this.#watcher.afterOutcome(task.message.job, outcome.kind === 'published' || outcome.kind === 'twin');
  }

  /**
   * Checks that no attempt begins for a task that was decided before its message was received. Only the first delivery of a
   * message may begin one, if neither its sender nor the journal, as this worker knows it, marks it as a repetition.
   */
  #checkMayRun(attempt: string): void {
    for (const running of this.#dispatcher.running()) {
      if (running.attempt !== attempt) continue;
      const { message, delivery, view } = running.task;
      if (delivery.receiveCount === 1 && message.again !== true && view.next <= 1) continue;
      const { job, step, task, round } = message;
      const received = this.#held.get(delivery.receipt) ?? Number.POSITIVE_INFINITY;
      const number = String(task).padStart(9, '0');
      for (const key of [`out/${number}`, `failed/${number}.${round}`]) {
        const decided = this.#world.putAt.get(`jobs/${job}/steps/${step}/${key}`);
        if (decided !== undefined && decided < received && received !== Number.POSITIVE_INFINITY)
          this.#world.violations.push(
            `${step}/${task} ran in round ${round}, although ${key} existed when its message was received`,
          );
      }
    }
  }
}
