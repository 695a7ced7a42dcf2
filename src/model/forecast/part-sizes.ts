/** Bins per doubling: sizes within 9 % of each other count as one. */
const PER_DOUBLING = 8;

/** The same in serializable form: `[bin, count, bytes]` each. */
export interface PartSizesJson {
  readonly bins: readonly (readonly [bin: number, count: number, bytes: number])[];
  readonly largest: { readonly n: number; readonly size: number };
}

/** The sizes of a job's parts, counted in bins: a million parts take as little space as ten. Sizes in bytes. */
export class PartSizes {
  readonly #bins = new Map<number, { count: number; bytes: number }>();
  #count = 0;
  #bytes = 0;
  #largest = { n: 0, size: -1 };

  /** Adds the next part, numbered from 0; 0 bytes for one without a size. */
  add(size: number): void {
    const bin = size <= 0 ? -1 : Math.round(Math.log2(size) * PER_DOUBLING);
    const known = this.#bins.get(bin);
    if (known === undefined) this.#bins.set(bin, { count: 1, bytes: size });
    else {
      known.count += 1;
      known.bytes += size;
    }
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

  /** The number of the largest part; of several, the first. */
  get largest(): number {
    return this.#largest.n;
  }

  /** Parts of about the same size, with their mean size. */
  bins(): readonly { readonly count: number; readonly size: number }[] {
    return [...this.#bins.values()].map(({ count, bytes }) => ({ count, size: bytes / count }));
  }
}
