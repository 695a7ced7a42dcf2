import { createHash, type Hash, randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { PiecePart } from '../../model/part.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type RecordSplit, walkRecords } from './cut-rules.ts';

/** Bytes of a stream that belong to no part yet: pushed at the end, taken from the front. */
class HeldBytes {
  #chunks: Buffer[] = [];
  /** Offset of the first held byte in the whole stream. */
  #offset = 0;

  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /** Takes all bytes before `end` and passes them on without copying. */
  takeUntil(end: number, use: (bytes: Buffer) => void): void {
    let whole = 0;
    for (const chunk of this.#chunks) {
      const wanted = end - this.#offset;
      if (wanted <= 0) break;
      if (wanted < chunk.length) {
        use(chunk.subarray(0, wanted));
        this.#chunks[whole] = chunk.subarray(wanted);
        this.#offset = end;
        break;
      }
      use(chunk);
      this.#offset += chunk.length;
      whole += 1;
    }
    this.#chunks.splice(0, whole);
  }
}

/** A larger piece is collected in a file. */
const IN_MEMORY = 8 * 1024 * 1024;

/** A finished piece of a stream, to be stored: its bytes, or the file that holds them. */
type PieceBody = { readonly bytes: Uint8Array } | { readonly path: string };

interface FinishedPiece {
  readonly body: PieceBody;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
}

/** Collects the bytes of one piece after another, in memory or, for large pieces, in a file in `directory`. */
class PieceWriter {
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

  /** Ends the piece and begins the next one. If the piece is a file, the caller removes it. */
  finish(): FinishedPiece {
    const size = this.#size;
    const checksum = `sha256:${this.#hash.digest('hex')}`;
    const body = this.#file === null ? { bytes: Buffer.concat(this.#chunks) } : { path: this.#file.path };
    if (this.#file !== null) closeSync(this.#file.fd);
    this.#reset();
    return { body, size, checksum };
  }

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

/** Pieces stored at a time, while the next ones are cut. */
const IN_FLIGHT = 3;

/** A piece to store. A file at `path` may be moved into the store; if it still exists afterwards, it is deleted. */
interface Piece {
  /** The part's number, which is also the piece's name. */
  readonly n: number;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
  readonly body: PieceBody;
}

interface StoredPiece {
  readonly key: string;
  readonly size: number;
  readonly checksum: string;
}

export type StorePiece = (piece: Piece) => Promise<StoredPiece>;

export interface PieceOptions {
  readonly index: number;
  readonly name: string;
  /** The number of the first piece. */
  readonly first: number;
  readonly storePiece: StorePiece;
  readonly directory: string;
  readonly inMemory?: number | undefined;
  readonly counts: boolean;
  /** Called with each piece's number before it is cut; throws when there are too many. */
  readonly onPart: (n: number) => void;
}

/** Cuts a stream into stored pieces. Memory holds one record and a few small pieces. */
export async function* cutPieces(
  split: RecordSplit,
  chunks: AsyncIterable<Buffer>,
  options: PieceOptions,
): AsyncGenerator<PiecePart> {
  const held = new HeldBytes();
  const queue = new StoreQueue(options);
  const { writer } = queue;
  const headerBytes: Buffer[] = [];
  let header: number | null = null;

  // Each piece begins with the header.
  const append = (bytes: Buffer): void => {
    if (writer.size === 0) for (const part of headerBytes) writer.append(part);
    writer.append(bytes);
  };
  try {
    for await (const step of walkRecords(options.name, split, chunks, options.counts)) {
      held.push(step.chunk);
      if (header === null && step.header !== null) {
        header = step.header;
        held.takeUntil(header, (bytes) => headerBytes.push(Buffer.from(bytes)));
      }
      for (const { end, records } of step.cuts) {
        held.takeUntil(end, append);
        if (queue.full) yield await queue.next();
        queue.store(header ?? 0, records);
      }
      if (header !== null) held.takeUntil(step.safe, append);
    }
    while (queue.length > 0) yield await queue.next();
  } finally {
    await queue.close();
  }
}

/** Stores a whole stream as one piece: `by: file` for a pipe. */
export async function* wholePiece(chunks: AsyncIterable<Buffer>, options: PieceOptions): AsyncGenerator<PiecePart> {
  const queue = new StoreQueue(options);
  try {
    for await (const chunk of chunks) {
      queue.writer.append(chunk);
    }
    queue.store(0, null);
    yield await queue.next();
  } finally {
    await queue.close();
  }
}

/** Pieces being stored, returned in order. */
class StoreQueue {
  readonly writer: PieceWriter;
  readonly #options: PieceOptions;
  #waiting: Promise<PiecePart>[] = [];
  #n: number;

  constructor(options: PieceOptions) {
    this.#options = options;
    this.writer = new PieceWriter(options.directory, options.inMemory);
    this.#n = options.first;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get full(): boolean {
    return this.#waiting.length >= IN_FLIGHT;
  }

  store(header: number, records: number | null): void {
    this.#options.onPart(this.#n);
    const stored = this.#put(this.#n, this.writer.finish(), header, records);
    // The consumer of this part receives the error; this only avoids an unhandled rejection until then.
    stored.catch(() => {});
    this.#waiting.push(stored);
    this.#n += 1;
  }

  next(): Promise<PiecePart> {
    const first = this.#waiting.shift();
    if (first === undefined) throw new RangeError('no piece is being stored');
    return first;
  }

  async close(): Promise<void> {
    this.writer.discard();
    await Promise.allSettled(this.#waiting);
  }

  async #put(n: number, piece: FinishedPiece, header: number, records: number | null): Promise<PiecePart> {
    try {
      const { key, size, checksum } = await this.#options.storePiece({ n, ...piece });
      return {
        kind: 'piece',
        n,
        input: this.#options.index,
        key,
        size,
        checksum,
        ...(header > 0 && { header }),
        ...(records !== null && { records }),
      };
    } finally {
      if ('path' in piece.body) rmSync(piece.body.path, { force: true });
    }
  }
}

/** Stores pieces at new keys: no piece can exist already. Moves a large piece's file into the store if possible. */
export function storePieces(store: Pick<ObjectStore, 'put' | 'uploadFile'>, keyOf: (n: number) => string): StorePiece {
  return async ({ n, size, checksum, body }) => {
    const key = keyOf(n);
    if ('bytes' in body) await store.put(key, body.bytes);
    else await store.uploadFile(body.path, key, { consume: true });
    return { key, size, checksum };
  };
}
