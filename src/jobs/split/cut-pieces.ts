import { rmSync } from 'node:fs';
import type { PiecePart } from '../../model/part.ts';
import type { RecordSplit } from './cut-rules.ts';
import { HeldBytes } from './held-bytes.ts';
import { type FinishedPiece, type PieceBody, PieceWriter } from './piece-writer.ts';
import { walkRecords } from './walk-records.ts';

/** Pieces being stored at a time: the next ones are cut meanwhile. */
const IN_FLIGHT = 3;

/** What is to be stored. A `path` may be moved into the store; if it still exists afterwards, it is deleted. */
export interface Piece {
  /** The part's number, which names the piece. */
  readonly n: number;
  readonly size: number;
  /** `sha256:<hex>` */
  readonly checksum: string;
  readonly body: PieceBody;
}

export interface StoredPiece {
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
  /** Where large pieces are collected. */
  readonly directory: string;
  readonly inMemory?: number | undefined;
  readonly counts: boolean;
  /** Called before each piece with its number; throws when it is one too many. */
  readonly onPart: (n: number) => void;
}

/** Cuts a stream into stored pieces, with as much in memory as one record and a few small pieces. */
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

  // The header stands before the first byte of each piece.
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

/** Stores a whole stream as one piece: `by: file` of a pipe. */
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

/** Pieces on their way to the store, answered in their order. */
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
    // Whoever takes the part is told; until then it is no unhandled rejection.
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
