import { Agenda } from '../../bench/simulator/agenda.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/model/forecast/section.ts';

interface HeldTimer {
  /** Null after it was cleared or fired for the last time. */
  call: (() => void) | null;
  /** Milliseconds between two calls; null: it fires once. */
  readonly every: number | null;
  ref(): HeldTimer;
  unref(): HeldTimer;
}

type Call = (...values: unknown[]) => void;

/**
 * Stops this process's time: its timers fire, and `performance.now` advances, only when a test lets time pass. Programs,
 * files, promises, `node:timers/promises` and timers that were made before are unaffected.
 */
export class HeldTime {
  readonly #timers = new Agenda<HeldTimer>();
  readonly #grain: number;
  readonly #restore: () => void;
  #now: number;

  /** Timers fire at multiples of `grain` milliseconds. The start is a whole number, so that sums are exact. */
  constructor(start = Math.ceil(performance.now()), grain = 1) {
    this.#now = start;
    this.#grain = grain;
    // Not with mocks, which remember every call.
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

  /** Lets milliseconds pass, one by one, each with its consequences. */
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

  /** Lets time pass, at most an hour, until the promise is settled, and returns it. */
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

  /** Restores real time. */
  release(): void {
    this.#restore();
  }

  /** The instant that follows `now`. `_timer`: when the next timer fires. */
  protected following(now: number, _timer: number): number {
    return now + 1;
  }

  /** Waits for a turn of the event loop, in which work that timers started continues. */
  protected async turn(): Promise<void> {
    await new Promise(setImmediate);
  }

  #add(call: () => void, ms: number, every: number | null): HeldTimer {
    const timer: HeldTimer = { call, every, ref: () => timer, unref: () => timer };
    this.#put(ms, timer);
    return timer;
  }

  #put(ms: number, timer: HeldTimer): void {
    // Node's shortest timer takes a millisecond.
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

/** Resources that take real time: files, and messages to the thread that resolves modules. */
const REAL_RESOURCES = new Set(['FSReqCallback', 'FSReqPromise', 'MessagePort']);
const isWorking = (): boolean => process.getActiveResourcesInfo().some((name) => REAL_RESOURCES.has(name));

/** The first instant of a simulation: 30 November 2026, 06:00 UTC. */
const EPOCH = Date.UTC(2026, 10, 30, 6);

/**
 * The time of a simulation: this process's timers fire in order as fast as possible, many in a turn of the event loop, and
 * `Date.now`, `performance.now` and `Math.random` are the same in each run. Hours of a thousand workers pass in seconds.
 * Reading and writing files and loading modules take no simulated time; the simulation may wait for no other real thing.
 */
export class VirtualTime extends HeldTime implements Clock {
  readonly #real = { date: Date.now, random: Math.random };

  constructor(seed: number) {
    super(0, 10);
    Date.now = () => this.now();
    Math.random = seededRandom(seed);
  }

  /** The wall clock, milliseconds since the epoch. */
  override now(): number {
    return EPOCH + this.monotonic();
  }

  /** Milliseconds since the start of the simulation. */
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
