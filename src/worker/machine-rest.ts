import { isKind } from '../errors.ts';
import { Gate } from '../lib/gate.ts';
import type { LoopWatch } from '../lib/loop-watch.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { Machine } from '../ports/machine.ts';
import type { WorkerLog } from './context.ts';
import { messageOf } from './judge.ts';
import type { MachineTimes } from './machine-times.ts';

export interface RestOptions {
  readonly machine: Pick<Machine, 'protect'>;
  readonly times: Pick<MachineTimes, 'restMs' | 'lookMs'>;
  readonly log: WorkerLog;
  readonly monotonic: () => number;
  /** Since when nothing runs here and nothing came, monotonic; null: something runs. */
  readonly idleSince: () => number | null;
  /** True while the machine is held aside: it takes nothing. */
  readonly isAside: () => boolean;
  /** How much waits, about, in the queues of the worker's groups. Throws as they do. */
  readonly backlog: () => Promise<number>;
  /** Called at each look: is it time to leave? */
  readonly consider: () => Promise<void>;
  /** Where a rest gives its signs of life: a part of its own. */
  readonly watch: { readonly of: Pick<LoopWatch, 'mark' | 'done'>; readonly part: number };
  /** The group ends this machine already. */
  readonly onTooLate: () => void;
  /** A new role's refusals pass. */
  readonly mayPass: (error: unknown) => boolean;
}

/** Looks that pass at most between two tries to change a protection: a minute. */
const LONGEST_LOOKS = 12;

/**
 * Protection follows work: nothing is received by a machine that scaling in could take. One without work for a minute
 * rests: it is let go of, looks at the backlog every few seconds, and is protected again before it receives.
 */
export class Rest {
  readonly #o: RestOptions;
  readonly #exits = new Gate();
  #inside = 0;
  #resting: Promise<void> | null = null;
  #wokeAt = Number.NEGATIVE_INFINITY;
  #warned = '';
  /** How often in a row protection could not be changed. */
  #refused = 0;

  constructor(options: RestOptions) {
    this.#o = options;
  }

  /** The longest that a poll should wait, seconds: so much later than it might does a rest begin. */
  get longestPoll(): number {
    return this.#o.times.restMs / 4_000;
  }

  /** True while the machine takes nothing. */
  isAside(): boolean {
    return this.#o.isAside();
  }

  /** Resolves when something may be received, and then `exit` must follow; false: the signal says that no more is taken. */
  async enter(signal: AbortSignal): Promise<boolean> {
    const { isAside, times } = this.#o;
    while (!signal.aborted) {
      if (isAside()) await wait(times.lookMs, signal);
      else if (this.#resting !== null || this.#isDue()) await this.#restOnce(signal);
      else {
        this.#inside += 1;
        if ((await this.#protect(true, signal)) && !signal.aborted) return true;
        this.exit();
      }
    }
    return false;
  }

  /** What was received is in hand, or nothing came. */
  exit(): void {
    this.#inside -= 1;
    this.#exits.open();
  }

  #isDue(): boolean {
    const { idleSince, monotonic, times } = this.#o;
    const since = idleSince();
    return since !== null && monotonic() - Math.max(since, this.#wokeAt) >= times.restMs;
  }

  #restOnce(signal: AbortSignal): Promise<void> {
    this.#resting ??= this.#rest(signal).finally(() => {
      this.#resting = null;
    });
    return this.#resting;
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { isAside, log, monotonic, times, watch } = this.#o;
    while (this.#inside > 0 && !signal.aborted) {
      const moment = new AbortController();
      await Promise.race([this.#exits.next(), wait(times.lookMs, AbortSignal.any([signal, moment.signal]))]);
      moment.abort();
    }
    // A poll that was still under way may have brought something.
    if (signal.aborted || !this.#isDue()) return;
    const free = await this.#protect(false, signal);
    if (free) log.info('idle: scaling in may terminate this instance');
    try {
      // One that can't be let go of now polls on, and is let go of a while later.
      while (free && !signal.aborted && !isAside() && (await this.#isQuiet(signal))) {
        await wait(jitter(times.lookMs), signal);
      }
    } finally {
      // It owes no sign while it works, however long that is.
      watch.of.done(watch.part);
    }
    this.#wokeAt = monotonic();
  }

  async #isQuiet(signal: AbortSignal): Promise<boolean> {
    const { backlog, consider, watch } = this.#o;
    watch.of.mark(watch.part, 'work');
    await consider();
    return !signal.aborted && (await backlog()) === 0;
  }

  /** False when it could not be done: tried again at the next look, or the group ends the machine. */
  async #protect(on: boolean, signal: AbortSignal): Promise<boolean> {
    const { machine, onTooLate, mayPass, log, times } = this.#o;
    try {
      const protectedNow = await machine.protect(on);
      if (!protectedNow) onTooLate();
      this.#warned = '';
      this.#refused = 0;
      return protectedNow;
    } catch (error) {
      if (!isKind(error, 'unavailable') && !mayPass(error)) throw error;
      // Said once, however long it lasts.
      const warning = messageOf(error);
      if (warning !== this.#warned) log.warn(warning);
      this.#warned = warning;
      // Where Auto Scaling is throttled, the whole account is: ever more seldom.
      await wait(jitter(Math.min(times.lookMs * 2 ** this.#refused, LONGEST_LOOKS * times.lookMs)), signal);
      this.#refused += 1;
      return false;
    }
  }
}
