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

/** A queue's verbs one at a time: nothing is gathered into batches, which wait by the real clock. */
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
 * A worker of the real rooms (admit, attempt, publish, settle, the watcher) without its timers: the sequence says when
 * it polls and when its heart beats.
 */
export class FuzzWorker {
  readonly actor: Actor;
  readonly #world: World;
  readonly #ctx: WorkerContext;
  readonly #dispatcher: Dispatcher;
  readonly #client: DirectClient;
  readonly #watcher: JobWatcher;
  /** Receipts it holds, and when (in acts) each was received. */
  readonly #held = new Map<Receipt, number>();
  readonly #platform: Platform;

  static async start(world: World): Promise<FuzzWorker> {
    const { actor, platform } = world.arrive('w');
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
    const executor = fuzzExecutor(world.programs, actor, (attempt) => this.#witness(attempt));
    this.#ctx = {
      ...{ platform, worker: actor.name, executor, scratch, inherited: {}, graceMs: 1 },
      // An old journal is a slow worker's lot: it is read again when the heart beats, or before each task.
      jobs: new JobCache(platform.store, world.chance.is(0.5) ? Number.POSITIVE_INFINITY : 0),
      streaks: new FailureStreaks(),
      denials: new Denials(),
      retrier: { run: (act) => act() },
      total: { slots: world.chance.whole(1, 3), memory: 2 ** 30, disk: 2 ** 30 },
      record: async (event) => (await platform.ledger()).record([event]),
      log: { info: () => undefined, warn: (line) => world.tell(`${actor.name} warns: ${line}`) },
      passed: () => undefined,
      secrets: new SecretReader({ source: null }),
    };
    this.#dispatcher = new Dispatcher(this.#ctx, {
      code: new CodeCache(platform.store, join(scratch, 'code')),
      leaseSeconds: LEASE,
      settle: (item) => actor.begin(() => this.#settle(item)),
      runningElsewhere: () => 0,
      onRoom: () => undefined,
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
    actor.alsoBusy = () => [...this.#dispatcher.running()].length > 0;
  }

  /** Takes what it has room for. */
  poll(): void {
    const max = Math.min(this.#dispatcher.room, 4);
    if (max === 0) return;
    this.actor.begin(async () => {
      const deliveries = await this.#client.receive({ max, waitSeconds: 0 });
      if (deliveries.length > 0) await this.#dispatcher.offer(this.#client, deliveries);
    });
  }

  /** Heeds journals, extends leases, and ends the attempts whose lease is lost. */
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

  /** What an idle worker does. */
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
   * Nobody runs a task that was decided before its message was received. Only a first delivery may, of a message that
   * neither its sender nor the journal, as this worker knows it, takes for a second one.
   */
  #witness(attempt: string): void {
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
          this.#world.offences.push(`${step}/${task} ran in round ${round}, though ${key} stood when it was received`);
      }
    }
  }
}
