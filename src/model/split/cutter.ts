import type { SplitBy } from '../job.ts';

/** The end of a part; it begins where the one before ended. */
export interface Cut {
  readonly end: number;
  /** How many records it holds; null where they aren't counted. */
  readonly records: number | null;
}

/**
 * Decides where parts end, told in order where records do. A part holds as many records as fit `size`
 * bytes, or `every` of them; a record larger than the size is a part of its own. Blank lines of JSON
 * Lines are no records: they go with the record before them.
 */
export class Cutter {
  /** Bytes before this belong to cuts already made or, surely, to the part that is being filled. */
  safe: number;
  readonly #size: number;
  readonly #every: number;
  readonly #counts: boolean;
  readonly #emit: (cut: Cut) => void;
  #start: number;
  #last: number;
  #count = 0;

  /** `counts` reports records by size too; by `every` they are always counted. */
  constructor(split: SplitBy, start: number, counts: boolean, emit: (cut: Cut) => void) {
    this.#size = split.size ?? Number.POSITIVE_INFINITY;
    this.#every = split.every ?? Number.POSITIVE_INFINITY;
    this.#counts = counts || split.every !== undefined;
    this.#emit = emit;
    this.#start = start;
    this.#last = start;
    this.safe = start;
  }

  /** A record (or a blank line) ends before `end`. */
  record(end: number, blank: boolean): void {
    if (end - this.#start > this.#size || (this.#count === this.#every && !blank)) this.#cut(this.#last);
    if (!blank) this.#count += 1;
    this.#last = end;
    if (end - this.#start > this.#size) this.#cut(end);
    this.safe = end;
  }

  /** Data was seen up to `now`, within a record; `blank` when that may still prove a blank line. */
  partial(now: number, blank: boolean): void {
    if (now - this.#start > this.#size || (this.#count === this.#every && !blank)) this.#cut(this.#last);
    const oversize = now - this.#start > this.#size;
    if (oversize || (this.#size === Number.POSITIVE_INFINITY && !blank)) this.safe = now;
  }

  /** The input ends; records before were all told. */
  finish(): void {
    this.#cut(this.#last);
  }

  #cut(end: number): void {
    if (end <= this.#start) return;
    this.#emit({ end, records: this.#counts ? this.#count : null });
    this.#start = end;
    this.#count = 0;
  }
}
