import { BatchctlError, isKind } from '../errors.ts';
import type { Deliveries } from '../jobs/deliver/deliver.ts';
import { tasksOfFallbacks } from '../jobs/interruptions.ts';
import type { JobWatcher } from '../jobs/watch/job-watcher.ts';
import type { LoopPart, LoopWatch } from '../lib/loop-watch.ts';
import { Gate, jitter, wait, within } from '../lib/wait.ts';
import { totalMessages } from '../model/backlog.ts';
import type { JobStanding } from '../model/decide.ts';
import type { StepSpec } from '../model/job.ts';
import type { TaskBits } from '../model/task-set.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { Delivery } from '../ports/task-queue.ts';
import type { WorkerLog, WorkerOptions } from './context.ts';
import type { Departure } from './departure.ts';
import type { Dispatcher } from './dispatcher.ts';
import { shortMessageOf } from './outcome.ts';
import type { QueueClient } from './queue-clients.ts';
import { publishRetryMs } from './retrier.ts';
import type { IdleWorker, ScaleInProtection } from './scale-in-protection.ts';
import type { Settlements } from './settlements.ts';

interface IntakeOptions {
  readonly platform: Platform;
  readonly options: Pick<WorkerOptions, 'groups' | 'untilEmpty' | 'idleExit'>;
  readonly dispatcher: Dispatcher;
  readonly watcher: JobWatcher;
  readonly deliveries: Deliveries;
  readonly client: (group: string) => Promise<QueueClient>;
  readonly departure: Departure;
  readonly settlements: Pick<Settlements, 'idle' | 'unfit'>;
  readonly log: WorkerLog;
  /** Where polls report activity: one part per group, in order. */
  readonly watch: Pick<LoopWatch, 'part' | 'everyMs'>;
  /** On a group's machine: receives only when it allows that. */
  readonly rest: ScaleInProtection | null;
  /** True in standby: messages are returned. */
  readonly isInStandby: () => boolean;
  /**
   * Called after `idleExit` without work: leaves if this worker may, and tells whether it does. Called again after that
   * time; soon if `unsure`.
   */
  readonly tryLeave: () => Promise<boolean | 'unsure'>;
  /** Whether a refusal may pass, as it does for a new role. */
  readonly isTransient: (error: unknown) => boolean;
}

/** The maximum of one receive. */
const MAX_RECEIVE = 256;
const LONG_POLL = 20;
const SHORT_POLL = 0.25;
/** Interval between asking to leave while no service responds, milliseconds: an idle machine costs money. */
const UNSURE_MS = 30_000;
/** Interval between polls while a new role is refused, milliseconds. */
const REFUSED_MS = 2_000;
/** Wait before the next poll after a task was left to other machines, milliseconds. */
const LEFT_TASK_PAUSE_MS = 2_000;
/** How long upstream work may be in a group without workers before it is reported (law 7). */
const UPSTREAM_MS = 5 * 60_000;

/** Polls the queues of a worker's groups while there is room, and decides when to leave. */
export class Intake implements IdleWorker {
  readonly #o: IntakeOptions;
  readonly #groups: ReadonlySet<string>;
  readonly #idle = new Set<string>();
  readonly #leaving = new AbortController();
  readonly #room = new Gate();
  #workedAt: number;
  /** When it last asked to leave. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #emptySince: number | null = null;
  #upstreamSince: number | null = null;
  /** Since when each check whether to leave was refused; null: the last one was not. */
  #refusedSince: number | null = null;
  #checking: Promise<void> | null = null;

  constructor(options: IntakeOptions) {
    this.#o = options;
    this.#groups = new Set(options.options.groups);
    this.#workedAt = options.platform.clock.monotonic();
    options.departure.drain.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** An attempt ended, and there may be room for more. */
  wake(): void {
    this.#workedAt = this.#o.platform.clock.monotonic();
    this.#room.open();
  }

  get idleSince(): number | null {
    return this.#o.dispatcher.busy ? null : this.#workedAt;
  }

  considerLeaving(): Promise<void> {
    this.#checking ??= this.#leaveIfDue()
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

  /** A check that a service refuses is repeated after the next poll, for as long as publishing an output is retried. */
  #refused(error: unknown): void {
    const now = this.#o.platform.clock.monotonic();
    const first = this.#refusedSince ?? now;
    if (!isKind(error, 'unavailable') || now - first >= publishRetryMs(0)) throw error;
    if (this.#refusedSince === null)
      this.#o.log.warn(`can't check whether to leave, so the worker continues: ${shortMessageOf(error)}`);
    this.#refusedSince = first;
  }

  /** Resolves when the worker must leave: drained, done (`--until-empty`), or idle for too long. */
  async run(): Promise<void> {
    if (this.#o.departure.drain.aborted) return;
    const polls = [...this.#groups].map((group, index) => {
      const part = this.#o.watch.part(index);
      return this.#poll(group, part).finally(() => part.done());
    });
    try {
      await Promise.all(polls);
    } finally {
      this.#stop();
      await Promise.allSettled(polls);
    }
  }

  /** Resolves when an attempt has ended, or after a moment. */
  async waitForChange(ms = 250): Promise<void> {
    await within(this.#room.next(), ms);
  }

  #stop(): void {
    this.#leaving.abort();
    this.#room.open();
  }

  async #poll(group: string, part: LoopPart): Promise<void> {
    const { dispatcher, watch } = this.#o;
    part.mark('work');
    const client = await this.#o.client(group);
    const { signal } = this.#leaving;
    while (!signal.aborted) {
      part.mark('poll');
      if (dispatcher.room === 0) {
        await this.waitForChange(watch.everyMs);
        continue;
      }
      const deliveries = await this.#receive(client, part);
      part.mark('work');
      if (deliveries.length > 0) {
        this.#idle.delete(group);
        this.#workedAt = this.#o.platform.clock.monotonic();
        this.#emptySince = null;
        if (await dispatcher.offer(client, deliveries)) await wait(jitter(LEFT_TASK_PAUSE_MS), signal);
      } else {
        this.#idle.add(group);
        if (this.#idle.size === this.#groups.size && !dispatcher.busy) await this.considerLeaving();
      }
    }
  }

  /** Received messages; none if the worker takes no more. */
  async #receive(client: QueueClient, part: LoopPart): Promise<readonly Delivery[]> {
    const { dispatcher, isInStandby, isTransient, log, rest } = this.#o;
    const { signal } = this.#leaving;
    if (rest !== null) {
      // A rest may be long, and reports its own activity.
      part.done();
      // This intake's signal, not only the drain's: a rest that decides to leave ends it.
      if (!(await rest.enter(this, signal))) return [];
      part.mark('poll');
    }
    try {
      const max = Math.min(MAX_RECEIVE, dispatcher.room);
      const deliveries = await client.receive({ max, waitSeconds: this.#pollSeconds(), signal });
      if (!isInStandby()) return deliveries;
      // The poll was under way when the machine was put into standby.
      await Promise.all(deliveries.map(({ receipt }) => client.release(receipt, 0)));
      return [];
    } catch (error) {
      if (!isTransient(error)) throw error;
      log.warn(shortMessageOf(error));
      await wait(REFUSED_MS, signal);
      return [];
    } finally {
      rest?.exit();
    }
  }

  #pollSeconds(): number {
    const { untilEmpty, idleExit } = this.#o.options;
    if (untilEmpty) return SHORT_POLL;
    const wanted = Math.min(LONG_POLL, idleExit === null ? LONG_POLL : idleExit / 4);
    return Math.max(SHORT_POLL, Math.min(wanted, this.#o.rest?.maxPollSeconds ?? LONG_POLL));
  }

  /** Nothing arrived and nothing runs: check whether to leave. An empty receive alone is no reason (law 7). */
  async #leaveIfDue(): Promise<void> {
    const { tryLeave, options, platform, settlements } = this.#o;
    await settlements.idle();
    const now = platform.clock.monotonic();
    if (options.idleExit !== null && now - Math.max(this.#workedAt, this.#askedAt) >= options.idleExit * 1_000) {
      this.#askedAt = now;
      const answer = await tryLeave();
      if (answer === true) this.#stop();
      else if (answer === 'unsure') this.#askedAt -= Math.max(0, options.idleExit * 1_000 - jitter(UNSURE_MS));
      return;
    }
    if (!options.untilEmpty) return;
    if (now - this.#checkedAt < 1_000) {
      await wait(50, this.#leaving.signal);
      return;
    }
    this.#checkedAt = now;
    const left = await this.#findRemaining();
    if (left.left === 'nothing') await this.#leaveIfEmpty(now);
    else this.#emptySince = null;
    if (left.left === 'upstream') await this.#reportUpstream(left, now);
    else this.#upstreamSince = null;
  }

  async #findRemaining(): Promise<ReturnType<typeof remainingWork>> {
    const { watcher, platform, settlements } = this.#o;
    const mine = { groups: this.#groups, unfit: settlements.unfit };
    let upstream: ReturnType<typeof remainingWork> = { left: 'nothing' };
    for (const { view, standing } of (await watcher.round(true)).values()) {
      const ofFallbacks = await tasksOfFallbacks(platform.store, view, standing);
      const left = remainingWork(view, standing, ofFallbacks, mine, platform.clock.now());
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
    for (const group of this.#groups)
      waiting += totalMessages(await (await this.#o.platform.queue(group)).readCounts());
    if (waiting === 0 || now - this.#emptySince >= this.#o.platform.leaseSeconds * 1_000) this.#stop();
  }

  async #reportUpstream(left: { readonly step: string; readonly group: string }, now: number): Promise<void> {
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
    throw new BatchctlError(
      'notFinished',
      `step ${left.step} has work in group ${left.group}, but no worker of that group is running`,
      {
        hint: `batchctl worker --group ${left.group} --until-empty`,
      },
    );
  }
}

/** The work in one job that a worker with `--until-empty` still waits for. */
type RemainingWork =
  | { readonly left: 'nothing' }
  | { readonly left: 'work' }
  /** Only upstream, in another group. */
  | { readonly left: 'upstream'; readonly step: string; readonly group: string };

interface WorkerScope {
  readonly groups: ReadonlySet<string>;
  /** `job/step` of tasks that don't fit this worker. */
  readonly unfit: ReadonlySet<string>;
}

/**
 * Law 7: whether this worker must wait for anything found by an exact look. Paused, cancelled and not yet due jobs are
 * not waited for; tasks that don't fit this worker count as another group's, and those of `ofFallbacks` (by step) as
 * their fallback group's. For a fallback group, everything that may still come to it is upstream.
 */
export function remainingWork(
  view: JobView,
  standing: JobStanding,
  ofFallbacks: ReadonlyMap<number, TaskBits>,
  mine: WorkerScope,
  now: number,
): RemainingWork {
  const { record } = view;
  const due = view.notBefore === null || Date.parse(view.notBefore) <= now;
  if (!due || view.paused !== null || view.cancelled || view.stopped !== null || view.closed !== null)
    return { left: 'nothing' };
  const takes = ({ name }: StepSpec, group: string | null): boolean =>
    group !== null && mine.groups.has(group) && !mine.unfit.has(`${record.job}/${name}`);
  let upstream: RemainingWork = { left: 'nothing' };
  for (const [index, step] of record.spec.steps.entries()) {
    const undecided = standing.steps[index]?.undecided.count ?? 0;
    const handedOver = ofFallbacks.get(index)?.count ?? 0;
    const own = undecided - handedOver;
    if (undecided === 0) continue;
    if (own > 0 && takes(step, step.group)) return { left: 'work' };
    if (handedOver > 0 && takes(step, step.fallback)) return { left: 'work' };
    const later = record.spec.steps.slice(index + 1);
    const mayArrive =
      takes(step, step.fallback) || later.some((next) => takes(next, next.group) || takes(next, next.fallback));
    if (mayArrive && upstream.left === 'nothing') {
      upstream = { left: 'upstream', step: step.name, group: own > 0 ? step.group : (step.fallback ?? step.group) };
    }
  }
  return upstream;
}
