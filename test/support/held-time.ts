import { Agenda } from '../../bench/simulator/heap.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/model/forecast/section.ts';

interface HeldTimer {
  /** Null once it was cleared, or fired for the last time. */
  call: (() => void) | null;
  /** Milliseconds after which it fires again; null: it fires once. */
  readonly every: number | null;
  ref(): HeldTimer;
  unref(): HeldTimer;
}

type Call = (...values: unknown[]) => void;

/**
 * Holds this process's time still: its timers fire, and `performance.now` goes on, only as a test lets time pass. What is
 * real goes on meanwhile: programs, files, promises, `node:timers/promises`, and timers that were made before.
 */
export class HeldTime {
  readonly #timers = new Agenda<HeldTimer>();
  readonly #grain: number;
  readonly #restore: () => void;
  #now: number;

  /** Timers fire at multiples of `grain`, milliseconds; whole ones from the start, so that sums are exact. */
  constructor(start = Math.ceil(performance.now()), grain = 1) {
    this.#now = start;
    this.#grain = grain;
    // Not by mocks: they remember every call.
    const real = { setTimeout, setInterval, clearTimeout, clearInterval };
    const { now } = performance;
    const clear = (timer: unknown): void => {
      if (timer !== null && typeof timer === 'object' && 'call' in timer) timer.call = null;
      else real.clearTimeout(timer as NodeJS.Timeout);
    };
    Object.assign(globalThis, {
      setTimeout: (call: Call, ms = 1, ...values: unknown[]) => this.#add(() => call(...values), ms, null),
      setInterval: (call: Call, ms = 1, ...values: unknown[]) => this.#add(() => call(...values), ms, ms),
      clearTimeout: clear,
      clearInterval: clear,
    });
    performance.now = () => this.#now;
    this.#restore = () => {
      Object.assign(globalThis, real);
      performance.now = now;
    };
  }

  now(): number {
    return this.#now;
  }

  /** Lets so many milliseconds pass, one by one, and whatever follows from each. */
  async pass(ms: number): Promise<void> {
    await this.passTo(this.#now + ms);
  }

  /** Lets time pass until `end`, or until `isOver`. */
  async passTo(end: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver()) {
      const next = this.following(this.#now, this.#timers.next);
      this.#now = Math.min(next, end);
      if (next > end) return;
      while (this.#timers.next <= this.#now) this.#fire();
      await this.turn();
    }
  }

  /** Lets time pass until the promise is settled, and answers it; an hour at most. */
  async passUntil<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => undefined);
    await new Promise(setImmediate);
    await this.passTo(this.#now + 3_600_000, () => isSettled);
    return settled;
  }

  /** Time goes on by itself again. */
  release(): void {
    this.#restore();
  }

  /** The instant after this one. `_timer`: when the next timer fires. */
  protected following(now: number, _timer: number): number {
    return now + 1;
  }

  /** A turn of the event loop, in which what the timers began goes on. */
  protected async turn(): Promise<void> {
    await new Promise(setImmediate);
  }

  #add(call: () => void, ms: number, every: number | null): HeldTimer {
    const timer: HeldTimer = { call, every, ref: () => timer, unref: () => timer };
    this.#put(ms, timer);
    return timer;
  }

  #put(ms: number, timer: HeldTimer): void {
    // Node has none that are shorter than a millisecond.
    this.#timers.put(Math.ceil((this.#now + Math.max(1, Number(ms) || 1)) / this.#grain) * this.#grain, timer);
  }

  #fire(): void {
    const timer = this.#timers.take()?.what;
    const call = timer?.call ?? null;
    if (timer === undefined || call === null) return;
    if (timer.every === null) timer.call = null;
    else this.#put(timer.every, timer);
    call();
  }
}

/** What takes real time: files, and messages to the thread that finds modules. */
const REAL = new Set(['FSReqCallback', 'FSReqPromise', 'MessagePort']);
const isWorking = (): boolean => process.getActiveResourcesInfo().some((what) => REAL.has(what));

/** The first instant of a simulation: 30 November 2026, 06:00 UTC. */
const EPOCH = Date.UTC(2026, 10, 30, 6);

/**
 * Time of a simulation: this process's timers fire as fast as they can, in order, many in a turn of the event loop, and
 * `Date.now`, `performance.now` and `Math.random` are the same in each run. Hours of a thousand workers pass in seconds.
 * Files that are read or written and modules that are loaded take no time: what is simulated may wait for nothing else that
 * is real.
 */
export class VirtualTime extends HeldTime implements Clock {
  readonly #real = { date: Date.now, random: Math.random };

  constructor(seed: number) {
    super(0, 10);
    Date.now = () => this.now();
    Math.random = seededRandom(seed);
  }

  /** Of the wall clock. */
  override now(): number {
    return EPOCH + this.monotonic();
  }

  /** Milliseconds since the simulation began. */
  monotonic(): number {
    return super.now();
  }

  override release(): void {
    super.release();
    Date.now = this.#real.date;
    Math.random = this.#real.random;
  }

  protected override following(_now: number, timer: number): number {
    return timer;
  }

  protected override async turn(): Promise<void> {
    do await super.turn();
    while (isWorking());
  }
}
