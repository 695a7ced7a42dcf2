import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { BatchctlError, hasCode } from '../../errors.ts';
import { readBuffer } from '../../lib/read-file.ts';

/** Checksums of a chunk's bytes. */
export interface Sums {
  readonly crc: number;
  /** Hex; null unless requested. */
  readonly md5: string | null;
}

/** The bytes of a chunk, which can be sent any number of times. */
export interface ChunkBody extends Sums {
  /** Hex, for the signature of a stream, of which the SDK computes none. Null for bytes in memory. */
  readonly sha256: string | null;
  /** In memory, or a new stream at each call. It fails if the file has become shorter. */
  body(): Buffer | Readable;
  /** The bytes have arrived: memory that held them is reused for the next chunk. */
  done(): void;
}

/** The source of an upload: a file, or a stream that can be read once. */
export interface ChunkSource {
  /** Bytes. */
  readonly size: number;
  chunk(chunk: Chunk, withMd5: boolean): Promise<ChunkBody>;
  whole(): Promise<Buffer>;
  requireUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of a file that are read at once. Each chunk in flight needs two buffers of them; smaller ones cost more CPU. */
const PIECE_BYTES = 512 * 1024;

/** A file being uploaded, opened once so that every chunk comes from the same file even if its path is replaced. */
export class FileSource implements ChunkSource {
  readonly size: number;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #modified: number;
  /** Buffers of a piece each, to reuse: allocating them for each chunk would use far more memory than is held at once. */
  readonly #spare: Buffer[] = [];

  private constructor(path: string, file: FileHandle, size: number, modified: number) {
    this.#path = path;
    this.#file = file;
    this.size = size;
    this.#modified = modified;
  }

  /** Throws `notFound` when the file doesn't exist. */
  static async open(path: string): Promise<FileSource> {
    try {
      const file = await open(path);
      const { size, mtimeMs } = await file.stat();
      return new FileSource(path, file, size, mtimeMs);
    } catch (cause) {
      if (!hasCode(cause, 'ENOENT')) throw cause;
      throw new BatchctlError('notFound', `Expected a file ${path} to upload, found none`, { cause });
    }
  }

  async whole(): Promise<Buffer> {
    return this.#read(0, Buffer.allocUnsafe(this.size));
  }

  /** A chunk is never held in memory: it is read once for its checksums, and again each time that it is sent. */
  async chunk({ offset, length }: Chunk, withMd5: boolean): Promise<ChunkBody> {
    const sha256 = createHash('sha256');
    const md5 = withMd5 ? createHash('md5') : null;
    let crc = 0;
    const memory = this.#memory();
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const piece = await this.#read(offset + done, memory.subarray(0, length - done));
      crc = crc32(piece, crc);
      sha256.update(piece);
      md5?.update(piece);
    }
    this.#spare.push(memory);
    let used: readonly Buffer[] = [];
    const body = (): Readable => {
      // Not those of a try before: a failed request may still hold them.
      const buffers = [this.#memory(), this.#memory()] as const;
      used = buffers;
      return this.#stream({ offset, length }, buffers);
    };
    const done = (): void => void this.#spare.push(...used);
    return { crc, sha256: sha256.digest('hex'), md5: md5?.digest('hex') ?? null, body, done };
  }

  /** Throws `changed` when the file was written to since it was opened. */
  async requireUnchanged(): Promise<void> {
    const { size, mtimeMs } = await this.#file.stat();
    if (size === this.size && mtimeMs === this.#modified) return;
    throw this.#changedError();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /**
   * A stretch of the file as a stream for `pipe`, which takes the next piece only after the last one was sent. So one
   * buffer is filled while the other is sent.
   */
  #stream({ offset, length }: Omit<Chunk, 'number'>, buffers: readonly [Buffer, Buffer]): Readable {
    let [memory, other] = buffers;
    let done = 0;
    const stream = new Readable({
      // Less than a piece: no second one is read ahead.
      highWaterMark: 1,
      read: () => {
        this.#read(offset + done, memory.subarray(0, length - done)).then(
          (piece) => {
            [memory, other] = [other, memory];
            done += piece.length;
            stream.push(piece);
            if (done === length) stream.push(null);
          },
          (error: Error) => stream.destroy(error),
        );
      },
    });
    return stream;
  }

  #memory(): Buffer {
    return this.#spare.pop() ?? readBuffer(PIECE_BYTES);
  }

  /** Fills a buffer with the file's bytes from `offset`. */
  async #read(offset: number, into: Buffer): Promise<Buffer> {
    for (let done = 0; done < into.length; ) {
      const { bytesRead } = await this.#file.read(into, done, into.length - done, offset + done);
      if (bytesRead === 0) throw this.#changedError();
      done += bytesRead;
    }
    return into;
  }

  #changedError(): BatchctlError {
    return new BatchctlError('changed', `${this.#path} changed while it was being uploaded`, {
      hint: 'upload it again once it is complete',
    });
  }
}

/**
 * A stream that can be read once: each chunk is held in memory until it is sent. Chunks are requested roughly in order;
 * an early one waits for those before it. The same bytes make the same chunks, so an interrupted upload can be resumed,
 * though all bytes are read again.
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

  /** Throws the stream's error, and `changed` when it ends too early. */
  async chunk({ offset, length }: Chunk, withMd5: boolean): Promise<ChunkBody> {
    while (this.#position !== offset) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const bytes = await this.#take(length);
      const md5 = withMd5 ? createHash('md5').update(bytes).digest('hex') : null;
      return { crc: crc32(bytes), sha256: null, md5, body: () => bytes, done: () => undefined };
    } finally {
      // After an error too, so that waiting chunks meet it.
      this.#position = offset + length;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  whole(): Promise<Buffer> {
    return this.#take(this.size);
  }

  /** Throws `changed` when there are more bytes than announced. */
  async requireUnchanged(): Promise<void> {
    if (this.#left.length === 0 && (await this.#next()) === null) return;
    throw this.#wrongSizeError('more');
  }

  async close(): Promise<void> {
    await this.#pieces.return?.(undefined);
  }

  async #take(length: number): Promise<Buffer> {
    const into = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      if (this.#left.length === 0) {
        const next = await this.#next();
        if (next === null) throw this.#wrongSizeError('fewer');
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

  #wrongSizeError(what: string): BatchctlError {
    return new BatchctlError('changed', `Expected ${this.size} bytes to upload, found ${what}`, {
      hint: 'the file was written to during the upload; run the same command again',
    });
  }
}

const MIB = 1024 * 1024;

/** How files are cut into chunks, in bytes. */
export interface ChunkRules {
  /** Smaller files go in one put. S3 accepts 5 GB in one, but a put can't be resumed. */
  readonly from: number;
  /** S3 accepts no part below 5 MiB except the last (userguide/qfacts). */
  readonly smallest: number;
}

export const CHUNK_RULES: ChunkRules = { from: 16 * MIB, smallest: 8 * MIB };

/** S3 allows 10,000 parts (userguide/qfacts): this leaves room for the mark and for rounding. */
const MOST_CHUNKS = 9_000;
/** 48.8 TiB, the most that S3 accepts (userguide/qfacts). */
const LARGEST = 10_000 * 5 * 1024 * MIB;
const LARGEST_CHUNK = 5 * 1024 * MIB;
/** The part number of an upload's mark: no chunk has it. */
export const MARK_NUMBER = 10_000;

/** One slice of a file. Part numbers begin at 1. */
export interface Chunk {
  readonly number: number;
  readonly offset: number;
  readonly length: number;
}

/** Length of each chunk but the last: a function of the file's size alone, so that a later try cuts the same chunks. */
export function chunkLength(size: number, { smallest }: ChunkRules = CHUNK_RULES): number {
  return Math.min(LARGEST_CHUNK, Math.max(smallest, Math.ceil(size / MOST_CHUNKS / MIB) * MIB));
}

/** True if no multipart upload can hold it. */
export const isTooLarge = (size: number): boolean => size > LARGEST;

/** The slices of a file, in order. */
export function* chunksOf(size: number, rules: ChunkRules): Generator<Chunk> {
  const length = chunkLength(size, rules);
  for (let offset = 0, number = 1; offset < size; offset += length, number += 1) {
    yield { number, offset, length: Math.min(length, size - offset) };
  }
}
