import type { Clock } from '../lib/clock.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { Machine, Notice } from '../ports/machine.ts';
import type { WorkerLog } from './context.ts';
import { type EndReason, messageOf } from './judge.ts';
import type { MachineTimes } from './machine-times.ts';

export interface DutyOptions {
  readonly machine: Machine;
  readonly times: Pick<MachineTimes, 'noticeMs' | 'holdMs' | 'longestHoldMs'>;
  readonly log: WorkerLog;
  readonly clock: Clock;
  /** From SIGTERM to SIGKILL for a command that is ended, milliseconds. */
  readonly graceMs: number;
  readonly busy: () => boolean;
  /** Whether the machine is left as soon as EC2 recommends it, however seldom it then takes it back. */
  readonly leavesAtRisk: boolean;
  /** EC2 says that the machine is at elevated risk of being taken back: no long tasks for a while. */
  readonly onRisk: () => void;
  /** Stop taking, finish, leave (law 6). */
  readonly leave: (why: string) => void;
  /** Give back what runs. */
  readonly end: (reason: EndReason) => void;
  /** The worker has left, and perhaps its place with it: does anything wait for workers? Throws `unavailable`. */
  readonly lookOnceMore: (tookPlace: boolean) => Promise<void>;
}

/** What becomes of the machine once its worker has left: `done` and `sick` take its place with it if that may be. */
export type Parting = 'stay' | 'done' | 'sick' | 'replace' | 'ordered';
const STRENGTH: readonly Parting[] = ['stay', 'done', 'replace', 'sick', 'ordered'];

/** To give back what runs and tell the ledger takes this long besides the grace that commands are given, milliseconds. */
const RELEASE_MS = 15_000;
/** Where a notice gives less time than usual, this part of it. */
const RELEASE_PART = 1 / 4;

/** What a worker owes the machine it runs on, and the group that holds it: it heeds notices, and leaves in good order. */
export class Duty {
  readonly #o: DutyOptions;
  #aside = false;
  /** The group, or EC2, ends this machine: nobody has to ask for it any more. */
  #ends = false;
  /** The group is smaller by this machine. */
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

  /** True while the machine is held aside: its worker takes nothing. */
  readonly isAside = (): boolean => this.#aside;

  /** Looks every few seconds at what stands against the machine, until the signal aborts. Never rejects. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(jitter(this.#o.times.noticeMs), signal);
      if (!signal.aborted) await this.look();
    }
  }

  /** One look. Never rejects. */
  async look(): Promise<void> {
    try {
      await this.#heed(await this.#o.machine.notice());
    } catch (error) {
      this.#o.log.warn(messageOf(error));
    }
  }

  /**
   * Idle for long: ends the machine through its group, unless that may not get smaller. `unsure`: the service doesn't
   * say, and is to be asked again soon. Never rejects.
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

  /** Whoever has a stronger reason to leave decides how. */
  part(how: Parting): void {
    if (STRENGTH.indexOf(how) > STRENGTH.indexOf(this.#parting)) this.#parting = how;
  }

  /** The worker has left, and said so. Rejects when the machine would be left behind: its worker is to start again. */
  async finish(): Promise<void> {
    clearTimeout(this.#release);
    const { machine, log } = this.#o;
    if (!machine.inGroup) return;
    this.#ends ||= await this.#leave();
    if (this.#ends) {
      // The group replaces an instance that EC2 takes back, and one that is to be replaced.
      const replaced = this.#interruptedAt !== null || this.#parting === 'replace';
      if (this.#tookPlace || !replaced) await this.#o.lookOnceMore(this.#tookPlace);
      return machine.letGo();
    }
    // A machine without a worker is nothing to protect.
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

  /** A recommendation is told to a whole pool at once, and comes true for few of its machines. */
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

  /** What can't be finished by then is given back while there is time for it. */
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

  /** The group waits for tasks that run, in all as long as it ever does. */
  async #holdOn(): Promise<void> {
    const { clock, end, machine, times } = this.#o;
    const now = clock.monotonic();
    this.#endingSince ??= now;
    if (now - this.#endingSince >= times.longestHoldMs) end('drain');
    if (now - this.#heldAt < times.holdMs) return;
    this.#heldAt = now;
    await machine.holdOn();
  }

  /** A machine on its way to a warm pool is held by the same hook, and is let go of as soon as nothing runs. */
  async #standAside(): Promise<void> {
    if (this.#letGo) return;
    if (this.#o.busy()) return this.#holdOn();
    this.#letGo = true;
    await this.#o.machine.letGo();
  }
}
