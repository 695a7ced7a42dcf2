import type { Cut } from '../../model/split/cutter.ts';
import { type RandomAccess, readFully } from './split-source.ts';

const NEWLINE = 10;
/** How far a first look around a cut reads: most lines are shorter. A request to a service is worth more bytes. */
const NEAR_LOCAL = 4096;
const NEAR_REMOTE = 32 * 1024;
/** How many of the next cuts are asked for ahead where a read is a request. */
const AHEAD = 16;
/** Cuts handed on together. */
const BATCH = 512;

export interface LineCutOptions {
  readonly name: string;
  readonly access: RandomAccess;
  readonly from: number;
  readonly end: number;
  readonly size: number;
  /** The largest read. */
  readonly chunkSize: number;
}

/** Cuts lines by size, reading around the cuts alone. */
export async function* cutLinesBySize(options: LineCutOptions): AsyncGenerator<readonly Cut[]> {
  const { access, end, size, chunkSize } = options;
  const near = Math.min(chunkSize, access.remote ? NEAR_REMOTE : NEAR_LOCAL);
  let cuts: Cut[] = [];
  for (let start = options.from; start < end; ) {
    const target = start + size;
    if (access.remote) access.ahead?.(soon(start, size, near, end));
    let cut = end;
    if (target < end) {
      cut = await lastLineEnd(options, near, start, target);
      if (cut === -1) cut = await firstLineEnd(options, near, target);
    }
    cuts.push({ end: cut, records: null });
    start = cut;
    if (cuts.length >= BATCH || access.remote) {
      yield cuts;
      cuts = [];
    }
  }
  yield cuts;
}

/** Position after the last newline that ends in (start, target], or -1. */
async function lastLineEnd(options: LineCutOptions, near: number, start: number, target: number): Promise<number> {
  let step = near;
  for (let high = target; high > start; step = Math.min(step * 2, options.chunkSize)) {
    const low = Math.max(start, high - step);
    const bytes = await readFully(options.name, options.access, low, Buffer.allocUnsafe(high - low));
    const found = bytes.lastIndexOf(NEWLINE);
    if (found !== -1) return low + found + 1;
    high = low;
  }
  return -1;
}

/** Position after the first newline at or after `from`; the end of the input if there is none. */
export async function firstLineEnd(
  options: Omit<LineCutOptions, 'from' | 'size'>,
  near: number,
  from: number,
): Promise<number> {
  let step = near;
  for (let low = from; low < options.end; step = Math.min(step * 2, options.chunkSize)) {
    const length = Math.min(step, options.end - low);
    const bytes = await readFully(options.name, options.access, low, Buffer.allocUnsafe(length));
    const found = bytes.indexOf(NEWLINE);
    if (found !== -1) return low + found + 1;
    low += length;
  }
  return options.end;
}

/** Around the next cuts, if lines are short: each cut comes a little before its size is full, and the next ones with it. */
function soon(start: number, size: number, near: number, end: number): { offset: number; length: number }[] {
  const ranges = [];
  for (let i = 1; i <= AHEAD; i += 1) {
    const target = start + i * size;
    const offset = Math.max(start, target - 2 * near);
    if (target < end && size > 2 * near) ranges.push({ offset, length: target - offset });
  }
  return ranges;
}
