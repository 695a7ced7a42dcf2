import { EventEmitter } from 'node:events';
import { type BatchctlError, isBatchctlError, isKind } from '../errors.ts';
import { isDenied, removeDeniedMark, reportUnreadableJob } from '../jobs/denied-job.ts';
import { randomId } from '../lib/id.ts';
import { parseMessage, taskName } from '../model/message.ts';
import type { Delivery, Receipt } from '../ports/task-queue.ts';
import { admit, newerOutcome, type RefusedDelivery } from './admit.ts';
import type { AdmittedTask } from './admitted-task.ts';
import { runAttempt } from './attempt.ts';
import type { WorkerContext } from './context.ts';
import { Denials, denialText } from './denials.ts';
import { LimitedDeliveries } from './limited-deliveries.ts';
import { type EndReason, type Outcome, SERVICE_DELAY, shortMessageOf } from './outcome.ts';
import { Pace } from './pace.ts';
import { putFailure } from './put-failure.ts';
import type { QueueClient } from './queue-clients.ts';
import { fits, minus, plus, type Resources, resolveNeeds } from './resources.ts';
import type { SettleItem } from './settle.ts';
import { SlotSeconds } from './slot-seconds.ts';
import type { CodeCache } from './stage-in.ts';

interface ReadyTask {
  readonly queue: QueueClient;
  readonly task: AdmittedTask;
  readonly needs: Resources;
}

export interface RunningAttempt extends ReadyTask {
  readonly attempt: string;
  readonly slots: readonly number[];
  readonly startedAt: number;
  readonly end: AbortController;
  announced: boolean;
}

interface DispatcherOptions {
  readonly code: CodeCache;
  readonly leaseSeconds: number;
  /** Ends a delivery; never rejects. */
  readonly settle: (item: SettleItem) => void;
  /** Approximate number of attempts of a job, or one step of it, in other workers. */
  readonly runningElsewhere: (job: string, step: string | null) => number;
  /** Whether a live worker runs the task. Asked only if an earlier delivery of it is unaccounted for. Absent: none does. */
  readonly runsElsewhere?: (message: AdmittedTask['message']) => Promise<boolean>;
  /**
   * Seconds for which a task is left to other machines, because this one may be interrupted before it finishes; null or
   * absent: not left.
   */
  readonly deferSeconds?: (task: AdmittedTask) => Promise<number | null>;
}

const UNFIT_DELAY = 30;
const LIMIT_DELAY = 2;
/** Tasks that a worker remembers to have run: about a megabyte. */
const MOST_RAN = 10_000;
/** Seconds until a message of a job that this worker may not read returns: longer than an idle worker stays. */
const UNREAD_DELAY = 900;

/**
 * Assigns deliveries to slots: a slow task never holds up the others, and tasks that don't fit are returned. Emits `start`
 * when an attempt has begun, and `room` when there is room for more.
 */
export class Dispatcher extends EventEmitter<{ start: []; room: [] }> {
  readonly #ctx: WorkerContext;
  readonly #options: DispatcherOptions;
  readonly spent = new SlotSeconds();
  readonly #ready: ReadyTask[] = [];
  readonly #running = new Map<Receipt, RunningAttempt>();
  readonly #names = new Set<string>();
  /** The tasks that ran last, the most recent one last: another delivery of one may be a copy of its message. */
  readonly #ran = new Set<string>();
  /** Leases lost before their deliveries were admitted. */
  readonly #lostEarly = new Set<Receipt>();
  readonly #limited: LimitedDeliveries;
  /** Jobs for which this worker has reported that it may not read them. */
  readonly #reportedUnread = new Set<string>();
  readonly #readDenials = new Denials();
  readonly #freeSlots: number[];
  readonly #pace: Pace;
  #free: Resources;
  #admitting = 0;
  #taking = true;

  constructor(ctx: WorkerContext, options: DispatcherOptions) {
    super();
    this.#ctx = ctx;
    this.#options = options;
    this.#free = ctx.total;
    this.#freeSlots = Array.from({ length: ctx.total.slots }, (_, slot) => slot).reverse();
    this.#pace = new Pace(ctx.total.slots);
    this.#limited = new LimitedDeliveries(ctx.total.slots);
  }

  /** The number of further deliveries wanted now: one per free slot, and a few ahead while tasks are short. */
  get room(): number {
    if (!this.#taking) return 0;
    const held = this.#ready.length + this.#admitting;
    const wanted = this.#free.slots + this.#pace.ahead - held;
    // Short tasks are fetched in batches, not one by one as slots become free.
    return held > this.#pace.ahead / 2 ? 0 : Math.max(0, wanted);
  }

  get busy(): boolean {
    return this.#running.size + this.#ready.length + this.#limited.count + this.#admitting > 0;
  }

  running(): Iterable<RunningAttempt> {
    return this.#running.values();
  }

  /**
   * Admits deliveries: at once settles those that won't run, and queues the rest for slots. Returns whether any was
   * left to other machines, in which case more of the same probably waits.
   */
  async offer(queue: QueueClient, deliveries: readonly Delivery[]): Promise<boolean> {
    this.#admitting += deliveries.length;
    let left = false;
    for (const delivery of deliveries) {
      try {
        if ((await this.#admit(queue, delivery)) === 'left') left = true;
      } finally {
        this.#admitting -= 1;
        if (this.#admitting === 0) this.#lostEarly.clear();
      }
      this.#pump();
    }
    // Refused deliveries left room, which no ending attempt will announce.
    this.emit('room');
    return left;
  }

  /** Stops taking; deliveries waiting for a slot are returned. */
  stopTaking(): void {
    this.#taking = false;
    this.admitLimited();
    for (const { queue, task } of this.#ready.splice(0)) {
      this.#names.delete(nameOf(task));
      this.#refuse(queue, task.delivery, { kind: 'declined', why: 'busy', delay: 0 }, task);
    }
  }

  /** Admits deliveries held back by `maxRunning`, as far as they may run now: all, or the oldest `count`. */
  admitLimited(count = this.#limited.count): void {
    for (const { queue, delivery, name } of this.#limited.take(count)) {
      this.#names.delete(name);
      void this.offer(queue, [delivery]);
    }
  }

  end(reason: EndReason, which: (attempt: RunningAttempt) => boolean = () => true): void {
    for (const attempt of this.#running.values()) if (which(attempt)) attempt.end.abort(reason);
  }

  /** A lease is lost: its attempt ends, or never starts. */
  onLeaseLost(receipt: Receipt): void {
    this.#running.get(receipt)?.end.abort('lease' satisfies EndReason);
    const waiting = this.#ready.findIndex(({ task }) => task.delivery.receipt === receipt);
    for (const { task } of waiting === -1 ? [] : this.#ready.splice(waiting, 1)) {
      this.#names.delete(nameOf(task));
      this.#pump();
      this.emit('room');
    }
    const limited = this.#limited.remove(receipt);
    if (limited !== null) this.#names.delete(limited.name);
    else if (waiting === -1 && !this.#running.has(receipt) && this.#admitting > 0) this.#lostEarly.add(receipt);
  }

  async #admit(queue: QueueClient, delivery: Delivery): Promise<'left' | 'taken'> {
    const { platform, jobs, total } = this.#ctx;
    const ranHere = (message: AdmittedTask['message']): boolean => this.#ran.has(nameOf({ message }));
    const here = { group: queue.queue.group, now: platform.clock.now(), ranHere };
    const found = await admit(platform.store, jobs, delivery, here)
      .then((each) => this.#storeIfFailed(each))
      .catch((error: unknown) => this.#refusalOf(delivery, error, here.group));
    const isCopy = found.kind === 'admitted' && (await this.#runsElsewhere(found));
    const leftFor = found.kind === 'refused' ? null : ((await this.#options.deferSeconds?.(found)) ?? null);
    if (this.#lostEarly.delete(delivery.receipt)) return 'taken';
    if (found.kind === 'refused') {
      this.#refuse(queue, delivery, found.outcome, found.admitted);
      return 'taken';
    }
    if (isCopy) {
      this.#refuse(queue, delivery, { kind: 'declined', why: 'busy', delay: this.#options.leaseSeconds / 3 }, found);
      return 'taken';
    }
    if (leftFor !== null) {
      this.#refuse(queue, delivery, { kind: 'declined', why: 'risk', delay: leftFor }, found);
      return 'left';
    }
    const { job } = found.message;
    this.#readDenials.clear(job);
    if (this.#reportedUnread.delete(job)) {
      await removeDeniedMark(platform.store, job).catch((error: unknown) => this.#ctx.log.warn(shortMessageOf(error)));
    }
    const needs = resolveNeeds(found.step.needs, total);
    const declined = this.#declineOutcome(found, needs);
    const name = nameOf(found);
    if (declined?.kind === 'declined' && declined.why === 'limit' && this.#limited.hold({ queue, delivery, name })) {
      this.#names.add(name);
    } else if (declined !== null) this.#refuse(queue, delivery, declined, found);
    else {
      this.#names.add(name);
      this.#ready.push({ queue, task: found, needs });
    }
    return 'taken';
  }

  /** Failed attempts account for as many deliveries: a retry asks nothing. */
  async #runsElsewhere({ delivery, message, number }: AdmittedTask): Promise<boolean> {
    return delivery.receiveCount > number && (await this.#options.runsElsewhere?.(message)) === true;
  }

  /** A task that fails without running is written to the store before it is settled. */
  async #storeIfFailed(found: AdmittedTask | RefusedDelivery): Promise<AdmittedTask | RefusedDelivery> {
    if (found.kind === 'admitted' || found.outcome.kind !== 'failed' || found.admitted === null) return found;
    const { outcome, admitted: task } = found;
    const now = this.#ctx.platform.clock.now();
    const times = { startedAt: now, endedAt: now };
    await putFailure(this.#ctx, { ...times, task, outcome, attempt: null, number: outcome.attempts });
    return found;
  }

  /** An unreadable job fails only its own message; the worker continues with others. */
  async #refusalOf(delivery: Delivery, error: unknown, group: string): Promise<RefusedDelivery> {
    const refuse = (outcome: Outcome): RefusedDelivery => ({ kind: 'refused', delivery, outcome, admitted: null });
    if (isBatchctlError(error) && error.kind === 'newer') return refuse(newerOutcome(error));
    // Once the job is repaired, its missing tasks are re-sent (law 9).
    if (isKind(error, 'corrupt')) return refuse({ kind: 'poison', reason: shortMessageOf(error) });
    this.#ctx.log.warn(`a message is returned: ${shortMessageOf(error)}`);
    if (isDenied(error)) return refuse(await this.#handleDenial(delivery, error, group));
    return refuse({ kind: 'declined', why: 'service', delay: SERVICE_DELAY, error });
  }

  /** As with a denied input, a repeated denial pauses the job (`outcomeOfError`). */
  async #handleDenial(delivery: Delivery, error: BatchctlError, group: string): Promise<Outcome> {
    const again: Outcome = { kind: 'declined', why: 'denied', delay: SERVICE_DELAY };
    const parsed = parseMessage(delivery.body);
    if (parsed.kind !== 'task') return again;
    const { job } = parsed.message;
    const { platform, log } = this.#ctx;
    if (!this.#readDenials.recordDenial(job, delivery, platform.clock.monotonic())) return again;
    try {
      const said = await reportUnreadableJob(platform, job, denialText(error, { group, store: platform.store }));
      if (said !== 'unsaid') return { kind: 'dropped', why: said };
      this.#reportedUnread.add(job);
    } catch (trouble) {
      log.warn(`job ${job}, to which access is denied, could not be paused: ${shortMessageOf(trouble)}`);
      return again;
    }
    return { ...again, delay: UNREAD_DELAY };
  }

  #declineOutcome(task: AdmittedTask, needs: Resources): Outcome | null {
    if (!this.#taking) return { kind: 'declined', why: 'busy', delay: 0 };
    if (!fits(needs, this.#ctx.total)) return { kind: 'declined', why: 'unfit', delay: UNFIT_DELAY };
    if (this.#names.has(nameOf(task))) return { kind: 'declined', why: 'busy', delay: LIMIT_DELAY };
    return this.#overLimit(task) ? { kind: 'declined', why: 'limit', delay: LIMIT_DELAY } : null;
  }

  #overLimit({ view, step, message }: AdmittedTask): boolean {
    const over = (limit: number | null, only: string | null): boolean => {
      if (limit === null) return false;
      const all = [...this.#running.values(), ...this.#ready];
      const here = all.filter(
        ({ task }) => task.message.job === message.job && (only === null || task.step.name === only),
      );
      return here.length + this.#options.runningElsewhere(message.job, only) >= limit;
    };
    return over(view.maxRunning, null) || over(step.maxRunning, step.name);
  }

  #refuse(queue: QueueClient, delivery: Delivery, outcome: Outcome, task: SettleItem['task']): void {
    const number = outcome.kind === 'failed' ? outcome.attempts : 0;
    this.#options.settle({ queue, delivery, task, number, slot: 0, attempt: null, result: null, outcome });
  }

  /**
   * Starts what fits, in order: nothing overtakes a task that needs many slots. A task whose journal has been read again
   * since is admitted again first: its job may be stopped, paused or cancelled, or the task killed.
   */
  #pump(): void {
    for (let next = this.#ready[0]; next !== undefined && fits(next.needs, this.#free); next = this.#ready[0]) {
      this.#ready.shift();
      if (this.#ctx.jobs.hasNewer(next.task.view)) {
        this.#names.delete(nameOf(next.task));
        void this.offer(next.queue, [next.task.delivery]);
      } else void this.#run(next);
    }
  }

  async #run(ready: ReadyTask): Promise<void> {
    const { task, queue, needs } = ready;
    const slots = this.#freeSlots.splice(-needs.slots);
    this.#free = minus(this.#free, needs);
    const end = new AbortController();
    const startedAt = this.#ctx.platform.clock.now();
    const running: RunningAttempt = { ...ready, attempt: randomId(16), slots, startedAt, end, announced: false };
    const { receipt } = task.delivery;
    this.#running.set(receipt, running);
    const slot = slots[0] ?? 0;
    const { code, leaseSeconds } = this.#options;
    this.emit('start');
    const result = await runAttempt(this.#ctx, task, {
      attempt: running.attempt,
      slot,
      group: queue.queue.group,
      leaseSeconds,
      code,
      signal: end.signal,
    });
    this.#running.delete(receipt);
    this.#names.delete(nameOf(task));
    this.#noteRun(nameOf(task));
    this.#freeSlots.push(...slots);
    this.#free = plus(this.#free, needs);
    this.spent.note(task.message.job, ((result.endedAt - result.startedAt) / 1_000) * slots.length);
    this.#pace.noteDuration(result.endedAt - result.startedAt);
    const { attempt } = running;
    const { delivery, number } = task;
    this.#options.settle({ queue, delivery, task, number, slot, attempt, result, outcome: result.outcome });
    this.#pump();
    this.admitLimited(1);
    this.emit('room');
  }

  #noteRun(name: string): void {
    this.#ran.delete(name);
    this.#ran.add(name);
    const [oldest] = this.#ran;
    if (this.#ran.size > MOST_RAN && oldest !== undefined) this.#ran.delete(oldest);
  }
}

const nameOf = ({ message }: Pick<AdmittedTask, 'message'>): string => taskName(message);
