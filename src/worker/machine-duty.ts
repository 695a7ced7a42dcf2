import { isKind } from '../errors.ts';
import { type GroupRaise, raiseGroups } from '../jobs/grid/raise.ts';
import { runningViews } from '../jobs/watch/job-watcher.ts';
import type { Clock } from '../lib/clock.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Machine, Notice } from '../ports/machine.ts';
import type { Platform } from '../ports/platform.ts';
import type { Admitted } from './admit.ts';
import type { WorkerLog } from './context.ts';
import { type EndReason, messageOf } from './outcome.ts';
import type { MachineTimes } from './worker-setup.ts';

interface DutyOptions {
  readonly machine: Machine;
  readonly times: Pick<MachineTimes, 'noticeMs' | 'holdMs' | 'longestHoldMs'>;
  readonly log: WorkerLog;
  readonly clock: Clock;
  /** Time from SIGTERM to SIGKILL for a command, milliseconds. */
  readonly graceMs: number;
  readonly busy: () => boolean;
  /** Whether to leave the machine as soon as EC2 recommends it, although few such machines are interrupted. */
  readonly leavesAtRisk: boolean;
  /** EC2 says that the instance is at elevated risk of interruption: take no long tasks for a while. */
  readonly onRisk: () => void;
  /** Stop taking, finish, leave (law 6). */
  readonly leave: (why: string) => void;
  readonly end: (reason: EndReason) => void;
  /** The worker has left, and perhaps shrunk its group: does any work wait? Throws `unavailable`. */
  readonly lookOnceMore: (tookPlace: boolean) => Promise<void>;
}

/** What happens to the machine after its worker left: for `done` and `sick` the group shrinks if it may. */
type Parting = 'stay' | 'done' | 'sick' | 'replace' | 'ordered';
const STRENGTH: readonly Parting[] = ['stay', 'done', 'replace', 'sick', 'ordered'];

/** Time to return tasks and update the ledger, in addition to the commands' grace period, milliseconds. */
const RELEASE_MS = 15_000;
/** If a notice gives less time than usual, this part of it. */
const RELEASE_PART = 1 / 4;

/** A worker's duties to its instance and group: obeys notices, and leaves in order. */
export class Duty {
  readonly #o: DutyOptions;
  #aside = false;
  /** The group or EC2 terminates this instance, so no request is needed. */
  #ends = false;
  /** The group has shrunk by this instance. */
  #tookPlace = false;
  #parting: Parting = 'stay';
  #seen: Notice['kind'] | null = null;
  #interruptedAt: number | null = null;
  #endingSince: number | null = null;
  #heldAt = Number.NEGATIVE_INFINITY;
  #letGo = false;
  #release: NodeJS.Timeout | undefined;

  constructor(options: DutyOptions) {
    this.#o = options;
  }

  /** True in standby: its worker takes nothing. */
  readonly isAside = (): boolean => this.#aside;

  /** Checks for notices every few seconds until the signal aborts. Never rejects. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(jitter(this.#o.times.noticeMs), signal);
      if (!signal.aborted) await this.look();
    }
  }

  /** One check. Never rejects. */
  async look(): Promise<void> {
    try {
      await this.#heed(await this.#o.machine.notice());
    } catch (error) {
      this.#o.log.warn(messageOf(error));
    }
  }

  /**
   * Called when idle for long: terminates the instance through its group, unless the group may not shrink. `unsure`:
   * the service doesn't respond, so ask again soon. Never rejects.
   */
  async mayLeave(): Promise<boolean | 'unsure'> {
    const { machine, log } = this.#o;
    if (!machine.inGroup) return true;
    try {
      if (!this.#ends) this.#tookPlace = await machine.leave(true);
      this.#ends ||= this.#tookPlace;
    } catch (error) {
      log.warn(messageOf(error));
      if (!this.#ends) return 'unsure';
    }
    if (this.#ends) log.info('idle for long: this instance is terminated, and its group shrinks');
    return this.#ends;
  }

  /** A stronger reason to leave decides how. */
  part(how: Parting): void {
    if (STRENGTH.indexOf(how) > STRENGTH.indexOf(this.#parting)) this.#parting = how;
  }

  /** Called when the worker has left. Rejects if the instance would be left behind: its worker must start again. */
  async finish(): Promise<void> {
    clearTimeout(this.#release);
    const { machine, log } = this.#o;
    if (!machine.inGroup) return;
    this.#ends ||= await this.#leave();
    if (this.#ends) {
      // The group replaces an interrupted instance, and one that must be replaced.
      const replaced = this.#interruptedAt !== null || this.#parting === 'replace';
      if (this.#tookPlace || !replaced) await this.#o.lookOnceMore(this.#tookPlace);
      return machine.letGo();
    }
    // An instance without a worker needs no protection.
    await machine.protect(false).catch((error: unknown) => log.warn(messageOf(error)));
  }

  async #leave(): Promise<boolean> {
    const { machine, log } = this.#o;
    switch (this.#parting) {
      case 'stay':
        return false;
      case 'done':
        this.#tookPlace = await machine.leave(true);
        return this.#tookPlace;
      case 'replace':
        return machine.leave(false);
      case 'sick':
      case 'ordered': {
        this.#tookPlace = await machine.leave(true, this.#parting === 'ordered');
        if (!this.#tookPlace) log.info('the group may not shrink: this instance is replaced');
        return this.#tookPlace || machine.leave(false);
      }
      default:
        return this.#parting satisfies never;
    }
  }

  async #heed(notice: Notice | null): Promise<void> {
    const { log, clock } = this.#o;
    const fresh = notice?.kind !== this.#seen;
    this.#seen = notice?.kind ?? null;
    if (this.#aside && notice?.kind !== 'stopping') {
      this.#aside = false;
      this.#letGo = false;
      log.info('this instance is no longer in standby');
    }
    if (notice === null) return;
    switch (notice.kind) {
      case 'interruption':
        if (fresh) this.#interrupted(notice.at ?? clock.now());
        return;
      case 'terminating':
        if (fresh) this.#o.leave('its group terminates this instance');
        this.#ends = true;
        return this.#holdOn();
      case 'stopping':
        if (fresh) log.info('this instance is in standby: its worker takes nothing');
        this.#aside = true;
        return this.#standAside();
      case 'rebalance':
        if (fresh) this.#recommended();
        return;
      default:
        return notice.kind satisfies never;
    }
  }

  /** A recommendation reaches a whole pool at once, but few of its instances are interrupted. */
  #recommended(): void {
    const { leave, leavesAtRisk, log, onRisk } = this.#o;
    if (leavesAtRisk) {
      leave('EC2 recommends to move away from this instance');
      this.part('replace');
    } else {
      log.info('EC2 says that this instance is at elevated risk of interruption: it takes no long tasks for a while');
      onRisk();
    }
  }

  /** Tasks that can't finish by then are returned while there is time. */
  #interrupted(at: number): void {
    if (this.#interruptedAt !== null && this.#interruptedAt <= at) return;
    this.#interruptedAt = at;
    this.#ends = true;
    const { clock, end, graceMs, leave } = this.#o;
    leave(`EC2 interrupts this spot instance at ${new Date(at).toISOString()}`);
    const left = Math.max(0, at - clock.now());
    const margin = Math.min(graceMs + RELEASE_MS, left * RELEASE_PART);
    clearTimeout(this.#release);
    this.#release = setTimeout(() => end('spot'), left - margin);
  }

  /** The group waits for running tasks, up to its maximum. */
  async #holdOn(): Promise<void> {
    const { clock, end, machine, times } = this.#o;
    const now = clock.monotonic();
    this.#endingSince ??= now;
    if (now - this.#endingSince >= times.longestHoldMs) end('drain');
    if (now - this.#heldAt < times.holdMs) return;
    this.#heldAt = now;
    await machine.holdOn();
  }

  /** The same hook holds an instance on its way to a warm pool; it is released as soon as nothing runs. */
  async #standAside(): Promise<void> {
    if (this.#letGo) return;
    if (this.#o.busy()) return this.#holdOn();
    this.#letGo = true;
    await this.#o.machine.letGo();
  }
}

/** Milliseconds. Messages of a younger job may be missing from its queue's count. */
const FRESH_MS = 300_000;

interface LastLook {
  readonly platform: Platform;
  readonly groups: readonly string[];
  readonly log: WorkerLog;
  /** The longest that a queue's count may lag, milliseconds. */
  readonly lagMs: number;
  /** The group shrinks by this worker; false: it may shrink, or another instance replaces this one. */
  readonly tookPlace: boolean;
}

/**
 * Law 9 at a worker's end: it has left its group, which shrinks. A caller that sent work before that saw a large enough
 * group and raised nothing; and the lease of a dead worker may expire when no watcher is left. So a leaving worker
 * looks once more after it left: it sees all work sent before, and later senders see the smaller group. The last worker
 * of a group looks twice, because a queue's count may lag. Throws `unavailable`.
 */
export async function lookOnceMore({ platform, groups, log, lagMs, tookPlace }: LastLook): Promise<void> {
  for (const pauseMs of [0, lagMs]) {
    await wait(pauseMs);
    const views = await runningViews(platform, ['running', 'submitted']);
    if (views.length === 0) return;
    const since = platform.clock.now() - FRESH_MS;
    const fresh = views.some(({ record }) => Date.parse(record.createdAt) > since);
    const all = await raiseGroups(platform, views, { fresh });
    for (const each of all) tell(each, log);
    if (!all.some((each) => isLeftAlone(each, groups, tookPlace))) return;
  }
}

/**
 * True if the group's work, if any, has no worker. The size reported by Auto Scaling may be outdated; the caller that
 * removed the worker knows better.
 */
const isLeftAlone = (each: GroupRaise, groups: readonly string[], tookPlace: boolean): boolean =>
  each.outcome === 'enough' &&
  each.status.running === 0 &&
  (tookPlace || each.status.desired === 0) &&
  groups.includes(each.group);

function tell(raised: GroupRaise, log: WorkerLog): void {
  const { group, outcome } = raised;
  if (outcome === 'raised') log.info(`work waits in group ${group}: requested ${raised.status.desired} instances`);
  if (outcome !== 'failed') return;
  const { message } = raised.error;
  // This worker's next start repeats it: its instance is held until then.
  if (isKind(raised.error, 'unavailable')) throw raised.error;
  log.warn(`group ${group} was not raised: ${message}`);
}

/** Known durations of a step's tasks; null: none. */
type StepTime = { readonly done: number; readonly seconds: number } | null;

/**
 * Whether a task would probably not finish before a spot instance is interrupted, if the notice of two minutes came at
 * its start. Uses the mean of the step's done tasks; without any, it counts as short.
 */
export function isLong(timeoutSeconds: number, known: StepTime, longSeconds: number): boolean {
  if (timeoutSeconds <= longSeconds || known === null || known.done === 0) return false;
  return known.seconds / known.done > longSeconds;
}

/** The maximum number of times that a task is left, by all machines together: after that, no other machine takes it. */
const TIMES_LEFT = 4;
/** A task that is left is away for this part of the time at risk: 15 seconds. */
const AWAY = 1 / 40;

interface RiskOptions {
  readonly ledger: () => Promise<Pick<Ledger, 'counts'>>;
  readonly times: Pick<MachineTimes, 'longSeconds' | 'riskMs'>;
  readonly monotonic: () => number;
}

/**
 * The time after EC2 has reported a machine at elevated risk of interruption (rebalance recommendation): long tasks are
 * left to other machines. Only for a while, because most such machines are never interrupted; and only while other
 * machines take them, because the report often reaches a whole pool at once.
 */
export class Risk {
  readonly #o: RiskOptions;
  #until = Number.NEGATIVE_INFINITY;
  /** When a task was last left, and when the run of tasks left one after the other began. */
  #leftAt = Number.NEGATIVE_INFINITY;
  #leavesSince = Number.NEGATIVE_INFINITY;
  readonly #known = new Map<string, { readonly at: number; readonly steps: ReadonlyMap<string, StepTime> }>();

  constructor(options: RiskOptions) {
    this.#o = options;
  }

  begin(): void {
    this.#until = this.#o.monotonic() + this.#o.times.riskMs;
  }

  /** Seconds for which the task is left to other machines; null: it is taken. Never rejects: in doubt it is taken. */
  async leaves({ delivery, message, step }: Pick<Admitted, 'delivery' | 'message' | 'step'>): Promise<number | null> {
    if (this.#o.monotonic() >= this.#until || delivery.receiveCount > TIMES_LEFT) return null;
    const { longSeconds, riskMs } = this.#o.times;
    const known = await this.#stepsOf(message.job).catch(() => null);
    if (!isLong(step.timeout, known?.get(step.name) ?? null, longSeconds)) return null;
    const [now, awayMs] = [this.#o.monotonic(), riskMs * AWAY];
    if (now - this.#leftAt >= awayMs) this.#leavesSince = now;
    this.#leftAt = now;
    if (now - this.#leavesSince < TIMES_LEFT * awayMs) return awayMs / 1_000;
    // Long tasks keep coming: other machines don't take them all.
    this.#until = Number.NEGATIVE_INFINITY;
    return null;
  }

  async #stepsOf(job: string): Promise<ReadonlyMap<string, StepTime>> {
    const now = this.#o.monotonic();
    const before = this.#known.get(job);
    if (before !== undefined && now - before.at < this.#o.times.riskMs * AWAY) return before.steps;
    const counts = await (await this.#o.ledger()).counts(job);
    const steps = new Map(counts.map(({ step, done, seconds }) => [step, { done, seconds }]));
    this.#known.set(job, { at: now, steps });
    return steps;
  }
}
