/** A set of task numbers that grows in ascending order: two numbers a run, so that it is small however many it holds. */
export class TaskRanges {
  readonly #bounds: number[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a number above all that are in it; another one is a RangeError. */
  add(n: number): void {
    const last = this.#bounds.at(-1) ?? -2;
    if (n <= last) throw new RangeError(`tasks are added in ascending order: ${n} after ${last}`);
    if (n === last + 1) this.#bounds[this.#bounds.length - 1] = n;
    else this.#bounds.push(n, n);
    this.#count += 1;
  }

  /** Every number in it, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bounds.length; at += 2) {
      for (let n = this.#bounds[at] ?? 0; n <= (this.#bounds[at + 1] ?? -1); n += 1) yield n;
    }
  }

  /** The set's text: `0-4,17`. */
  toString(): string {
    const pieces: string[] = [];
    for (let at = 0; at < this.#bounds.length; at += 2) {
      const [from, to] = [this.#bounds[at], this.#bounds[at + 1]];
      pieces.push(from === to ? `${from}` : `${from}-${to}`);
    }
    return pieces.join(',');
  }
}
