/** Counts requests by kind and second. */
export class Requests {
  readonly #now: () => number;
  readonly #seconds = new Map<string, number[]>();

  /** `now`: milliseconds since the start. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a request. Returns the number of its kind in this second. */
  count(kind: string, times = 1): number {
    const second = Math.floor(this.#now() / 1_000);
    const seconds = this.#seconds.get(kind) ?? [];
    this.#seconds.set(kind, seconds);
    const count = (seconds[second] ?? 0) + times;
    seconds[second] = count;
    return count;
  }

  /** All kinds that were counted, sorted. */
  get kinds(): readonly string[] {
    return [...this.#seconds.keys()].sort();
  }

  total(kinds: Iterable<string>): number {
    let total = 0;
    for (const kind of kinds) for (const count of this.#seconds.get(kind) ?? []) total += count ?? 0;
    return total;
  }

  /** The highest rate per second, as a mean over `over` seconds. */
  peak(kinds: Iterable<string>, over = 1): number {
    const sums: number[] = [];
    for (const kind of kinds) {
      const seconds = this.#seconds.get(kind) ?? [];
      for (let second = 0; second < seconds.length; second += 1)
        sums[second] = (sums[second] ?? 0) + (seconds[second] ?? 0);
    }
    let [most, sum] = [0, 0];
    for (let second = 0; second < sums.length; second += 1) {
      sum += sums[second] ?? 0;
      if (second >= over) sum -= sums[second - over] ?? 0;
      most = Math.max(most, sum / over);
    }
    return most;
  }
}
