import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { BatchctlError, hasCode } from '../../errors.ts';

export type Compression = 'gzip' | 'zstd' | null;

/** An input as it is stored. */
export interface StoredBytes {
  readonly name: string;
  /** Detected from the first bytes, never from the name. */
  readonly compression: Compression;
  /** All bytes as stored, from the first. A pipe can be read once. */
  stream(signal?: AbortSignal): Readable;
}

/**
 * An input's decompressed bytes: all members of gzip, all frames of Zstandard, or the bytes as they are. Throws
 * `corrupt` with the position for what `gzip -t` or `zstd -t` rejects, after everything before it was read.
 */
export async function* decompressed(source: StoredBytes, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const stored = source.stream(signal);
  try {
    if (source.compression === 'gzip') yield* gunzip(source.name, stored);
    else if (source.compression === 'zstd') yield* unzstd(source.name, stored);
    else yield* stored as AsyncIterable<Buffer>;
  } finally {
    stored.destroy();
  }
}

async function* gunzip(name: string, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const through = createGunzip({ chunkSize: 256 * 1024 });
  let read = 0;
  /** The end of the last byte that isn't zero. */
  let data = 0;
  // zlib treats a zero after a member as the end and drops the rest. So zeros wait here until more is read: if zlib
  // then stops before `data`, they were not padding.
  async function* withZerosLast(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      const waiting = read - data;
      const length = chunk.findLastIndex((byte) => byte !== 0) + 1;
      if (length > 0) data = read + length;
      read += chunk.length;
      if (length === 0) continue;
      yield* zeros(waiting);
      yield chunk.subarray(0, length);
    }
    yield* zeros(read - data);
  }
  // Errors, including the source's, reach the reader through `through`.
  pipeline(stored, withZerosLast, through, () => {});
  try {
    yield* through as AsyncIterable<Buffer>;
  } catch (error) {
    if (!(error instanceof Error) || !hasCode(error, 'Z_DATA_ERROR', 'Z_BUF_ERROR')) throw error;
    const where = `detected between byte ${through.bytesWritten} and byte ${read}`;
    const what = hasCode(error, 'Z_BUF_ERROR')
      ? `it ends at byte ${read}, within a member`
      : // The first member's header was already recognised.
        `${error.message === 'incorrect header check' ? 'what follows a member is not gzip' : error.message}, ${where}`;
    throw damaged(name, 'gzip', what, error);
  } finally {
    through.destroy();
  }
  if (through.bytesWritten >= data) return;
  throw damaged(name, 'gzip', `the zeros from byte ${through.bytesWritten} on are followed by other data`);
}

function* zeros(count: number): Generator<Buffer> {
  const size = 64 * 1024;
  for (let left = count; left > 0; left -= size) yield Buffer.alloc(Math.min(left, size));
}

async function* unzstd(name: string, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new FrameReader(name, await zstdLibrary());
  try {
    for await (const chunk of stored) {
      for (let from = 0; from < chunk.length; from += BLOCK) yield* reader.read(chunk.subarray(from, from + BLOCK));
    }
    reader.finish();
  } finally {
    reader.free();
  }
}

/** Bytes of the largest decompressed block (RFC 8878, section 3.1.1.2.4). */
const BLOCK = 128 * 1024;
/** Bytes read first of a frame: the magic number and one more. */
const FRAME_START = 5;

/** Decodes frames with the C library's streaming decoder, at most one block per call, so that output always fits. */
class FrameReader {
  readonly #name: string;
  readonly #zstd: ZstdLibrary;
  readonly #context: number;
  /** Address in the library of ZSTD_outBuffer and ZSTD_inBuffer (pointer, size, position each), then their data. */
  readonly #buffers: number;
  /** Bytes read so far. */
  #position = 0;
  #frame = 0;
  /** The first two bytes of the frame. */
  #first: number[] = [];
  /** Bytes that the library wants next; 0 between frames. */
  #wanted = 0;

  constructor(name: string, zstd: ZstdLibrary) {
    this.#name = name;
    this.#zstd = zstd;
    this.#context = zstd.ZSTD_createDCtx();
    this.#buffers = zstd.malloc(HEAD + 2 * BLOCK);
  }

  free(): void {
    this.#zstd.ZSTD_freeDCtx(this.#context);
    this.#zstd.free(this.#buffers);
  }

  /** Throws `corrupt` if a frame is incomplete. */
  finish(): void {
    if (this.#wanted === 0) return;
    throw damaged(
      this.#name,
      'zstd',
      `it ends at byte ${this.#position}, within the frame from byte ${this.#frame} on`,
    );
  }

  /** Takes up to BLOCK bytes. */
  *read(chunk: Buffer): Generator<Buffer> {
    const out = this.#buffers + HEAD;
    const input = out + BLOCK;
    new Uint8Array(this.#zstd.memory.buffer, input, chunk.length).set(chunk);
    for (let used = 0; used < chunk.length; ) {
      if (this.#wanted === 0) [this.#frame, this.#first] = [this.#position, []];
      if (this.#first.length < 2) this.#first.push(...chunk.subarray(used, used + 2));
      const size = Math.min(chunk.length - used, this.#wanted || FRAME_START);
      this.#head().set([out, BLOCK, 0, input + used, size, 0]);
      this.#wanted = this.#checked(
        this.#zstd.ZSTD_decompressStream(this.#context, this.#buffers, this.#buffers + HEAD / 2),
      );
      const [, , written = 0, , , taken = 0] = this.#head();
      used += taken;
      this.#position += taken;
      // Copy it: the library will overwrite this memory.
      if (written > 0) yield Buffer.from(new Uint8Array(this.#zstd.memory.buffer, out, written));
    }
  }

  /** The two structs. Create the view each time, because growing replaces the memory's buffer. */
  #head(): Uint32Array {
    return new Uint32Array(this.#zstd.memory.buffer, this.#buffers, HEAD / 4);
  }

  /** Returns the library's result, or throws if it is an error (zstd_errors.h). */
  #checked(answer: number): number {
    const code = -answer;
    if (code <= 0 || code >= 120) return answer >>> 0;
    if (code === 10) {
      const isGzip = this.#first[0] === 0x1f && this.#first[1] === 0x8b;
      const what = isGzip ? 'a gzip member, not a frame, begins' : 'no frame begins';
      throw damaged(this.#name, 'zstd', `${what} at byte ${this.#frame}`);
    }
    const what = ZSTD_ERRORS[code] ?? `error ${code} of zstd`;
    throw damaged(this.#name, 'zstd', `${what} at byte ${this.#position}, in the frame from byte ${this.#frame} on`);
  }
}

/** Bytes of the two structs. */
const HEAD = 24;

const ZSTD_ERRORS: Readonly<Record<number, string>> = {
  14: 'an unknown frame parameter',
  16: 'a window larger than 128 MiB, which zstd reads only with --long',
  20: 'damaged data',
  22: 'the content does not match its checksum',
  32: 'a dictionary is required',
};

/** The C library as exported by zstddec, whose own functions hide errors and positions. */
interface ZstdLibrary {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  free(pointer: number): void;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): number;
  /** The bytes wanted next, 0 at a frame's end, or an error's negative code. */
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

/** zstddec provides its library once per process; a lazily loaded chunk may contain a second copy of this module. */
const SHARED = Symbol.for('batchctl.zstd');

/** The C library, compiled once per process. */
function zstdLibrary(): Promise<ZstdLibrary> {
  const shared = globalThis as typeof globalThis & { [SHARED]?: Promise<ZstdLibrary> };
  shared[SHARED] ??= loadZstd();
  return shared[SHARED];
}

async function loadZstd(): Promise<ZstdLibrary> {
  const { ZSTDDecoder } = await import('zstddec/stream');
  const decoder = new ZSTDDecoder();
  const { _init } = decoder;
  let loaded: ZstdLibrary | null = null;
  decoder._init = (result) => {
    _init(result);
    loaded = result.instance.exports as unknown as ZstdLibrary;
  };
  await decoder.init();
  if (loaded === null) throw new Error('zstddec was initialised by something else in this process');
  return loaded;
}

function damaged(name: string, program: 'gzip' | 'zstd', what: string, cause?: unknown): BatchctlError {
  return new BatchctlError('corrupt', `${name} is not complete ${program} data: ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: `get it again from its source, or decompress it and use the result; test a file with \`${program} -t\``,
  });
}
