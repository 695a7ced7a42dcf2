import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { BatchctlError, hasCode } from '../../errors.ts';
import type { Chunk } from './s3-chunks.ts';

/** What a chunk's bytes come to. */
export interface Sums {
  readonly crc: number;
  /** Hex; null where it was not asked for. */
  readonly md5: string | null;
}

/** The bytes of a chunk that may be sent any number of times. */
export interface ChunkBody extends Sums {
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
