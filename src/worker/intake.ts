import { BatchctlError, isKind } from '../errors.ts';
import type { Deliveries } from '../jobs/deliver/deliveries.ts';
import { tasksOfFallbacks } from '../jobs/interruptions.ts';
import type { Onlooker } from '../jobs/onlooker.ts';
import { Gate } from '../lib/gate.ts';
import type { LoopWatch } from '../lib/loop-watch.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { Platform } from '../ports/platform.ts';
import type { Delivery } from '../ports/task-queue.ts';
import type { WorkerLog } from './context.ts';
import type { Dispatcher } from './dispatcher.ts';
import { messageOf } from './judge.ts';
import { leftFor } from './leaving.ts';
import type { Rest } from './machine-rest.ts';
import { publishPatience } from './patience.ts';
import type { QueueClient } from './queue-client.ts';

export interface IntakeOptions {
  readonly platform: Platform;
  readonly options: {
    readonly groups: readonly string[];
    readonly untilEmpty: boolean;
    readonly idleExit: number | null;
  };
  readonly dispatcher: Dispatcher;
  readonly onlooker: Onlooker;
  readonly deliveries: Deliveries;
  readonly client: (group: string) => Promise<QueueClient>;
  /** Resolves when no attempt that ran here remains to be settled. */
  readonly settled: () => Promise<void>;
  readonly drain: AbortSignal;
  readonly log: WorkerLog;
  /** Where polls report activity: one part per group, in order. */
  readonly watch: LoopWatch;
  /** On a group's machine: receives only when it allows that. */
  readonly rest: Rest | null;
  /** Idle for as long as `idleExit` says: may this worker leave? Asked again after the same time; soon if `unsure`. */
  readonly mayLeave: () => Promise<boolean | 'unsure'>;
  /** Refusals for a new role pass. */
  readonly mayPass: (error: unknown) => boolean;
}

/** The maximum of one receive. */
const MOST = 256;
const LONG_POLL = 20;
const SHORT_POLL = 0.25;
/** Interval between asking to leave while no service responds, milliseconds: an idle machine costs money. */
const UNSURE_MS = 30_000;
/** Interval between polls while a new role is refused, milliseconds. */
const REFUSED_MS = 2_000;
/** Wait before the next poll after a task was left to other machines, milliseconds. */
const LEFT_MS = 2_000;
/** How long upstream work may be in a group without workers before it is reported (law 7). */
const UPSTREAM_MS = 5 * 60_000;

/** Polls the queues of a worker's groups while there is room, and decides when to leave. */
export class Intake {
  /** `job/step` of tasks that don't fit this worker. */
  readonly unfit = new Set<string>();
  readonly #o: IntakeOptions;
  readonly #groups: ReadonlySet<string>;
  readonly #idle = new Set<string>();
  readonly #left = new AbortController();
  readonly #room = new Gate();
  #workedAt: number;
  /** When it last asked to leave. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #emptySince: number | null = null;
  #upstreamSince: number | null = null;
  /** Since when each look whether to leave was refused; null: the last one was not. */
  #refusedSince: number | null = null;
  #checking: Promise<void> | null = null;

  constructor(options: IntakeOptions) {
    this.#o = options;
    this.#groups = new Set(options.options.groups);
    this.#workedAt = options.platform.clock.monotonic();
    options.drain.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** An attempt ended, and there may be room for more. */
  wake(): void {
    this.#workedAt = this.#o.platform.clock.monotonic();
    this.#room.open();
  }

  /** Since when nothing has run or arrived, monotonic; null: something is running. */
  get idleSince(): number | null {
    return this.#o.dispatcher.busy ? null : this.#workedAt;
  }

  /** Checks whether to leave, as after a poll without messages. */
  consider(): Promise<void> {
    this.#checking ??= this.#check()
      .then(
        () => {
          this.#refusedSince = null;
        },
        (error: unknown) => this.#refused(error),
      )
      .finally(() => {
        this.#checking = null;
      });
    return this.#checking;
  }

  /** A look that a service refuses is taken again after the next poll, for as long as an output is tried to be published. */
  #refused(error: unknown): void {
    const now = this.#o.platform.clock.monotonic();
    const first = this.#refusedSince ?? now;
    if (!isKind(error, 'unavailable') || now - first >= publishPatience(0)) throw error;
    if (this.#refusedSince === null) this.#o.log.warn(`can't look whether to leave, and goes on: ${messageOf(error)}`);
    this.#refusedSince = first;
  }

  /** Resolves when the worker must leave: drained, done (`--until-empty`), or idle for too long. */
  async run(): Promise<void> {
    if (this.#o.drain.aborted) return;
    const polls = [...this.#groups].map((group, part) =>
      this.#poll(group, part).finally(() => this.#o.watch.done(part)),
    );
    try {
      await Promise.all(polls);
    } finally {
      this.#stop();
      await Promise.allSettled(polls);
    }
  }

  /** Resolves when an attempt has ended, or after a moment. */
  async change(ms = 250): Promise<void> {
    const moment = new AbortController();
    await Promise.race([this.#room.next(), wait(ms, moment.signal)]);
    moment.abort();
  }

  #stop(): void {
    this.#left.abort();
    this.#room.open();
  }

  async #poll(group: string, part: number): Promise<void> {
    const { dispatcher, watch } = this.#o;
    watch.mark(part, 'work');
    const client = await this.#o.client(group);
    const { signal } = this.#left;
    while (!signal.aborted) {
      watch.mark(part, 'poll');
      if (dispatcher.room === 0) {
        await this.change(watch.everyMs);
        continue;
      }
      const deliveries = await this.#receive(client, part);
      watch.mark(part, 'work');
      if (deliveries.length > 0) {
        this.#idle.delete(group);
        this.#workedAt = this.#o.platform.clock.monotonic();
        this.#emptySince = null;
        if (await dispatcher.offer(client, deliveries)) await wait(jitter(LEFT_MS), signal);
      } else {
        this.#idle.add(group);
        if (this.#idle.size === this.#groups.size && !dispatcher.busy) await this.consider();
      }
    }
  }

  /** Received messages; none if the worker takes no more. */
  async #receive(client: QueueClient, part: number): Promise<readonly Delivery[]> {
    const { dispatcher, rest, watch, mayPass, log } = this.#o;
    const { signal } = this.#left;
    if (rest !== null) {
      // A rest may be long, and reports activity itself.
      watch.done(part);
      // This intake's signal, not only the drain's: a rest that decides to leave ends it.
      if (!(await rest.enter(signal))) return [];
      watch.mark(part, 'poll');
    }
    try {
      const max = Math.min(MOST, dispatcher.room);
      const deliveries = await client.receive({ max, waitSeconds: this.#patience(), signal });
      if (rest?.isAside() !== true) return deliveries;
      // The poll was under way when the machine was put into standby.
      await Promise.all(deliveries.map(({ receipt }) => client.release(receipt, 0)));
      return [];
    } catch (error) {
      if (!mayPass(error)) throw error;
      log.warn(messageOf(error));
      await wait(REFUSED_MS, signal);
      return [];
    } finally {
      rest?.exit();
    }
  }

  #patience(): number {
    const { untilEmpty, idleExit } = this.#o.options;
    if (untilEmpty) return SHORT_POLL;
    const wanted = Math.min(LONG_POLL, idleExit === null ? LONG_POLL : idleExit / 4);
    return Math.max(SHORT_POLL, Math.min(wanted, this.#o.rest?.longestPoll ?? LONG_POLL));
  }

  /** Nothing arrived and nothing runs: check whether to leave. An empty receive alone is no reason (law 7). */
  async #check(): Promise<void> {
    const { mayLeave, options, platform, settled } = this.#o;
    await settled();
    const now = platform.clock.monotonic();
    if (options.idleExit !== null && now - Math.max(this.#workedAt, this.#askedAt) >= options.idleExit * 1_000) {
      this.#askedAt = now;
      const answer = await mayLeave();
      if (answer === true) this.#stop();
      else if (answer === 'unsure') this.#askedAt -= Math.max(0, options.idleExit * 1_000 - jitter(UNSURE_MS));
      return;
    }
    if (!options.untilEmpty) return;
    if (now - this.#checkedAt < 1_000) {
      await wait(50, this.#left.signal);
      return;
    }
    this.#checkedAt = now;
    const left = await this.#leftOver();
    if (left.left === 'nothing') await this.#leaveIfEmpty(now);
    else this.#emptySince = null;
    if (left.left === 'upstream') await this.#nameUpstream(left, now);
    else this.#upstreamSince = null;
  }

  async #leftOver(): Promise<ReturnType<typeof leftFor>> {
    const { onlooker, platform } = this.#o;
    const mine = { groups: this.#groups, unfit: this.unfit };
    let upstream: ReturnType<typeof leftFor> = { left: 'nothing' };
    for (const { view, standing } of (await onlooker.round(true)).values()) {
      const ofFallbacks = await tasksOfFallbacks(platform.store, view, standing);
      const left = leftFor(view, standing, ofFallbacks, mine, platform.clock.now());
      if (left.left === 'work') return left;
      if (left.left === 'upstream') upstream = left;
    }
    return upstream;
  }

  /** The store says done. Nonzero counts are waited for at most one lease, as they may lag. */
  async #leaveIfEmpty(now: number): Promise<void> {
    // A job's outputs are delivered before its last worker leaves.
    if ((await this.#o.deliveries.round()) > 0) return;
    this.#emptySince ??= now;
    let waiting = 0;
    for (const group of this.#groups) {
      const { visible, leased, delayed } = await (await this.#o.platform.queue(group)).held();
      waiting += visible + leased + delayed;
    }
    if (waiting === 0 || now - this.#emptySince >= this.#o.platform.leaseSeconds * 1_000) this.#stop();
  }

  async #nameUpstream(left: { readonly step: string; readonly group: string }, now: number): Promise<void> {
    const { platform } = this.#o;
    const ledger = await platform.ledger();
    const workers = await ledger.workers({ since: platform.clock.now() - 2_000 * platform.leaseSeconds });
    const served = workers.some(({ group, state }) => state !== 'gone' && group.split(',').includes(left.group));
    if (served) {
      this.#upstreamSince = null;
      return;
    }
    this.#upstreamSince ??= now;
    if (now - this.#upstreamSince < UPSTREAM_MS) return;
    throw new BatchctlError('notFinished', `step ${left.step} has work in group ${left.group}, which no worker takes`, {
      hint: `batchctl worker --group ${left.group} --until-empty`,
    });
  }
}
