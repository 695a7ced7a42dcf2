import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { BatchctlError } from '../../errors.ts';
import type { PackLimits, SplitSpec } from '../../model/job.ts';
import { countParams, type Part, packEnd, paramsOf } from '../../model/part.ts';
import { requireWholeRecords } from '../../model/split/record-finder.ts';
import { cutPieces, type PieceOptions, type StorePiece, wholePiece } from './cut-pieces.ts';
import { cutRanges, type Windows } from './cut-ranges.ts';
import { finderOf, type RecordSplit } from './cut-rules.ts';
import { decompressed } from './decompress.ts';
import { ChecksumCheck, type SplitSource } from './split-source.ts';
import { type ColumnsCheck, type TableSplit, tableRows } from './table-rows.ts';

export interface SplitOptions {
  /** In order; parts refer to them by `index`. Empty for `range` and `grid`. */
  readonly inputs: readonly SplitSource[];
  readonly split: SplitSpec;
  readonly maxTasks: number;
  /** The number of the first part; default 0. */
  readonly first?: number;
  readonly storePiece: StorePiece;
  /** Count records even if the cuts don't need it (control totals); all bytes are then read. */
  readonly countRecords?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called repeatedly with the number of bytes of all inputs (decompressed) that are cut. */
  readonly onProgress?: (bytes: number) => void;
  /** Called with the columns of each table. */
  readonly onColumns?: ColumnsCheck;
  /** Called once an input is cut and was proven unchanged. */
  readonly onInput?: (facts: InputFacts) => void;
  /** Bytes of the largest read; default 1 MiB, and 8 MiB where each read is a request. */
  readonly chunkSize?: number;
  /** When and how CSV on S3 is cut by size without reading all of it; default from 64 MiB on. */
  readonly windows?: Windows;
  /** Where pieces over 8 MiB are collected before they are stored; default: the system's temporary directory. */
  readonly directory?: string;
  /** Bytes of a piece that are kept in memory; default 8 MiB. */
  readonly inMemory?: number;
}

export interface InputFacts {
  readonly index: number;
  readonly parts: number;
  /** Decompressed bytes, header and parts together; for `file`, bytes as stored. Null for a whole input. */
  readonly bytes: number | null;
  /** Without the header; null if not counted. */
  readonly records: number | null;
}

const CHUNK = 1024 * 1024;
/** As S3's guide to performance advises: 8 to 16 MiB a request. */
const REMOTE_CHUNK = 8 * 1024 * 1024;

/**
 * Smaller objects are read in a second or two, and then faults are found before the job is submitted. In quoted CSV, a
 * few records tell where they end.
 */
const WINDOWS: Windows = { from: 64 * 1024 * 1024, first: 16 * 1024, largest: 1024 * 1024 };

/** Bytes cut before timers and signals get a turn. */
const STRETCH = 32 * 1024 * 1024;

/**
 * Cuts all inputs into parts, numbered in order. Every byte belongs to one part or to a header. Throws `refused`
 * for more than `maxTasks` parts, `jobFile` for data that doesn't fit the split, `changed` for an input that was
 * modified meanwhile, `corrupt` for damaged compression. Does not close the sources.
 */
export async function* splitInputs(options: SplitOptions): AsyncGenerator<Part> {
  yield* new Splitter(options).parts();
}

class Splitter {
  readonly #options: SplitOptions;
  #n: number;
  #bytes = 0;
  #sinceTurn = 0;

  constructor(options: SplitOptions) {
    this.#options = options;
    this.#n = options.first ?? 0;
  }

  async *parts(): AsyncGenerator<Part> {
    const { split, inputs } = this.#options;
    if (split.by === 'range' || split.by === 'grid') {
      const total = countParams(split);
      if (total > this.#options.maxTasks) throw tooMany(this.#options.maxTasks, `it makes ${total}`);
      for (let n = 0; n < total; n += 1) yield { n, kind: 'params', params: paramsOf(split, n) };
      return;
    }
    if (split.by === 'file' && split.pack !== undefined) return yield* this.#packs(inputs, split.pack);
    this.#precheck(split);
    for (const source of inputs) {
      this.#options.signal?.throwIfAborted();
      if (split.by === 'file') yield* this.#whole(source);
      else if (split.by === 'list') yield* this.#list(source);
      else if (split.by === 'table') yield* this.#table(source, split);
      else if (source.random === null || source.compression !== null) yield* this.#pieces(source, split);
      else yield* this.#ranges(source, split);
    }
  }

  /** Finds errors that can be known before anything is stored. */
  #precheck(split: Exclude<SplitSpec, { by: 'range' | 'grid' }>): void {
    if (split.by === 'file') this.#checkNumber(this.#n + this.#options.inputs.length - 1);
    if (split.by === 'file' || split.by === 'list' || split.by === 'table') return;
    for (const { name, size, compression } of this.#options.inputs) {
      finderOf(split, name);
      if (split.by === 'records' && size !== null && compression === null)
        requireWholeRecords(name, size, split.length);
    }
  }

  async *#packs(sources: readonly SplitSource[], limits: PackLimits): AsyncGenerator<Part> {
    const sized = sources.map(({ name, size, random }) => {
      if (size !== null && random !== null) return { size };
      throw new BatchctlError('usage', `the input ${name} is a pipe, which can't be packed with files`, {
        hint: 'write it to a file first',
      });
    });
    for (let input = 0; input < sources.length; ) {
      const end = packEnd(sized, input, limits);
      this.#checkNumber(this.#n);
      yield { n: this.#n, kind: 'pack', input: sources[input]?.index ?? input, files: end - input };
      // No facts of each: there may be a million, and nothing was counted.
      for (const source of sources.slice(input, end)) await source.check();
      await this.#reached(this.#bytes + sized.slice(input, end).reduce((sum, { size }) => sum + size, 0));
      this.#n += 1;
      input = end;
    }
  }

  async *#whole(source: SplitSource): AsyncGenerator<Part> {
    let bytes: number | null = null;
    if (source.random === null) {
      const chunks = source.stream(this.#options.signal) as AsyncIterable<Buffer>;
      for await (const piece of this.#numberParts(wholePiece(chunks, this.#pieceOptions(source)))) {
        bytes = piece.size;
        yield piece;
      }
    } else {
      this.#checkNumber(this.#n);
      yield { n: this.#n, kind: 'whole', input: source.index };
      this.#n += 1;
    }
    await this.#finishInput(source, 1, bytes, null);
  }

  async *#list(source: SplitSource): AsyncGenerator<Part> {
    const first = this.#n;
    let bytes = 0;
    for await (const items of listItems(
      source.name,
      this.#countedChunks(source, (length) => (bytes += length)),
    )) {
      for (const item of items) {
        this.#checkNumber(this.#n);
        yield { n: this.#n, kind: 'item', input: source.index, item };
        this.#n += 1;
      }
    }
    await this.#finishInput(source, this.#n - first, bytes, this.#n - first);
  }

  async *#table(source: SplitSource, split: TableSplit): AsyncGenerator<Part> {
    const first = this.#n;
    let bytes = 0;
    const chunks = this.#countedChunks(source, (length) => (bytes += length));
    const { onColumns = () => {} } = this.#options;
    for await (const rows of tableRows(source.name, split, chunks, onColumns)) {
      for (const row of rows) {
        this.#checkNumber(this.#n);
        yield { n: this.#n, kind: 'row', input: source.index, ...row };
        this.#n += 1;
      }
    }
    await this.#finishInput(source, this.#n - first, bytes, this.#n - first);
  }

  async *#pieces(source: SplitSource, split: RecordSplit): AsyncGenerator<Part> {
    const first = this.#n;
    let bytes = 0;
    let records = 0;
    const chunks = this.#countedChunks(source, (length) => (bytes += length));
    let offset: number | null = null;
    for await (const part of this.#numberParts(cutPieces(split, chunks, this.#pieceOptions(source)))) {
      offset ??= part.header ?? 0;
      yield { ...part, ...(part.records === undefined ? { offset } : { first: records + 1 }) };
      offset += part.size - (part.header ?? 0);
      records += part.records ?? Number.NaN;
    }
    await this.#finishInput(source, this.#n - first, bytes, this.#records(split, records));
  }

  async *#ranges(source: SplitSource, split: RecordSplit): AsyncGenerator<Part> {
    const { random, size } = source;
    if (random === null || size === null) return;
    const before = this.#bytes;
    const first = this.#n;
    let records = 0;
    const { header, cuts, assumed } = await cutRanges({ source, random, size }, split, {
      chunkSize: this.#options.chunkSize ?? (random.remote ? REMOTE_CHUNK : CHUNK),
      counts: this.#counts(split),
      windows: this.#options.windows ?? WINDOWS,
      onChunk: (position) => this.#reached(before + position),
    });
    const head = { ...(header > 0 && { header: { offset: 0, length: header } }), ...(assumed === true && { assumed }) };
    let offset = header;
    for await (const batch of cuts) {
      for (const cut of batch) {
        this.#checkNumber(this.#n);
        const counted = cut.records === null ? {} : { records: cut.records, first: records + 1 };
        records += cut.records ?? Number.NaN;
        yield { n: this.#n, kind: 'range', input: source.index, offset, length: cut.end - offset, ...head, ...counted };
        offset = cut.end;
        this.#n += 1;
      }
      await this.#reached(before + offset);
    }
    await this.#reached(before + size);
    await this.#finishInput(source, this.#n - first, size, this.#records(split, records));
  }

  #counts(split: RecordSplit): boolean {
    return this.#options.countRecords === true || split.every !== undefined || split.by === 'records';
  }

  #records(split: RecordSplit, records: number): number | null {
    return this.#counts(split) ? records : null;
  }

  async #finishInput(source: SplitSource, parts: number, bytes: number | null, records: number | null): Promise<void> {
    await source.check();
    this.#options.onInput?.({ index: source.index, parts, bytes, records });
  }

  #pieceOptions(source: SplitSource): PieceOptions {
    const { split, storePiece, directory, inMemory } = this.#options;
    return {
      index: source.index,
      name: source.name,
      first: this.#n,
      storePiece,
      directory: directory ?? tmpdir(),
      inMemory,
      counts: split.by === 'records' || this.#options.countRecords === true,
      onPart: (n) => this.#checkNumber(n),
    };
  }

  async *#numberParts<P extends Part>(parts: AsyncIterable<P>): AsyncGenerator<P> {
    for await (const part of parts) {
      yield part;
      this.#n += 1;
    }
  }

  async *#countedChunks(source: SplitSource, add: (bytes: number) => void): AsyncGenerator<Buffer> {
    for await (const chunk of decompressed(checked(source), this.#options.signal)) {
      add(chunk.length);
      yield chunk;
      await this.#reached(this.#bytes + chunk.length);
    }
  }

  /** Reports progress, and lets signals be handled from time to time. */
  #reached(bytes: number): Promise<void> | undefined {
    if (bytes <= this.#bytes) return undefined;
    this.#sinceTurn += bytes - this.#bytes;
    this.#bytes = bytes;
    this.#options.onProgress?.(bytes);
    this.#options.signal?.throwIfAborted();
    if (this.#sinceTurn < STRETCH) return undefined;
    this.#sinceTurn = 0;
    return setImmediate();
  }

  /** Throws if a part may not have this number. */
  #checkNumber(n: number): void {
    const { maxTasks } = this.#options;
    if (n >= maxTasks) throw tooMany(maxTasks, `${n} so far, with more to come`);
  }
}

/** The source, whose bytes as stored are compared with their recorded checksum when all of them were read. */
function checked(source: SplitSource): SplitSource {
  const { name, checksum } = source;
  if (checksum === undefined || checksum === null) return source;
  const bytes = async function* (stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const check = new ChecksumCheck(name, checksum);
    for await (const chunk of stored) {
      check.add(chunk);
      yield chunk;
    }
    check.finish();
  };
  return { ...source, stream: (signal) => Readable.from(bytes(source.stream(signal)), { objectMode: false }) };
}

function tooMany(maxTasks: number, found: string): BatchctlError {
  return new BatchctlError('refused', `the split makes more than maxTasks (${maxTasks}) parts: ${found}`, {
    hint: 'use larger parts (split.size or split.every), or raise maxTasks in the job file',
  });
}

const NEWLINE = 10;

const RETURN = 13;

/** Maximum bytes of a list's line, which must fit into a task's arguments and environment. */
const ITEM_LIMIT = 256 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The non-empty lines of a list, one batch per chunk. CR LF also ends a line; a byte order mark is dropped. Throws
 * `jobFile`, with the line's number, for a line that is longer than 256 KiB or isn't UTF-8.
 */
export async function* listItems(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let rest: Buffer[] = [];
  let restLength = 0;
  let line = 1;
  const finished = (): string => {
    const item = itemOf(name, line, Buffer.concat(rest, restLength));
    line += 1;
    rest = [];
    restLength = 0;
    return item;
  };
  for await (const chunk of chunks) {
    const items: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      rest.push(chunk.subarray(from, at));
      restLength += at - from;
      from = at + 1;
      const item = finished();
      if (item !== '') items.push(item);
    }
    rest.push(chunk.subarray(from));
    restLength += chunk.length - from;
    // One more byte for a CR that is part of the line end.
    if (restLength > ITEM_LIMIT + 1) throw tooLong(name, line);
    yield items;
  }
  const item = finished();
  if (item !== '') yield [item];
}

function itemOf(name: string, line: number, bytes: Buffer): string {
  const end = bytes.at(-1) === RETURN ? bytes.length - 1 : bytes.length;
  const start = line === 1 && bytes.indexOf('\ufeff') === 0 ? 3 : 0;
  if (end - start > ITEM_LIMIT) throw tooLong(name, line);
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch (cause) {
    throw new BatchctlError('jobFile', `${name}, line ${line} is not UTF-8, which a list requires`, {
      cause,
      hint: 'convert it (`iconv -t utf-8`), or use by: lines, which accepts any bytes',
    });
  }
}

function tooLong(name: string, line: number): BatchctlError {
  return new BatchctlError(
    'jobFile',
    `${name}, line ${line} is longer than ${ITEM_LIMIT} bytes, the limit for lines of a list`,
    { hint: 'a list contains names; use by: lines or by: jsonl for data' },
  );
}
