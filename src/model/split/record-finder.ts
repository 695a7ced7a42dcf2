import { BatchctlError } from '../../errors.ts';

export const NEWLINE = 10;
export const RETURN = 13;

/**
 * Finds where records end in bytes that arrive in chunks. All positions are offsets in the whole input, so that callers
 * never convert them; state is kept from one chunk to the next.
 */
export interface RecordFinder {
  /** True if the record just found, or the data since it, is a blank line, which the format doesn't count. */
  readonly blank: boolean;
  /** Continues the search at `position`, where a record begins. */
  restart(position: number): void;
  /** Loads the next chunk: it follows the previous one, or contains the position of a restart. */
  load(chunk: Buffer, base: number): void;
  /** The position after the next record that ends at or before `limit`; -1 once the chunk or the limit is reached. */
  next(limit?: number): number;
  /** The input ends here. Throws if the last record is unfinished. */
  finish(): void;
}

/** Lines, and JSON Lines: a record ends after each newline. A lone CR is data. */
export class LineFinder implements RecordFinder {
  blank = false;
  readonly #skipsBlank: boolean;
  #chunk: Buffer = Buffer.alloc(0);
  #base = 0;
  #position = 0;
  #recordStart = 0;
  /** The byte before `#position`. */
  #previous = NEWLINE;

  constructor(skipsBlank: boolean) {
    this.#skipsBlank = skipsBlank;
  }

  restart(position: number): void {
    this.#position = position;
    this.#recordStart = position;
    this.#previous = NEWLINE;
  }

  load(chunk: Buffer, base: number): void {
    this.#chunk = chunk;
    this.#base = base;
  }

  next(limit = Number.POSITIVE_INFINITY): number {
    const chunk = this.#chunk;
    const from = this.#position - this.#base;
    const found = from < chunk.length ? chunk.indexOf(NEWLINE, from) : -1;
    const end = this.#base + found + 1;
    if (found === -1 || end > limit) {
      const stop = Math.min(this.#base + chunk.length, Math.max(limit, this.#position));
      if (stop > this.#position) this.#previous = chunk[stop - this.#base - 1] ?? NEWLINE;
      this.#position = stop;
      if (this.#skipsBlank) this.blank = this.#isBlank(stop, this.#previous);
      return -1;
    }
    if (this.#skipsBlank) {
      this.blank = this.#isBlank(end - 1, found === from ? this.#previous : (chunk[found - 1] ?? NEWLINE));
    }
    this.#position = end;
    this.#recordStart = end;
    this.#previous = NEWLINE;
    return end;
  }

  finish(): void {}

  #isBlank(end: number, last: number): boolean {
    const length = end - this.#recordStart;
    return length === 0 || (length === 1 && last === RETURN);
  }
}

export class FixedFinder implements RecordFinder {
  readonly blank = false;
  readonly #length: number;
  readonly #name: string;
  #end = 0;
  #position = 0;

  constructor(length: number, name: string) {
    this.#length = length;
    this.#name = name;
  }

  restart(position: number): void {
    this.#position = position;
  }

  load(chunk: Buffer, base: number): void {
    this.#end = base + chunk.length;
  }

  next(limit = Number.POSITIVE_INFINITY): number {
    const end = this.#position + this.#length;
    if (end > this.#end || end > limit) return -1;
    this.#position = end;
    return end;
  }

  finish(): void {
    requireWholeRecords(this.#name, this.#end, this.#length);
  }
}

/** Throws `jobFile`, with the remainder, unless `size` bytes are whole records of `length`. */
export function requireWholeRecords(name: string, size: number, length: number): void {
  const remainder = size % length;
  if (remainder === 0) return;
  throw new BatchctlError(
    'jobFile',
    `${name} has ${size} bytes, which is not a whole number of ${length}-byte records: ${remainder} bytes remain`,
    {
      hint: 'correct split.length, or the file: a record is truncated, or each record has a line end that was not counted',
    },
  );
}
