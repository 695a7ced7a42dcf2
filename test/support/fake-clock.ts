import type { Clock } from '../../src/lib/clock.ts';

/** A clock that moves only when a test moves it; wall time and monotonic time move together. */
export class FakeClock implements Clock {
  #now: number;
  #monotonic = 0;

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  pass(seconds: number): void {
    this.#now += seconds * 1000;
    this.#monotonic += seconds * 1000;
  }

  /** Sets only the wall time, as a time server or a person does. */
  set(now: number): void {
    this.#now = now;
  }
}
