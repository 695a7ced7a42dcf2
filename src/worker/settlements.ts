import type { WorkerContext } from './context.ts';
import type { Departure } from './departure.ts';
import type { JobChecks } from './job-checks.ts';
import type { QueueClients } from './queue-clients.ts';
import { type SettleItem, settle } from './settle.ts';
import type { OutcomeTally, WorkerHealth } from './worker-health.ts';

interface SettlementsOptions {
  readonly ctx: WorkerContext;
  readonly clients: QueueClients;
  readonly departure: Departure;
  readonly jobChecks: JobChecks;
  readonly tally: OutcomeTally;
  readonly health: Pick<WorkerHealth, 'note'> | null;
  /** Called after an outcome that puts the machine in doubt. */
  readonly onDoubt: () => void;
}

/** Ends the deliveries of a worker, many at once, and draws the conclusions of their outcomes for it. */
export class Settlements {
  /** `job/step` of tasks that don't fit this worker. */
  readonly unfit = new Set<string>();
  readonly #o: SettlementsOptions;
  readonly #running = new Set<Promise<void>>();
  /** Groups whose queue has messages of jobs that are not in this store. */
  readonly #sharedQueues = new Set<string>();

  constructor(options: SettlementsOptions) {
    this.#o = options;
  }

  /** Never throws: a delivery that can't be settled is released, and the worker gives up. */
  add(item: SettleItem): void {
    const { clients, ctx, departure } = this.#o;
    const work = settle(ctx, item, async (group, body, tenant) => (await clients.get(group)).send({ body, tenant }))
      .then(() => this.#note(item))
      .catch(async (error: unknown) => {
        departure.giveUp(error);
        await item.queue.release(item.delivery.receipt, 0).catch(() => undefined);
      })
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  /** Resolves when every delivery that was added is settled. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #note({ outcome, task, queue, delivery }: SettleItem): void {
    const { ctx, departure, health, jobChecks, onDoubt, tally } = this.#o;
    const reason = tally.note(outcome, ctx.platform.clock.monotonic());
    if (reason !== null) departure.giveUp(reason);
    if (health?.note({ outcome, task }) === true) onDoubt();
    if (outcome.kind === 'leaseLost') queue.forget(delivery.receipt);
    if (outcome.kind === 'declined' && outcome.why === 'elsewhere')
      this.#warnOfSharedQueue(queue.queue.group, outcome.job);
    if (task === null) return;
    const { message, step } = task;
    if (outcome.kind === 'declined' && outcome.why === 'unfit') this.#warnOfUnfit(message.job, step.name);
    const decided = ['published', 'twin', 'failed', 'failedBefore'].includes(outcome.kind);
    if (decided) jobChecks.checkSoon(message.job, outcome.kind === 'published' || outcome.kind === 'twin');
  }

  #warnOfUnfit(job: string, step: string): void {
    const name = `${job}/${step}`;
    if (!this.unfit.has(name)) this.#o.ctx.log.warn(`${name} needs more than this worker has: returned`);
    this.unfit.add(name);
  }

  /** Once for each queue: there may be thousands of such messages. */
  #warnOfSharedQueue(group: string, job: string): void {
    if (this.#sharedQueues.has(group)) return;
    this.#sharedQueues.add(group);
    this.#o.ctx.log.warn(
      `the queue of group ${group} has messages of jobs that are not in this store, such as ${job}: they are returned to it. Another stack may use this queue; on AWS, batchctl infra plan says whose it is`,
    );
  }
}
