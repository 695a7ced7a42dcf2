import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { BatchctlError } from '../../errors.ts';
import type { Chunk } from './s3-chunks.ts';
import type { ChunkBody, ChunkSource } from './s3-source.ts';

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
