import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { BatchctlError } from '../../errors.ts';
import type { Compression, SplitSource } from './split-source.ts';

/** So much compressed data at a time, as 4 bytes of Zstandard can stand for 128 KiB. */
const ZSTD_STEP = 4096;

/** An input's bytes, decompressed if need be. Concatenated gzip members and Zstandard frames are read as one. */
export async function* decompressed(source: SplitSource, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const stored = source.stream(signal);
  try {
    if (source.compression === 'gzip') yield* gunzip(stored);
    else if (source.compression === 'zstd') yield* unzstd(stored);
    else yield* stored as AsyncIterable<Buffer>;
  } catch (error) {
    throw isDamage(error) ? damaged(source.name, source.compression, error) : error;
  } finally {
    stored.destroy();
  }
}

async function* gunzip(stored: Readable): AsyncGenerator<Buffer> {
  const through = createGunzip({ chunkSize: 256 * 1024 });
  // Errors, the source's too, reach the reader by way of `through`.
  pipeline(stored, through, () => {});
  yield* through as AsyncIterable<Buffer>;
}

async function* unzstd(stored: Readable): AsyncGenerator<Buffer> {
  let blocks: Buffer[] = [];
  const through = new Decompress((block) => {
    if (block.length > 0) blocks.push(Buffer.from(block.buffer, block.byteOffset, block.length));
  });
  for await (const chunk of stored as AsyncIterable<Buffer>) {
    for (let from = 0; from < chunk.length; from += ZSTD_STEP) {
      through.push(chunk.subarray(from, from + ZSTD_STEP));
      const ready = blocks;
      blocks = [];
      yield* ready;
    }
  }
  through.push(new Uint8Array(0), true);
  yield* blocks;
}

/** zlib's errors have an `errno` and a Z_ code, fzstd's a number from 0 to 5. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return error instanceof RangeError;
  return typeof error.code === 'number' || String(error.code).startsWith('Z_');
}

function damaged(name: string, compression: Compression, cause: unknown): BatchctlError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new BatchctlError('corrupt', `${name} is not whole ${compression} data: ${what}`, {
    cause,
    hint: `fetch it again from where it came from; \`${compression} -t\` tests a file`,
  });
}
