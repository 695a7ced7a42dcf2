import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { BatchctlError, hasCode } from '../../errors.ts';

/** What a chunk's bytes come to. */
export interface Sums {
  readonly crc: number;
  /** Hex; null where it was not asked for. */
  readonly md5: string | null;
}

/** The bytes of a chunk that may be sent any number of times. */
interface ChunkBody extends Sums {
  /** Held in memory, or a fresh stream at each call. */
  body(): Buffer | NodeJS.ReadableStream;
  /** Nothing asks for the bytes any more: their memory holds the next chunk. */
  done(): void;
}

/** What an upload is made of: a file, or bytes that come once. */
export interface ChunkSource {
  /** Bytes. */
  readonly size: number;
  chunk(chunk: Chunk, held: number, withMd5: boolean): Promise<ChunkBody>;
  whole(): Promise<Buffer>;
  requireUnchanged(): Promise<void>;
  close(): Promise<void>;
}

const PIECE = 1024 * 1024;

/** A file that is being uploaded: opened once, so that every chunk is of the same file, and none of another in its place. */
export class UploadSource implements ChunkSource {
  readonly size: number;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #modified: number;
  /** Memory of chunks that were sent: new memory for each would grow far beyond what is held at once. */
  readonly #spare: Buffer[] = [];

  private constructor(path: string, file: FileHandle, size: number, modified: number) {
    this.#path = path;
    this.#file = file;
    this.size = size;
    this.#modified = modified;
  }

  /** Throws `notFound` when there is no such file. */
  static async open(path: string): Promise<UploadSource> {
    try {
      const file = await open(path);
      const { size, mtimeMs } = await file.stat();
      return new UploadSource(path, file, size, mtimeMs);
    } catch (cause) {
      if (!hasCode(cause, 'ENOENT')) throw cause;
      throw new BatchctlError('notFound', `Expected a file ${path} to upload, found none`, { cause });
    }
  }

  async whole(): Promise<Buffer> {
    return this.#read({ number: 1, offset: 0, length: this.size });
  }

  /** A chunk with its sums; one of more bytes than may be `held` is read once for these, and again when it is sent. */
  async chunk(chunk: Chunk, held: number, withMd5: boolean): Promise<ChunkBody> {
    if (chunk.length <= held) {
      const memory = this.#spare.pop() ?? Buffer.allocUnsafeSlow(chunk.length);
      // Only the last chunk is shorter than the others.
      const bytes = memory.length < chunk.length ? await this.#read(chunk) : await this.#read(chunk, memory);
      const md5 = withMd5 ? createHash('md5').update(bytes).digest('hex') : null;
      return { crc: crc32(bytes), md5, body: () => bytes, done: () => void this.#spare.push(memory) };
    }
    const hash = withMd5 ? createHash('md5') : null;
    let crc = 0;
    for (let done = 0; done < chunk.length; ) {
      const piece = await this.#read({
        ...chunk,
        offset: chunk.offset + done,
        length: Math.min(PIECE, chunk.length - done),
      });
      crc = crc32(piece, crc);
      hash?.update(piece);
      done += piece.length;
    }
    const { offset, length } = chunk;
    const range = { start: offset, end: offset + length - 1, highWaterMark: PIECE, autoClose: false };
    const body = () => this.#file.createReadStream(range);
    return { crc, md5: hash?.digest('hex') ?? null, body, done: () => undefined };
  }

  /** Throws `changed` when the file was written to since it was opened. */
  async requireUnchanged(): Promise<void> {
    const { size, mtimeMs } = await this.#file.stat();
    if (size === this.size && mtimeMs === this.#modified) return;
    throw this.#changed();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #read({ offset, length }: Chunk, memory: Buffer = Buffer.allocUnsafe(length)): Promise<Buffer> {
    const into = memory.subarray(0, length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#file.read(into, done, length - done, offset + done);
      if (bytesRead === 0) throw this.#changed();
      done += bytesRead;
    }
    return into;
  }

  #changed(): BatchctlError {
    return new BatchctlError('changed', `Expected ${this.#path} to stay unchanged, but it was written to meanwhile`, {
      hint: 'upload it again once it is complete',
    });
  }
}

/**
 * Bytes that come once, in their order: each chunk is held in memory until it is sent. Chunks are asked for about in
 * their order; one that is early waits for those before it. The same bytes again make the same chunks, so an upload
 * that was broken off is taken up, though all of them are read anew.
 */
export class StreamSource implements ChunkSource {
  readonly size: number;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array();
  #position = 0;
  #waiting: (() => void)[] = [];

  constructor(size: number, pieces: AsyncIterable<Uint8Array>) {
    this.size = size;
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Throws what the stream does, and `changed` when it ends too early. */
  async chunk({ offset, length }: Chunk, _held: number, withMd5: boolean): Promise<ChunkBody> {
    while (this.#position !== offset) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const bytes = await this.#take(length);
      const md5 = withMd5 ? createHash('md5').update(bytes).digest('hex') : null;
      return { crc: crc32(bytes), md5, body: () => bytes, done: () => undefined };
    } finally {
      // Also after an error: who waits then meets it too.
      this.#position = offset + length;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** All of it, for one request. */
  whole(): Promise<Buffer> {
    return this.#take(this.size);
  }

  /** Throws `changed` when there is more than was said. */
  async requireUnchanged(): Promise<void> {
    if (this.#left.length === 0 && (await this.#next()) === null) return;
    throw this.#other('more');
  }

  /** Ends the stream, wherever it is. */
  async close(): Promise<void> {
    await this.#pieces.return?.(undefined);
  }

  async #take(length: number): Promise<Buffer> {
    const into = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      if (this.#left.length === 0) {
        const next = await this.#next();
        if (next === null) throw this.#other('fewer');
        this.#left = next;
      }
      const taken = this.#left.subarray(0, length - done);
      into.set(taken, done);
      done += taken.length;
      this.#left = this.#left.subarray(taken.length);
    }
    return into;
  }

  /** The next bytes, at least one; null at the end. */
  async #next(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await this.#pieces.next();
      if (done) return null;
      if (value.length > 0) return value;
    }
  }

  #other(what: string): BatchctlError {
    return new BatchctlError('changed', `Expected ${this.size} bytes to upload, found ${what}`, {
      hint: 'the file was written to during the upload; run the same command again',
    });
  }
}

const MIB = 1024 * 1024;

/** How files become chunks, in bytes. */
export interface ChunkRules {
  /** What is smaller goes in one put; S3 takes 5 GB so, but one put can't be resumed. */
  readonly from: number;
  /** S3 takes no chunk below 5 MiB but the last (userguide/qfacts). */
  readonly smallest: number;
  /** Chunks that are larger than this are streamed from the file and never held in memory. */
  readonly held: number;
}

export const CHUNK_RULES: ChunkRules = { from: 16 * MIB, smallest: 8 * MIB, held: 16 * MIB };

/** Of the 10,000 that S3 allows (userguide/qfacts): room for the mark, and for rounding. */
const MOST_CHUNKS = 9_000;
/** 48.8 TiB, what S3 takes at most (userguide/qfacts). */
const LARGEST = 10_000 * 5 * 1024 * MIB;
const LARGEST_CHUNK = 5 * 1024 * MIB;
/** The part's number that holds an upload's mark: no chunk has it. */
export const MARK_NUMBER = 10_000;

/** One slice of a file. Part numbers begin at 1. */
export interface Chunk {
  readonly number: number;
  readonly offset: number;
  readonly length: number;
}

/** Bytes of each chunk but the last: a function of the file's size alone, so that a later try cuts the same. */
export function chunkLength(size: number, { smallest }: ChunkRules = CHUNK_RULES): number {
  return Math.min(LARGEST_CHUNK, Math.max(smallest, Math.ceil(size / MOST_CHUNKS / MIB) * MIB));
}

/** True for what no multipart upload can hold. */
export const isTooLarge = (size: number): boolean => size > LARGEST;

/** The slices of a file, in order. */
export function* chunksOf(size: number, rules: ChunkRules): Generator<Chunk> {
  const length = chunkLength(size, rules);
  for (let offset = 0, number = 1; offset < size; offset += length, number += 1) {
    yield { number, offset, length: Math.min(length, size - offset) };
  }
}
