import { Agenda } from '../../../bench/simulator/heap.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { seededRandom } from '../../../src/model/forecast/section.ts';

/** What takes real time: files, and messages to the thread that finds modules. */
const REAL = new Set(['FSReqCallback', 'FSReqPromise', 'MessagePort']);
const isWorking = (): boolean => process.getActiveResourcesInfo().some((what) => REAL.has(what));

interface Timer {
  call: (() => void) | null;
  /** Milliseconds after which it fires again; null: it fires once. */
  readonly every: number | null;
  readonly ref: () => Timer;
  readonly unref: () => Timer;
}

type Call = (...values: unknown[]) => void;

/** Timers fire at multiples of this, milliseconds, so that many share a turn of the event loop. */
const GRAIN_MS = 10;
/** The first instant: 30 November 2026, 06:00 UTC. */
const EPOCH = Date.UTC(2026, 10, 30, 6);

/**
 * Time of a simulation: this process's timers fire as fast as they can, in order, and `Date.now`, `performance.now` and
 * `Math.random` are the same in each run. Hours of a thousand workers pass in seconds. Files that are read or written and
 * modules that are loaded take no time: what is simulated may wait for nothing else that is real.
 */
export class VirtualTime implements Clock {
  readonly #agenda = new Agenda<Timer>();
  readonly #restore: () => void;
  #now = 0;

  constructor(seed: number) {
    const clear = (timer: unknown): void => {
      if (timer !== null && typeof timer === 'object' && 'call' in timer) timer.call = null;
    };
    const add = (call: Call, ms: number, again: boolean, values: readonly unknown[]): Timer => {
      const timer: Timer = {
        call: () => call(...values),
        every: again ? ms : null,
        ref: () => timer,
        unref: () => timer,
      };
      this.#agenda.put(this.#grain(ms), timer);
      return timer;
    };
    // Not by mocks: they remember every call.
    const real = { setTimeout, setInterval, clearTimeout, clearInterval };
    const [now, date, random] = [performance.now, Date.now, Math.random];
    Object.assign(globalThis, {
      setTimeout: (call: Call, ms = 1, ...values: unknown[]) => add(call, ms, false, values),
      setInterval: (call: Call, ms = 1, ...values: unknown[]) => add(call, ms, true, values),
      clearTimeout: clear,
      clearInterval: clear,
    });
    performance.now = () => this.#now;
    Date.now = () => EPOCH + this.#now;
    Math.random = seededRandom(seed);
    this.#restore = () => {
      Object.assign(globalThis, real);
      performance.now = now;
      Date.now = date;
      Math.random = random;
    };
  }

  now(): number {
    return EPOCH + this.#now;
  }

  /** Milliseconds since the simulation began. */
  monotonic(): number {
    return this.#now;
  }

  /** Lets time pass until `end` (milliseconds since the beginning), or until `isOver`. */
  async passTo(end: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver() && this.#agenda.next <= end) {
      this.#now = this.#agenda.next;
      while (this.#agenda.next <= this.#now) this.#fire();
      do await new Promise(setImmediate);
      while (isWorking());
    }
    if (!isOver()) this.#now = end;
  }

  /** Lets time pass until the promise is settled, and answers it; a day at most. */
  async passUntil<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => undefined);
    await new Promise(setImmediate);
    await this.passTo(this.#now + 86_400_000, () => isSettled);
    return settled;
  }

  /** Time goes on by itself again. */
  release(): void {
    this.#restore();
  }

  #fire(): void {
    const timer = this.#agenda.take()?.what;
    const call = timer?.call ?? null;
    if (timer === undefined || call === null) return;
    if (timer.every === null) timer.call = null;
    else this.#agenda.put(this.#grain(timer.every), timer);
    call();
  }

  #grain(ms: number): number {
    return Math.ceil((this.#now + Math.max(1, Number(ms) || 1)) / GRAIN_MS) * GRAIN_MS;
  }
}
