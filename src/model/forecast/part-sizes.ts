/** Bins a doubling: sizes within 9 % of each other count as one. */
const PER_DOUBLING = 8;

/** The same as it can be sent: `[bin, count, bytes]` each. */
export interface PartSizesJson {
  readonly bins: readonly (readonly [bin: number, count: number, bytes: number])[];
  readonly largest: { readonly n: number; readonly size: number };
}

/** How large a job's parts are, counted in bins: of a million parts as small as of ten. Sizes in bytes. */
export class PartSizes {
  readonly #bins = new Map<number, { count: number; bytes: number }>();
  #count = 0;
  #bytes = 0;
  #largest = { n: 0, size: -1 };

  /** Takes the next part, numbered from 0; 0 bytes for one that has no size. */
  add(size: number): void {
    const bin = size <= 0 ? -1 : Math.round(Math.log2(size) * PER_DOUBLING);
    const known = this.#bins.get(bin) ?? { count: 0, bytes: 0 };
    known.count += 1;
    known.bytes += size;
    this.#bins.set(bin, known);
    if (size > this.#largest.size) this.#largest = { n: this.#count, size };
    this.#count += 1;
    this.#bytes += size;
  }

  static fromJSON({ bins, largest }: PartSizesJson): PartSizes {
    const made = new PartSizes();
    for (const [bin, count, bytes] of bins) {
      made.#bins.set(bin, { count, bytes });
      made.#count += count;
      made.#bytes += bytes;
    }
    made.#largest = { ...largest };
    return made;
  }

  toJSON(): PartSizesJson {
    const bins = [...this.#bins].map(([bin, { count, bytes }]) => [bin, count, bytes] as const);
    return { bins, largest: this.#largest };
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The number of the largest part; the first of several. */
  get largest(): number {
    return this.#largest.n;
  }

  /** Parts that are about as large, with their mean size. */
  bins(): readonly { readonly count: number; readonly size: number }[] {
    return [...this.#bins.values()].map(({ count, bytes }) => ({ count, size: bytes / count }));
  }
}
