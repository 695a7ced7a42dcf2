import { type JobRecord, stepIndex } from './job.ts';

/** Sets of task numbers as ascending ranges that neither touch nor overlap; both ends are included. */
export type Ranges = readonly (readonly [number, number])[];

export function inRanges(ranges: Ranges | undefined, n: number): boolean {
  if (ranges === undefined) return false;
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [from, to] = ranges[middle] ?? [0, -1];
    if (n < from) high = middle - 1;
    else if (n > to) low = middle + 1;
    else return true;
  }
  return false;
}

export function unionOf(a: Ranges, b: Ranges): Ranges {
  const out: [number, number][] = [];
  for (const [from, to] of [...a, ...b].sort((x, y) => x[0] - y[0])) {
    const last = out.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

export function subtractRanges(a: Ranges, b: Ranges): Ranges {
  const out: [number, number][] = [];
  let at = 0;
  for (const [from, to] of a) {
    let start = from;
    while (at < b.length && (b[at]?.[1] ?? 0) < start) at += 1;
    for (let i = at; i < b.length; i += 1) {
      const [cutFrom, cutTo] = b[i] ?? [0, -1];
      if (cutFrom > to) break;
      if (cutFrom > start) out.push([start, cutFrom - 1]);
      start = Math.max(start, cutTo + 1);
    }
    if (start <= to) out.push([start, to]);
  }
  return out;
}

/** How many numbers, all or those below `size`, the ranges contain. */
export function countIn(ranges: Ranges | undefined, size = Number.POSITIVE_INFINITY): number {
  let count = 0;
  for (const [from, to] of ranges ?? []) count += Math.max(0, Math.min(to, size - 1) - from + 1);
  return count;
}

/** Parses a set's text: ascending, inclusive ranges, `0-4,17`. Throws a RangeError for anything else. */
export function parseTaskSet(text: string): Ranges {
  if (text === '') return [];
  let last = -1;
  return text.split(',').map((piece) => {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(piece);
    if (match?.[1] === undefined) throw new RangeError(`not a set of tasks: ${text}`);
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : Number(match[2]);
    if (from <= last || to < from) throw new RangeError(`not a set of tasks, ascending and without doubles: ${text}`);
    last = to;
    return [from, to] as const;
  });
}

/** Formats numbers (ascending, without duplicates) as a set's text. */
export function formatTaskSet(numbers: Iterable<number>): string {
  const writer = new TaskSetWriter();
  for (const n of numbers) writer.add(n);
  return String(writer);
}

export function rangesText(ranges: Ranges): string {
  return ranges.map(([from, to]) => rangeText(from, to)).join(',');
}

const rangeText = (from: number, to: number): string => (from === to ? `${from}` : `${from}-${to}`);

/** Every number of a set's text, ascending. */
export function* tasksIn(text: string): Generator<number> {
  for (const [from, to] of parseTaskSet(text)) for (let n = from; n <= to; n += 1) yield n;
}

/** Every number from 0 to below `size` that isn't in a set's text, ascending. */
export function* tasksWithout(leftOut: string, size: number): Generator<number> {
  let task = 0;
  for (const [from, to] of parseTaskSet(leftOut)) {
    for (; task < Math.min(from, size); task += 1) yield task;
    task = to + 1;
  }
  for (; task < size; task += 1) yield task;
}

export function taskSetHas(text: string | undefined, n: number): boolean {
  return text !== undefined && inRanges(parseTaskSet(text), n);
}

/** Ranges of tasks by step index. */
export type StepRanges = ReadonlyMap<number, Ranges>;

/** Sets of tasks by step index, from a journal entry's sets by step name. Throws a RangeError for an invalid set. */
export function stepRanges(record: JobRecord, sets: Readonly<Record<string, string>>): StepRanges {
  const out = new Map<number, Ranges>();
  for (const [step, text] of Object.entries(sets)) out.set(stepIndex(record.spec, step), parseTaskSet(text));
  return out;
}

/** Combines two sets, step by step; a step with an empty result is left out. */
export function combineRanges(
  a: StepRanges | undefined,
  b: StepRanges,
  how: (x: Ranges, y: Ranges) => Ranges,
): StepRanges {
  const out = new Map<number, Ranges>();
  for (const step of new Set([...(a?.keys() ?? []), ...b.keys()])) {
    const ranges = how(a?.get(step) ?? [], b.get(step) ?? []);
    if (ranges.length > 0) out.set(step, ranges);
  }
  return out;
}

/** Writes numbers that come in ascending order as a set's text, `0-4,17`: two numbers per run, whatever its size. */
export class TaskSetWriter {
  /** First and last number of each run. */
  protected readonly bounds: number[] = [];

  add(n: number): void {
    if (n - 1 === this.bounds.at(-1)) this.bounds[this.bounds.length - 1] = n;
    else this.bounds.push(n, n);
  }

  toString(): string {
    const pieces: string[] = [];
    for (let at = 0; at < this.bounds.length; at += 2) {
      pieces.push(rangeText(this.bounds[at] ?? 0, this.bounds[at + 1] ?? 0));
    }
    return pieces.join(',');
  }
}

/** A set of task numbers that grows in ascending order. */
export class TaskRanges extends TaskSetWriter {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a number above all in the set; any other is a RangeError. */
  override add(n: number): void {
    const last = this.bounds.at(-1) ?? -1;
    if (n <= last) throw new RangeError(`tasks are added in ascending order: ${n} after ${last}`);
    super.add(n);
    this.#count += 1;
  }

  /** Yields every number in it, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.bounds.length; at += 2) {
      for (let n = this.bounds[at] ?? 0; n <= (this.bounds[at + 1] ?? -1); n += 1) yield n;
    }
  }
}

/** A set of task numbers below a fixed size: one bit each, so that a million tasks take 125 KB. */
export class TaskBits {
  readonly size: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(size: number, tasks: Iterable<number> = []) {
    this.size = size;
    this.#bytes = new Uint8Array((size + 7) >> 3);
    for (const task of tasks) this.add(task);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a number; one outside the size is ignored (a foreign object's name has no effect). */
  add(n: number): void {
    if (n < 0 || n >= this.size || this.has(n)) return;
    const at = n >> 3;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (n & 7));
    this.#count += 1;
  }

  has(n: number): boolean {
    return n >= 0 && n < this.size && ((this.#bytes[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#bytes.length; at += 1) {
      const byte = this.#bytes[at] ?? 0;
      if (byte === 0) continue;
      for (let bit = 0; bit < 8; bit += 1) if (byte & (1 << bit)) yield at * 8 + bit;
    }
  }
}
