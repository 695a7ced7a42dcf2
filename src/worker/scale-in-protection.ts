import { isKind } from '../errors.ts';
import type { LoopPart } from '../lib/loop-watch.ts';
import { Gate, jitter, wait, within } from '../lib/wait.ts';
import type { Machine } from '../ports/machine.ts';
import type { WorkerLog } from './context.ts';
import { shortMessageOf } from './outcome.ts';
import type { MachineTimes } from './worker-setup.ts';

export interface ScaleInProtectionOptions {
  readonly machine: Pick<Machine, 'protect'>;
  readonly times: Pick<MachineTimes, 'restMs' | 'lookMs'>;
  readonly log: WorkerLog;
  readonly monotonic: () => number;
  /** True in standby: it takes nothing. */
  readonly isInStandby: () => boolean;
  /** Approximate number of messages waiting in the queues of the worker's groups. Throws as they do. */
  readonly backlog: () => Promise<number>;
  /** Where a rest reports activity. */
  readonly watch: LoopPart;
  /** The group is already terminating this instance. */
  readonly onTooLate: () => void;
  /** Whether a refusal may pass, as it does for a new role. */
  readonly isTransient: (error: unknown) => boolean;
}

/** The worker that rests, as far as a rest depends on it. */
export interface IdleWorker {
  /** Since when nothing has run or arrived, monotonic; null: something is running. */
  readonly idleSince: number | null;
  /** Checks whether to leave, as after a poll without messages. */
  considerLeaving(): Promise<void>;
}

/** Maximum number of looks between two tries to change a protection: a minute. */
const LONGEST_LOOKS = 12;

/**
 * Protection follows work: an instance that scaling in could terminate receives nothing. An instance without work for a
 * minute rests: it gives up its protection, checks the backlog every few seconds, and is protected again before it
 * receives.
 */
export class ScaleInProtection {
  readonly #o: ScaleInProtectionOptions;
  readonly #exits = new Gate();
  #receiving = 0;
  #resting: Promise<void> | null = null;
  #wokeAt = Number.NEGATIVE_INFINITY;
  #warned = '';
  /** How often in a row the protection could not be changed. */
  #failures = 0;

  constructor(options: ScaleInProtectionOptions) {
    this.#o = options;
  }

  /** The maximum wait of a poll, seconds: it may delay the start of a rest. */
  get maxPollSeconds(): number {
    return this.#o.times.restMs / 4_000;
  }

  /** Resolves when messages may be received; `exit` must then follow. False: the signal has ended taking. */
  async enter(worker: IdleWorker, signal: AbortSignal): Promise<boolean> {
    const { isInStandby, times } = this.#o;
    while (!signal.aborted) {
      if (isInStandby()) await wait(times.lookMs, signal);
      else if (this.#resting !== null || this.#isRestDue(worker)) await this.#restOnce(worker, signal);
      else {
        this.#receiving += 1;
        if ((await this.#protect(true, signal)) && !signal.aborted) return true;
        this.exit();
      }
    }
    return false;
  }

  /** Received messages are being processed, or none arrived. */
  exit(): void {
    this.#receiving -= 1;
    this.#exits.open();
  }

  #isRestDue({ idleSince }: IdleWorker): boolean {
    const { monotonic, times } = this.#o;
    return idleSince !== null && monotonic() - Math.max(idleSince, this.#wokeAt) >= times.restMs;
  }

  #restOnce(worker: IdleWorker, signal: AbortSignal): Promise<void> {
    this.#resting ??= this.#rest(worker, signal).finally(() => {
      this.#resting = null;
    });
    return this.#resting;
  }

  async #rest(worker: IdleWorker, signal: AbortSignal): Promise<void> {
    const { isInStandby, log, monotonic, times, watch } = this.#o;
    while (this.#receiving > 0 && !signal.aborted)
      await within(this.#exits.next(), times.lookMs, () => undefined, signal);
    // A poll still under way may have returned messages.
    if (signal.aborted || !this.#isRestDue(worker)) return;
    const free = await this.#protect(false, signal);
    if (free) log.info('idle: scaling in may terminate this instance');
    try {
      // If its protection can't be changed now, it polls on, and tries again later.
      while (free && !signal.aborted && !isInStandby() && (await this.#isQuiet(worker, signal))) {
        await wait(jitter(times.lookMs), signal);
      }
    } finally {
      // It reports no activity while it works, however long that is.
      watch.done();
    }
    this.#wokeAt = monotonic();
  }

  async #isQuiet(worker: IdleWorker, signal: AbortSignal): Promise<boolean> {
    const { backlog, watch } = this.#o;
    watch.mark('work');
    await worker.considerLeaving();
    return !signal.aborted && (await backlog()) === 0;
  }

  /** False if it failed: repeated at the next look, or the group terminates the instance. */
  async #protect(on: boolean, signal: AbortSignal): Promise<boolean> {
    const { machine, onTooLate, isTransient, log, times } = this.#o;
    try {
      const protectedNow = await machine.protect(on);
      if (!protectedNow) onTooLate();
      this.#warned = '';
      this.#failures = 0;
      return protectedNow;
    } catch (error) {
      if (!isKind(error, 'unavailable') && !isTransient(error)) throw error;
      // Reported once, however long it lasts.
      const warning = shortMessageOf(error);
      if (warning !== this.#warned) log.warn(warning);
      this.#warned = warning;
      // Auto Scaling throttles the whole account, so back off.
      await wait(jitter(Math.min(times.lookMs * 2 ** this.#failures, LONGEST_LOOKS * times.lookMs)), signal);
      this.#failures += 1;
      return false;
    }
  }
}
