import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { createFsStore, type FsStore } from '../../../src/adapters/local/fs-store.ts';
import type { ErrorKind } from '../../../src/errors.ts';
import { openFileSource, openPipeSource } from '../../../src/jobs/split/file-source.ts';
import { type InputFacts, type SplitOptions, splitInputs } from '../../../src/jobs/split/split-inputs.ts';
import type { SplitSource } from '../../../src/jobs/split/split-source.ts';
import { openStoreSource } from '../../../src/jobs/split/store-source.ts';
import type { SplitSpec } from '../../../src/model/job.ts';
import type { Part } from '../../../src/model/part.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

export type Origin = 'file' | 'store' | 'pipe' | 'gzip' | 'zstd';

/** A part as its task sees it. */
export interface SeenPart {
  readonly header: string;
  /** Latin-1, so that any bytes can be compared. */
  readonly body: string;
  readonly records: number | undefined;
}

/** A directory and a store, with the given bytes as an input from any kind of source. */
export class SplitBench extends Scratch {
  readonly pieces = new Map<string, Buffer>();
  #store: FsStore | null = null;

  async store(): Promise<FsStore> {
    this.#store ??= await createFsStore({ root: this.path('store'), durability: 'process' });
    return this.#store;
  }

  file(name: string, bytes: Uint8Array | string): string {
    writeFileSync(this.path(name), bytes);
    return this.path(name);
  }

  async source(origin: Origin, bytes: Uint8Array, index = 0): Promise<SplitSource> {
    if (origin === 'store') {
      const store = await this.store();
      await store.put(`data/in-${index}`, bytes);
      return openStoreSource(index, store, `data/in-${index}`);
    }
    if (origin === 'pipe') return openPipeSource(index, Readable.from(smallChunks(bytes)));
    const stored = origin === 'gzip' ? twoMembers(bytes) : origin === 'zstd' ? rawZstd(bytes) : bytes;
    return openFileSource(index, this.file(`in-${index}`, stored));
  }

  /** Splits, and closes the sources. */
  async split(inputs: readonly SplitSource[], split: SplitSpec, options: Partial<SplitOptions> = {}): Promise<Split> {
    const parts: Part[] = [];
    const facts: InputFacts[] = [];
    this.pieces.clear();
    const storePiece: SplitOptions['storePiece'] = async ({ n, size, checksum, body }) => {
      const bytes = 'bytes' in body ? Buffer.from(body.bytes) : readFileSync(body.path);
      const real = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      if (real !== checksum || bytes.length !== size) throw new Error(`piece ${n} does not match its checksum`);
      this.pieces.set(`piece-${n}`, bytes);
      return { key: `piece-${n}`, size, checksum };
    };
    const defaults = { maxTasks: 1_000_000, directory: this.directory, storePiece };
    const onInput = (fact: InputFacts) => void facts.push(fact);
    try {
      for await (const part of splitInputs({ inputs, split, ...defaults, onInput, ...options })) parts.push(part);
    } finally {
      for (const source of inputs) await source.close();
    }
    return { parts, facts };
  }

  /** The input of the part's task, if the job's input has those bytes. */
  see(part: Part, bytes: Uint8Array): SeenPart {
    const text = (start: number, length: number, of: Uint8Array): string =>
      Buffer.from(of.subarray(start, start + length)).toString('latin1');
    if (part.kind === 'range') {
      const { header, offset, length, records } = part;
      const headerText = header === undefined ? '' : text(header.offset, header.length, bytes);
      return { header: headerText, body: text(offset, length, bytes), records };
    }
    if (part.kind !== 'piece') throw new Error(`a ${part.kind} part has no bytes here`);
    const piece = this.pieces.get(part.key) ?? Buffer.alloc(0);
    const header = part.header ?? 0;
    return { header: text(0, header, piece), body: text(header, piece.length, piece), records: part.records };
  }
}

interface Split {
  readonly parts: readonly Part[];
  readonly facts: readonly InputFacts[];
}

/** Fails unless the promise is rejected with an error of that kind, whose message contains the texts. */
export async function expectError(
  promise: Promise<unknown>,
  kind: ErrorKind,
  ...texts: readonly string[]
): Promise<void> {
  const { message, hint } = await failsWith(kind, promise);
  for (const text of texts) expect(message).to.contain(text);
  expect(hint, 'the hint').to.be.a('string');
}

/** Chunks of 1, 2, 3 ... bytes, so that chunks end at every position. */
function* smallChunks(bytes: Uint8Array): Generator<Buffer> {
  let size = 1;
  for (let from = 0; from < bytes.length; from += size, size = (size % 7) + 1) {
    yield Buffer.from(bytes.subarray(from, from + size));
  }
}

function twoMembers(bytes: Uint8Array): Buffer {
  const half = bytes.length >> 1;
  return Buffer.concat([gzipSync(bytes.subarray(0, half)), gzipSync(bytes.subarray(half))]);
}

/** Zstandard frames of raw blocks (RFC 8878, section 3.1), a few bytes each. */
export function rawZstd(bytes: Uint8Array): Buffer {
  const frames: Buffer[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += 40) {
    const frame = bytes.subarray(from, from + 40);
    // Magic number; single segment with a content size of one byte; that size.
    frames.push(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, frame.length]));
    for (let at = 0; at === 0 || at < frame.length; at += 16) {
      const block = frame.subarray(at, at + 16);
      const last = at + 16 >= frame.length ? 1 : 0;
      const head = (block.length << 3) | last;
      frames.push(Buffer.from([head & 255, head >> 8, head >> 16]), Buffer.from(block));
    }
  }
  return Buffer.concat(frames);
}
