/** Tasks whose numbers are in one array: an evidence file may claim that a step has any number of tasks. */
const CHUNK = 4_096;

/** A number for each task, exact up to 2^53. Takes eight bytes a task, in chunks that are made when they are needed. */
export class TaskColumn {
  readonly #chunks = new Map<number, Float64Array>();

  set(task: number, value: number): void {
    const place = Math.floor(task / CHUNK);
    const chunk = this.#chunks.get(place) ?? new Float64Array(CHUNK).fill(Number.NaN);
    this.#chunks.set(place, chunk);
    chunk[task % CHUNK] = value;
  }

  /** Null for a task that wasn't set. */
  get(task: number): number | null {
    const value = this.#chunks.get(Math.floor(task / CHUNK))?.[task % CHUNK] ?? Number.NaN;
    return Number.isNaN(value) ? null : value;
  }
}

/** Hexadecimal digits of a checksum that fit into such a number. */
const DIGITS = 13;
const PREFIX = 'sha256:';

/** The beginning of a checksum (`sha256:<hex>`), 52 bits, as a number. */
export function checksumNumber(checksum: string): number {
  return Number.parseInt(checksum.slice(PREFIX.length, PREFIX.length + DIGITS), 16);
}

/** The same as text. */
export function shortChecksum(number: number): string {
  return `${PREFIX}${number.toString(16).padStart(DIGITS, '0')}`;
}
