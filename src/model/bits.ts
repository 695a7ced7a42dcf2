/** A set of task numbers below a fixed size: one bit each, so that a million tasks cost 125 KB. */
export class TaskBits {
  readonly size: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.#bytes = new Uint8Array((size + 7) >> 3);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a number; one outside the size is ignored (a foreign object's name decides nothing). */
  add(n: number): void {
    if (n < 0 || n >= this.size || this.has(n)) return;
    const at = n >> 3;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (n & 7));
    this.#count += 1;
  }

  has(n: number): boolean {
    return n >= 0 && n < this.size && ((this.#bytes[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
  }

  /** Every number in it, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bytes.length; at += 1) {
      const byte = this.#bytes[at] ?? 0;
      if (byte === 0) continue;
      for (let bit = 0; bit < 8; bit += 1) if (byte & (1 << bit)) yield at * 8 + bit;
    }
  }
}
