import { BatchctlError, isKind } from '../errors.ts';
import { type GroupRaise, raiseGroups } from '../jobs/grid/raise.ts';
import { runningViews } from '../jobs/open-jobs.ts';
import type { Clock } from '../lib/clock.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { Machine, MachineNotice } from '../ports/machine.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerLog } from './context.ts';
import type { Departure } from './departure.ts';
import { shortMessageOf } from './outcome.ts';
import type { MachineTimes } from './worker-setup.ts';

interface MachineDutyOptions {
  readonly machine: Machine;
  readonly times: Pick<MachineTimes, 'noticeMs' | 'holdMs' | 'longestHoldMs'>;
  readonly log: WorkerLog;
  readonly clock: Clock;
  /** Time from SIGTERM to SIGKILL for a command, milliseconds. */
  readonly graceMs: number;
  readonly busy: () => boolean;
  /** Leave as soon as EC2 recommends it, although few such instances are interrupted. */
  readonly leavesAtRisk: boolean;
  /** Called when EC2 reports an elevated risk of interruption: take no long tasks for a while. */
  readonly onRisk: () => void;
  readonly departure: Departure;
  /** Called when the worker has left: raises groups whose work waits. Throws `unavailable`. */
  readonly raiseAfterLeaving: (groupShrank: boolean) => Promise<void>;
}

/** Time to return tasks and update the ledger, in addition to the commands' grace period, milliseconds. */
const RELEASE_MS = 15_000;
/** The share of the time left that is kept for this if a notice gives less time than usual. */
const RELEASE_PART = 1 / 4;

/** Handles the notices of a worker's instance and group, and leaves both in order. */
export class MachineDuty {
  readonly #o: MachineDutyOptions;
  #inStandby = false;
  /** The group or EC2 terminates this instance, so no request is needed. */
  #isTerminating = false;
  /** The group has shrunk by this instance. */
  #shrankGroup = false;
  #denied: string | null = null;
  #seen: MachineNotice['kind'] | null = null;
  #interruptedAt: number | null = null;
  #endingSince: number | null = null;
  #heldAt = Number.NEGATIVE_INFINITY;
  #isReleased = false;
  #release: NodeJS.Timeout | undefined;

  constructor(options: MachineDutyOptions) {
    this.#o = options;
  }

  /** True in standby: its worker takes nothing. */
  readonly isInStandby = (): boolean => this.#inStandby;

  /** The missing permission that kept an idle worker from leaving; null: none. */
  readonly denied = (): string | null => this.#denied;

  /** Checks for notices every few seconds until the signal aborts. Never rejects. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(jitter(this.#o.times.noticeMs), signal);
      if (!signal.aborted) await this.checkNotice();
    }
  }

  /** One check. Never rejects. */
  async checkNotice(): Promise<void> {
    try {
      await this.#handleNotice(await this.#o.machine.notice());
    } catch (error) {
      this.#o.log.warn(shortMessageOf(error));
    }
  }

  /**
   * Called when idle for long: terminates the instance through its group, unless the group may not shrink. `unsure`:
   * the service doesn't respond, so ask again soon. Never rejects.
   */
  async tryLeave(): Promise<boolean | 'unsure'> {
    const { machine, log } = this.#o;
    if (!machine.inGroup) return true;
    try {
      if (!this.#isTerminating) this.#shrankGroup = await machine.leave(true);
      this.#isTerminating ||= this.#shrankGroup;
      this.#denied = null;
    } catch (error) {
      log.warn(shortMessageOf(error));
      this.#denied = error instanceof BatchctlError ? (error.denied ?? null) : null;
      if (!this.#isTerminating) return 'unsure';
    }
    if (this.#isTerminating) log.info('idle for long: this instance is terminated, and its group shrinks');
    return this.#isTerminating;
  }

  /** Called when the worker has left. Rejects if the instance would be left behind: its worker must start again. */
  async finish(): Promise<void> {
    clearTimeout(this.#release);
    const { departure, machine, log } = this.#o;
    if (!machine.inGroup) return;
    this.#isTerminating ||= await this.#leave();
    if (this.#isTerminating) {
      // The group replaces an interrupted instance, and one that must be replaced.
      const replaced = this.#interruptedAt !== null || departure.reason === 'replace';
      if (this.#shrankGroup || !replaced) await this.#o.raiseAfterLeaving(this.#shrankGroup);
      return machine.completeTermination();
    }
    // An instance without a worker needs no protection.
    await machine.protect(false).catch((error: unknown) => log.warn(shortMessageOf(error)));
  }

  async #leave(): Promise<boolean> {
    const { departure, machine, log } = this.#o;
    const { reason } = departure;
    switch (reason) {
      case 'stay':
        return false;
      case 'done':
        this.#shrankGroup = await machine.leave(true);
        return this.#shrankGroup;
      case 'replace':
        return machine.leave(false);
      case 'sick':
      case 'ordered': {
        this.#shrankGroup = await machine.leave(true, reason === 'ordered');
        if (!this.#shrankGroup) log.info('the group may not shrink: this instance is replaced');
        return this.#shrankGroup || machine.leave(false);
      }
      default:
        return reason satisfies never;
    }
  }

  async #handleNotice(notice: MachineNotice | null): Promise<void> {
    const { log, clock } = this.#o;
    const fresh = notice?.kind !== this.#seen;
    this.#seen = notice?.kind ?? null;
    if (this.#inStandby && notice?.kind !== 'stopping') {
      this.#inStandby = false;
      this.#isReleased = false;
      log.info('this instance is no longer in standby');
    }
    if (notice === null) return;
    switch (notice.kind) {
      case 'interruption':
        if (fresh) this.#handleInterruption(notice.at ?? clock.now());
        return;
      case 'terminating':
        if (fresh) this.#o.departure.leave('its group terminates this instance');
        this.#isTerminating = true;
        return this.#extendHold();
      case 'stopping':
        if (fresh) log.info('this instance is in standby: its worker takes nothing');
        this.#inStandby = true;
        return this.#enterStandby();
      case 'rebalance':
        if (fresh) this.#handleRebalance();
        return;
      default:
        return notice.kind satisfies never;
    }
  }

  /** A recommendation reaches a whole pool at once, but few of its instances are interrupted. */
  #handleRebalance(): void {
    const { departure, leavesAtRisk, log, onRisk } = this.#o;
    if (leavesAtRisk) {
      departure.leave('EC2 recommends to move away from this instance');
      departure.setReason('replace');
    } else {
      log.info('EC2 says that this instance is at elevated risk of interruption: it takes no long tasks for a while');
      onRisk();
    }
  }

  /** Tasks that can't finish by then are returned while there is time. */
  #handleInterruption(at: number): void {
    if (this.#interruptedAt !== null && this.#interruptedAt <= at) return;
    this.#interruptedAt = at;
    this.#isTerminating = true;
    const { clock, departure, graceMs } = this.#o;
    departure.leave(`EC2 interrupts this spot instance at ${new Date(at).toISOString()}`);
    const left = Math.max(0, at - clock.now());
    const margin = Math.min(graceMs + RELEASE_MS, left * RELEASE_PART);
    clearTimeout(this.#release);
    this.#release = setTimeout(() => departure.end('spot'), left - margin);
  }

  /** The group waits for running tasks, up to its maximum. */
  async #extendHold(): Promise<void> {
    const { clock, departure, machine, times } = this.#o;
    const now = clock.monotonic();
    this.#endingSince ??= now;
    if (now - this.#endingSince >= times.longestHoldMs) departure.end('drain');
    if (now - this.#heldAt < times.holdMs) return;
    this.#heldAt = now;
    await machine.extendTermination();
  }

  /** The same hook holds an instance on its way to a warm pool; it is released as soon as nothing runs. */
  async #enterStandby(): Promise<void> {
    if (this.#isReleased) return;
    if (this.#o.busy()) return this.#extendHold();
    this.#isReleased = true;
    await this.#o.machine.completeTermination();
  }
}

/** Milliseconds. Messages of a younger job may be missing from its queue's count. */
const FRESH_MS = 300_000;

interface AfterLeavingOptions {
  readonly platform: Platform;
  readonly groups: readonly string[];
  readonly log: WorkerLog;
  /** The longest that a queue's count may lag, milliseconds. */
  readonly lagMs: number;
  /** The group shrinks by this worker; false: it may shrink, or another instance replaces this one. */
  readonly groupShrank: boolean;
}

/**
 * Raises groups after a worker left its own (law 9). A caller that sent work before saw a large enough
 * group and raised nothing; and the lease of a dead worker may expire when no watcher is left. So a leaving worker
 * checks again afterwards: it sees all work sent before, and later senders see the smaller group. The last worker
 * of a group checks twice, because a queue's count may lag. Throws `unavailable`.
 */
export async function raiseAfterLeaving({
  platform,
  groups,
  log,
  lagMs,
  groupShrank,
}: AfterLeavingOptions): Promise<void> {
  for (const pauseMs of [0, lagMs]) {
    await wait(pauseMs);
    const views = await runningViews(platform, ['running', 'submitted']);
    if (views.length === 0) return;
    const since = platform.clock.now() - FRESH_MS;
    const fresh = views.some(({ record }) => Date.parse(record.createdAt) > since);
    const all = await raiseGroups(platform, views, { fresh });
    for (const each of all) reportRaise(each, log);
    if (!all.some((each) => hasNoWorker(each, groups, groupShrank))) return;
  }
}

/**
 * True if the group has no worker for its work. The size reported by Auto Scaling may be outdated; the caller, which
 * removed the worker, has newer facts.
 */
const hasNoWorker = (each: GroupRaise, groups: readonly string[], groupShrank: boolean): boolean =>
  each.outcome === 'enough' &&
  each.status.running === 0 &&
  (groupShrank || each.status.desired === 0) &&
  groups.includes(each.group);

function reportRaise(raised: GroupRaise, log: WorkerLog): void {
  const { group, outcome } = raised;
  if (outcome === 'raised') log.info(`work waits in group ${group}: requested ${raised.status.desired} instances`);
  if (outcome !== 'failed') return;
  const { message } = raised.error;
  // This worker's next start repeats it: its instance is held until then.
  if (isKind(raised.error, 'unavailable')) throw raised.error;
  log.warn(`group ${group} was not raised: ${message}`);
}
