/** A step of a section: how long each chain takes in it (seconds), and how many slots a task needs. */
export interface ScheduledStep {
  readonly seconds: Float64Array;
  readonly slots: number;
  /** The maximum number of its tasks that run at a time. */
  readonly most: number;
}

/**
 * When the last chain of a section ends, in seconds, if `slots` slots take tasks in sending order: all of the first
 * step, then each next one as its chain gets there. `before`: seconds for which each slot is busy at first.
 */
export function sectionSeconds(steps: readonly ScheduledStep[], slots: number, before = 0): number {
  const free = new SlotHeap(slots, before);
  let ready: Float64Array | null = null;
  let last = 0;
  for (const { seconds, slots: wanted, most } of steps) {
    const needs = Math.max(1, Math.min(slots, wanted));
    const after = ready;
    const order = after === null ? null : orderOf(after);
    const ends = new Float64Array(seconds.length);
    // With a limit on running tasks, each waits for the end of the one that ran that many before it.
    const running: number[] = [];
    for (let i = 0; i < seconds.length; i += 1) {
      const chain = order?.[i] ?? i;
      const held = most < slots ? (running[i - most] ?? 0) : 0;
      const end = free.take(needs, Math.max(after?.[chain] ?? 0, held), seconds[chain] ?? 0);
      ends[chain] = end;
      if (most < slots) running.push(end);
      last = Math.max(last, end);
    }
    ready = ends;
  }
  return last;
}

function orderOf(ready: Float64Array): readonly number[] {
  const order = Array.from(ready, (_, chain) => chain);
  return order.sort((a, b) => (ready[a] ?? 0) - (ready[b] ?? 0));
}

/** When each slot is free again: a binary heap with the earliest on top. */
class SlotHeap {
  readonly #times: Float64Array;
  #size: number;

  constructor(slots: number, before: number) {
    this.#times = new Float64Array(slots).fill(before);
    this.#size = slots;
  }

  /** Takes the first `needs` slots to become free, not before `ready`, for `seconds`; returns the end of that time. */
  take(needs: number, ready: number, seconds: number): number {
    let start = ready;
    for (let i = 1; i < needs; i += 1) start = Math.max(start, this.#pop());
    const end = Math.max(start, this.#times[0] ?? 0) + seconds;
    this.#sink(end);
    for (let i = 1; i < needs; i += 1) this.#push(end);
    return end;
  }

  #pop(): number {
    const times = this.#times;
    const top = times[0] ?? 0;
    this.#size -= 1;
    this.#sink(times[this.#size] ?? 0);
    return top;
  }

  /** Puts a time in place of the earliest. */
  #sink(time: number): void {
    const times = this.#times;
    const size = this.#size;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (times[child + 1] ?? 0) < (times[child] ?? 0)) child += 1;
      if ((times[child] ?? 0) >= time) break;
      times[at] = times[child] ?? 0;
      at = child;
    }
    times[at] = time;
  }

  #push(time: number): void {
    const times = this.#times;
    let at = this.#size;
    this.#size += 1;
    for (; at > 0; ) {
      const parent = (at - 1) >> 1;
      if ((times[parent] ?? 0) <= time) break;
      times[at] = times[parent] ?? 0;
      at = parent;
    }
    times[at] = time;
  }
}
