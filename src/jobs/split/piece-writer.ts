import { createHash, type Hash, randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A piece larger than this is collected in a file. */
export const IN_MEMORY = 8 * 1024 * 1024;

/** A finished piece of a stream, to be stored: its bytes, or the file that holds them. */
export type PieceBody = { readonly bytes: Uint8Array } | { readonly path: string };

export interface FinishedPiece {
  readonly body: PieceBody;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
}

/** Collects the bytes of one piece after the other, in memory or, when large, in a file of `directory`. */
export class PieceWriter {
  readonly #directory: string;
  readonly #inMemory: number;
  #chunks: Uint8Array[] = [];
  #file: { readonly fd: number; readonly path: string } | null = null;
  #size = 0;
  #hash: Hash = createHash('sha256');

  constructor(directory: string, inMemory = IN_MEMORY) {
    this.#directory = directory;
    this.#inMemory = inMemory;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#hash.update(bytes);
    this.#size += bytes.length;
    this.#chunks.push(bytes);
    if (this.#file !== null || this.#size > this.#inMemory) this.#spill();
  }

  /** Ends the piece and begins the next one. The caller removes the file, if it is one. */
  finish(): FinishedPiece {
    const size = this.#size;
    const checksum = `sha256:${this.#hash.digest('hex')}`;
    const body = this.#file === null ? { bytes: Buffer.concat(this.#chunks) } : { path: this.#file.path };
    if (this.#file !== null) closeSync(this.#file.fd);
    this.#reset();
    return { body, size, checksum };
  }

  /** Forgets the piece that was begun. */
  discard(): void {
    if (this.#file !== null) {
      closeSync(this.#file.fd);
      rmSync(this.#file.path, { force: true });
    }
    this.#reset();
  }

  #reset(): void {
    this.#chunks = [];
    this.#file = null;
    this.#size = 0;
    this.#hash = createHash('sha256');
  }

  #spill(): void {
    if (this.#file === null) {
      const path = join(this.#directory, `batchctl-piece-${randomUUID()}`);
      this.#file = { fd: openSync(path, 'wx', 0o600), path };
    }
    for (const chunk of this.#chunks) {
      for (let from = 0; from < chunk.length; ) from += writeSync(this.#file.fd, chunk, from);
    }
    this.#chunks = [];
  }
}
