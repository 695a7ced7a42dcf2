import { type CsvFinder, QuoteFault } from '../../model/split/csv-finder.ts';
import type { Cut } from '../../model/split/cutter.ts';
import { quoteError } from './cut-rules.ts';
import { type RandomAccess, readFully } from './split-source.ts';

const NEWLINE = 10;
/** How far before a cut records begin to be looked for; elsewhere only quotes are. */
const NEAR = 16 * 1024;
const BATCH = 512;

export interface CsvCutOptions {
  readonly name: string;
  readonly access: RandomAccess;
  readonly from: number;
  /** Where the first record begins: after `from` where a byte order mark stands there. */
  readonly firstRecord: number;
  readonly end: number;
  readonly size: number;
  readonly chunkSize: number;
  /** Called with the position reached, once a chunk. */
  readonly onChunk: (position: number) => Promise<void> | undefined;
}

/** Cuts CSV by size at the speed of memory: every quote is looked at, newlines only near the cuts. */
export async function* cutCsvBySize(finder: CsvFinder, options: CsvCutOptions): AsyncGenerator<readonly Cut[]> {
  const reader = new ChunkReader(finder, options);
  let cuts: Cut[] = [];
  try {
    for (let start = options.from; start < options.end; ) {
      const end = await reader.cut(start, start === options.from ? options.firstRecord : start);
      cuts.push({ end, records: null });
      start = end;
      if (cuts.length >= BATCH) {
        yield cuts;
        cuts = [];
      }
    }
  } catch (error) {
    if (!(error instanceof QuoteFault)) throw error;
    throw quoteError(options.name, error, await lineOf(options, error.position));
  }
  yield cuts;
}

/** Moves a finder over a file by way of one buffer, forwards and a little back. */
class ChunkReader {
  readonly #finder: CsvFinder;
  readonly #options: CsvCutOptions;
  readonly #buffer: Buffer;
  #base = 0;
  #filled = 0;

  constructor(finder: CsvFinder, options: CsvCutOptions) {
    this.#finder = finder;
    this.#options = options;
    this.#buffer = Buffer.allocUnsafe(options.chunkSize);
  }

  /** Where the part that begins at `start` ends. */
  async cut(start: number, record: number): Promise<number> {
    const { end, size } = this.#options;
    const target = start + size;
    this.#finder.restart(record);
    if (target >= end) {
      await this.#skim(end);
      this.#finder.finish();
      return end;
    }
    const near = Math.max(record, target - Math.min(NEAR, this.#options.chunkSize));
    await this.#skim(near);
    let found = await this.#last(target);
    if (found === -1 && near > record) {
      this.#finder.restart(record);
      found = await this.#last(target);
    }
    return found === -1 ? this.#first() : found;
  }

  async #skim(limit: number): Promise<void> {
    while (this.#finder.position < limit) {
      await this.#ready();
      this.#finder.skim(limit);
    }
  }

  /** The last record end up to `limit`, which the finder then has reached; or -1. */
  async #last(limit: number): Promise<number> {
    let found = -1;
    while (this.#finder.position < limit) {
      await this.#ready();
      for (let at = this.#finder.next(limit); at !== -1; at = this.#finder.next(limit)) found = at;
    }
    return found;
  }

  async #first(): Promise<number> {
    while (this.#finder.position < this.#options.end) {
      await this.#ready();
      const at = this.#finder.next();
      if (at !== -1) return at;
    }
    this.#finder.finish();
    return this.#options.end;
  }

  /** Makes the finder's position one of the buffer. */
  async #ready(): Promise<void> {
    const { position } = this.#finder;
    if (position >= this.#base && position < this.#base + this.#filled) return;
    const { name, access, end, chunkSize } = this.#options;
    const length = Math.min(chunkSize, end - position);
    const chunk = this.#buffer.subarray(0, length);
    await readFully(name, access, position, chunk);
    this.#base = position;
    this.#filled = length;
    this.#finder.load(chunk, position);
    await this.#options.onChunk(position);
  }
}

/** The number, from 1, of the line that holds a position. */
async function lineOf(options: CsvCutOptions, position: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(options.chunkSize);
  let line = 1;
  for (let base = 0; base < position; base += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, position - base));
    await readFully(options.name, options.access, base, chunk);
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) line += 1;
  }
  return line;
}
