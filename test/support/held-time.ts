import { mock } from 'node:test';

interface HeldTimer {
  at: number;
  /** Milliseconds after which it fires again; null: it fires once. */
  readonly every: number | null;
  readonly call: () => void;
  unref(): HeldTimer;
}

type Call = (...values: unknown[]) => void;

/**
 * Holds this process's time still: its timers fire, and `performance.now` goes on, only as a test lets time pass. What is
 * real goes on meanwhile: programs, files, promises, `node:timers/promises`, and timers that were made before.
 */
export class HeldTime {
  // Whole milliseconds, so that sums are exact.
  #now = Math.ceil(performance.now());
  readonly #timers = new Set<HeldTimer>();
  readonly #held: readonly { readonly mock: { restore(): void } }[];

  constructor() {
    const { clearTimeout, clearInterval } = globalThis;
    const clear = (timer: unknown): void => {
      if (this.#timers.delete(timer as HeldTimer)) return;
      clearTimeout(timer as NodeJS.Timeout);
      clearInterval(timer as NodeJS.Timeout);
    };
    this.#held = [
      mock.method(performance, 'now', () => this.#now),
      mock.method(globalThis, 'setTimeout', (call: Call, ms = 1, ...values: unknown[]) =>
        this.#add(() => call(...values), ms, false),
      ),
      mock.method(globalThis, 'setInterval', (call: Call, ms = 1, ...values: unknown[]) =>
        this.#add(() => call(...values), ms, true),
      ),
      mock.method(globalThis, 'clearTimeout', clear),
      mock.method(globalThis, 'clearInterval', clear),
    ];
  }

  now(): number {
    return this.#now;
  }

  /** Lets so many milliseconds pass, one by one, and whatever follows from each. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1) {
      this.#now += 1;
      for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) this.#fireIfDue(timer);
      await new Promise(setImmediate);
    }
  }

  /** Lets time pass until the promise is settled, and answers it; an hour at most. */
  async passUntil<Value>(promise: Promise<Value>): Promise<Value> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => undefined);
    for (let passed = 0; !isSettled && passed < 3_600_000; passed += 1) await this.pass(1);
    return settled;
  }

  /** Time goes on by itself again. */
  release(): void {
    for (const each of this.#held) each.mock.restore();
  }

  #add(call: () => void, ms: number, again: boolean): HeldTimer {
    // Node has no shorter ones.
    const delay = Math.max(1, ms);
    const timer: HeldTimer = { at: this.#now + delay, every: again ? delay : null, call, unref: () => timer };
    this.#timers.add(timer);
    return timer;
  }

  #fireIfDue(timer: HeldTimer): void {
    // One that fired before it may have cleared it.
    if (timer.at > this.#now || !this.#timers.has(timer)) return;
    if (timer.every === null) this.#timers.delete(timer);
    else timer.at += timer.every;
    timer.call();
  }
}
